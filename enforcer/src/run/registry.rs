// SPDX-License-Identifier: MIT OR Apache-2.0

//! `${npm.registry}`: the registry of the user's npm configuration, never of the project's.
//!
//! npm is asked, since only npm knows where its configuration is; in `/`, so that no project's `.npmrc` has a say; and
//! an npm that lies in the project is not asked, since nothing of the project may run before the run begins.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use url::{Host, Url};

use super::{
    Error,
    command::{self, DEFAULT_PATH},
    credentials::Credentials,
    environment::Environment,
};
use crate::{
    profile::{self, HostRule, Registry as Of},
    report::escape::escape,
};

/// How long npm may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What `npm run` tells the scripts of a project about it.
const OF_A_PROJECT: &[&str] = &["npm_config_local_prefix", "npm_config_prefix", "INIT_CWD"];

/// Where the registry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// A name or an address.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// What the rules of a profile need to know.
#[derive(Clone, Debug, Default)]
pub struct Registries(Vec<(Of, Registry)>);

impl Registries {
    /// Asks for those that rules name.
    ///
    /// # Errors
    ///
    /// [`Error::Registry`].
    pub async fn ask(
        rules: &[HostRule],
        environment: &Environment,
        credentials: &Credentials,
        workspace: &Path,
    ) -> Result<Self, Error> {
        let mut found = Self::default();
        for of in Of::ALL
            .into_iter()
            .filter(|of| rules.iter().any(|rule| rule.host == profile::Host::Registry(*of)))
        {
            found.0.push((of, ask(environment, credentials, workspace).await?));
        }
        Ok(found)
    }

    /// Those of a kind.
    pub fn of(&self, kind: Of) -> impl Iterator<Item = &Registry> {
        self.0.iter().filter(move |(of, _)| *of == kind).map(|(_, registry)| registry)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &(Of, Registry)> {
        self.0.iter()
    }
}

/// Asks npm.
async fn ask(
    environment: &Environment,
    credentials: &Credentials,
    workspace: &Path,
) -> Result<Registry, Error> {
    let failed = |reason: String| Error::Registry { reason };
    let path = outside(environment.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH)), workspace);
    let npm = credentials
        .act(|| command::find(OsStr::new("npm"), Some(&path)))
        .map_err(Error::system("act as the user"))?
        .map_err(|error| failed(format!("{error} (looked for npm outside the project)")))?;
    let mut command = Command::new(npm);
    command.args(["config", "get", "registry"]).current_dir("/").env_clear().envs(environment.iter());
    OF_A_PROJECT.iter().for_each(|name| {
        command.env_remove(name);
    });
    command.env("npm_config_update_notifier", "false").stdin(Stdio::null());
    credentials.apply(&mut command);
    let output = tokio::process::Command::from(command).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .map_err(|_| failed(format!("`npm config get registry` took longer than {} s", PATIENCE.as_secs())))?
        .map_err(|error| failed(format!("failed to run `npm config get registry`: {error}")))?;
    if !output.status.success() {
        let last = output.stderr.rsplit(|&byte| byte == b'\n').find(|line| !line.is_empty());
        let status = output.status;
        let last = escape(last.unwrap_or_default());
        return Err(failed(format!("`npm config get registry` failed ({status}): {last}")));
    }
    parse(&output.stdout).map_err(failed)
}

/// Reads npm's answer: the last line that is not empty.
fn parse(answer: &[u8]) -> Result<Registry, String> {
    let text = String::from_utf8_lossy(answer);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let wrong = |why: &str| format!("npm answered `{}`, {why}", escape(line.as_bytes()));
    let url = Url::parse(line).map_err(|error| wrong(&format!("which is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("which is neither http nor https"));
    }
    match (url.host(), url.port_or_known_default()) {
        (Some(host), Some(port)) => Ok(Registry { host: host.to_owned(), port }),
        _ => Err(wrong("which names no host")),
    }
}

/// The parts of a search path that do not lie in the project.
fn outside(path: &OsStr, workspace: &Path) -> OsString {
    let is_outside = |dir: &PathBuf| {
        let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        dir.is_absolute() && !real.starts_with(workspace) && !real.ends_with("node_modules/.bin")
    };
    // What was split at colons can be joined with colons.
    std::env::join_paths(std::env::split_paths(path).filter(is_outside)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(answer: &str) -> Result<String, String> {
        parse(answer.as_bytes()).map(|registry| format!("{} {}", registry.host, registry.port))
    }

    #[test]
    fn host_and_port_of_a_registry() {
        assert_eq!(parsed("https://registry.test/\n").as_deref(), Ok("registry.test 443"));
        assert_eq!(
            parsed("warning\n\nhttp://registry.test:4873/npm/\n\n").as_deref(),
            Ok("registry.test 4873")
        );
        assert_eq!(parsed("http://192.0.2.1").as_deref(), Ok("192.0.2.1 80"));
        assert_eq!(parsed("https://[2001:db8::1]:8443/").as_deref(), Ok("[2001:db8::1] 8443"));
        assert_eq!(parsed("https://u:p@REGISTRY.test/").as_deref(), Ok("registry.test 443"));
    }

    #[test]
    fn answers_that_are_no_registry() {
        for answer in ["", "undefined", "file:///etc", "https://", "ftp://registry.test/", "\x1b[31m"] {
            assert!(parsed(answer).is_err(), "{answer}");
        }
    }

    #[test]
    fn programs_of_the_project_are_not_asked() {
        let path = OsStr::new(
            "/srv/app/node_modules/.bin:/usr/bin:node_modules/.bin::/srv/app/bin:/srv/node_modules/.bin:/bin2",
        );
        assert_eq!(outside(path, Path::new("/srv/app")), "/usr/bin:/bin2");
    }
}
