// SPDX-License-Identifier: MIT OR Apache-2.0

//! yarn: classic (1.x) and berry (2 and later), which have little more in common than their name.
//!
//! Which of them a project uses is the project's choice, often by a release that lies in it. That one is not asked: the
//! yarn outside the project is, and it says its default too, which is the same for both. If that one is classic, the
//! project's may still be berry, so berry's file in the home directory is read as well.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Asker, Registry, asker::Program, npm};

/// What there is of berry's configuration about registries.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Berry {
    npm_registry_server: Option<String>,
    npm_scopes: BTreeMap<String, Scope>,
}

/// A scope of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Scope {
    npm_registry_server: Option<String>,
}

/// Asks yarn. If there is none outside the project, or corepack has yet to fetch it, npm's registries are taken.
pub(super) async fn ask(asker: Asker<'_>) -> Result<Vec<Registry>, String> {
    let Some(yarn) = asker.find("yarn")? else {
        return Ok([npm::ask(asker).await?, home(asker)?.registries()?].concat());
    };
    let version = match yarn.ask(&["--version"]).await {
        Err(_) if yarn.is_stand_in() => {
            return Ok([npm::ask(asker).await?, home(asker)?.registries()?].concat());
        }
        version => version?,
    };
    if version.trim_start().starts_with("1.") {
        let answer = yarn.ask(&["config", "list", "--json"]).await?;
        Ok([classic(&answer)?, home(asker)?.registries()?].concat())
    } else {
        berry(&yarn).await?.registries()
    }
}

/// Reads classic's answer: an object a line, with what yarn's and npm's files say. npm's word counts more.
fn classic(answer: &str) -> Result<Vec<Registry>, String> {
    let mut all = Map::new();
    for line in answer.lines() {
        if let Ok(Value::Object(mut line)) = serde_json::from_str(line)
            && let Some(Value::Object(data)) = line.remove("data")
        {
            all.extend(data);
        }
    }
    npm::registries(&all)
}

/// Asks berry.
async fn berry(yarn: &Program<'_>) -> Result<Berry, String> {
    let no_json = |error: serde_json::Error| format!("yarn's answer is not JSON as expected: {error}");
    let main = yarn.ask(&["config", "get", "npmRegistryServer", "--json"]).await?;
    let scopes = yarn.ask(&["config", "get", "npmScopes", "--json"]).await?;
    Ok(Berry {
        npm_registry_server: Some(serde_json::from_str(&main).map_err(no_json)?),
        npm_scopes: serde_json::from_str(&scopes).map_err(no_json)?,
    })
}

/// Reads berry's variable and file.
fn home(asker: Asker<'_>) -> Result<Berry, String> {
    let file = asker.environment.absolute("HOME").map(|home| home.join(".yarnrc.yml"));
    let text = file.map_or(Ok(None), |file| asker.read(&file))?;
    let mut berry: Berry = match text.filter(|text| !text.trim().is_empty()) {
        Some(text) => serde_yaml::from_str(&text).map_err(|_| "~/.yarnrc.yml is not YAML as expected")?,
        None => Berry::default(),
    };
    if let Some(set) = asker.environment.get("YARN_NPM_REGISTRY_SERVER") {
        berry.npm_registry_server = Some(set.to_string_lossy().into_owned());
    }
    Ok(berry)
}

impl Berry {
    fn registries(self) -> Result<Vec<Registry>, String> {
        let scopes = self.npm_scopes.into_values().filter_map(|scope| scope.npm_registry_server);
        self.npm_registry_server.into_iter().chain(scopes).map(|url| Registry::parse(&url)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::registry::{asker::tests::User, url::tests::shown};

    const CLASSIC: &str = r#"case $* in
        --version) echo 1.22.22;;
        *) echo '{"type":"info","data":"yarn config"}'
           echo '{"type":"inspect","data":{"registry":"https://yarn.test","@b:registry":"http://b.test"}}'
           echo '{"type":"inspect","data":{"@a:registry":"http://a.test:4873/"}}';;
        esac"#;
    const BERRY: &str = r#"case $YARN_IGNORE_PATH$* in
        1--version) echo 4.1.0;;
        *Server*) echo '"https://berry.test/npm"';;
        *Scopes*) echo '{"a":{"npmRegistryServer":"https://s.test:8443","npmAuthToken":"***"},"b":{}}';;
        esac"#;

    #[tokio::test]
    async fn classic_and_the_file_of_berry() {
        let user = User::new();
        user.program("yarn", CLASSIC);
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("yarn.test 443, a.test 4873, b.test 80"));
        user.file(
            ".yarnrc.yml",
            "npmScopes:\n  c:\n    npmRegistryServer: 'https://c.test'\nnodeLinker: pnp\n",
        );
        assert!(shown(ask(user.asker()).await).unwrap().ends_with(", b.test 80, c.test 443"));
    }

    #[test]
    fn npms_word_counts_more_for_classic() {
        let answer =
            "{\"data\":{\"registry\":\"https://yarn.test\"}}\n{\"data\":{\"registry\":\"https://npm.test\"}}";
        assert_eq!(shown(classic(answer)).as_deref(), Ok("npm.test 443"));
    }

    #[tokio::test]
    async fn berry_is_asked() {
        let user = User::new();
        user.program("yarn", BERRY);
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("berry.test 443, s.test 8443"));
    }

    #[tokio::test]
    async fn npm_is_asked_where_yarn_cannot_be() {
        let user = User::new();
        user.program("npm", r#"echo '{"registry":"https://npm.test"}'"#);
        user.program("corepack/yarn", "exit 1");
        user.link("yarn", "corepack/yarn");
        user.file(".yarnrc.yml", "npmRegistryServer: 'https://berry.test'\n");
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("npm.test 443, berry.test 443"));
    }
}
