// SPDX-License-Identifier: MIT OR Apache-2.0

//! The values of the profile's variables in this run.

use std::{
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use enforcer_common::anchor::{ANCHOR_MAX, Anchors};

use super::{Error, environment::Environment, invoker::Invoker};
use crate::profile::{self, variables::split_default};

/// Names as profiles write them, in the order of the anchors.
pub const NAMES: [&str; 3] = ["${workspace}", "~", "${tmp}"];

/// The directories that the profile's variables stand for, symbolic links resolved, since the kernel judges paths so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Where COMMAND is started.
    pub workspace: PathBuf,
    /// The user's home directory.
    pub home: PathBuf,
    /// `$TMPDIR`, else `/tmp`.
    pub tmp: PathBuf,
    /// What the profile's variables of the environment stand for.
    pub variables: Vec<Variable>,
}

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the environment.
    pub name: String,
    /// As the profile writes it.
    pub text: String,
    /// Its anchor.
    pub anchor: usize,
    /// The directory; none if the variable is not set and the profile gives no default.
    pub value: Option<PathBuf>,
}

impl Places {
    /// Finds them, with the rights of the calling thread.
    ///
    /// # Errors
    ///
    /// The working directory has gone, the user has no home, or a variable is no absolute path.
    pub fn find(invoker: &Invoker, variables: &[profile::Variable]) -> Result<Self, Error> {
        Self::find_but([None, None, None], invoker, variables)
    }

    /// The same, but for what is given in the order of the anchors, which is taken as it is.
    ///
    /// # Errors
    ///
    /// As above, about what is not given.
    pub fn find_but(
        [workspace, home, tmp]: [Option<PathBuf>; NAMES.len()],
        invoker: &Invoker,
        variables: &[profile::Variable],
    ) -> Result<Self, Error> {
        let found = |path: io::Result<PathBuf>, what| path.and_then(resolve).map_err(Error::system(what));
        let environment = &invoker.environment;
        let mut places = Self {
            workspace: match workspace {
                Some(given) => given,
                None => found(std::env::current_dir(), "find the working directory")?,
            },
            home: match (home, invoker.home()) {
                (Some(given), _) => given,
                (None, Some(home)) => found(Ok(home), "resolve the home directory")?,
                (None, None) => return Err(Error::NoHome { uid: invoker.uid.as_raw() }),
            },
            tmp: match tmp {
                Some(given) => given,
                None => {
                    let tmp = environment.absolute("TMPDIR").unwrap_or_else(|| "/tmp".into());
                    found(Ok(tmp), "resolve the directory for temporary files")?
                }
            },
            variables: Vec::new(),
        };
        places.variables = variables
            .iter()
            .map(|variable| places.variable(variable, environment))
            .collect::<Result<_, _>>()?;
        Ok(places)
    }

    /// What a variable of the environment stands for. As for a shell, an empty one is not set.
    fn variable(&self, variable: &profile::Variable, environment: &Environment) -> Result<Variable, Error> {
        let text = variable.to_string();
        let value = match environment.get(&variable.name).filter(|value| !value.is_empty()) {
            Some(value) => {
                let value = PathBuf::from(value);
                if !value.is_absolute() {
                    let why = "which is not an absolute path; set the variable to one, or unset it";
                    return Err(Error::Anchor { name: text, value, why });
                }
                Some(value)
            }
            None => variable.default.as_deref().map(|default| self.default_place(default)),
        };
        let value = value.map(resolve).transpose();
        let value = value.map_err(Error::system("resolve the directory of a variable"))?;
        if let Some(value) = value.as_ref().filter(|value| self.home.starts_with(value)) {
            let why = "in which your home directory lies; set the variable to a directory of its own";
            return Err(Error::Anchor { name: text, value: value.clone(), why });
        }
        Ok(Variable { name: variable.name.clone(), text, anchor: variable.anchor, value })
    }

    /// The directory that a default names.
    fn default_place(&self, default: &str) -> PathBuf {
        let (anchor, rest) = split_default(default);
        let [workspace, home, tmp] = [&self.workspace, &self.home, &self.tmp];
        match anchor.and_then(|index| [workspace, home, tmp].get(index).copied()) {
            Some(place) if rest.is_empty() => place.clone(),
            Some(place) => place.join(rest.trim_start_matches('/')),
            None => PathBuf::from(rest),
        }
    }

    /// Anchors, names and values, in the order of the anchors; without those that have no value.
    #[must_use]
    pub fn named(&self) -> Vec<(usize, &str, &Path)> {
        let [workspace, home, tmp] = NAMES;
        let mut named = vec![(0, workspace, &*self.workspace), (1, home, &*self.home), (2, tmp, &*self.tmp)];
        for Variable { text, anchor, value, .. } in &self.variables {
            named.extend(value.as_deref().map(|value| (*anchor, text.as_str(), value)));
        }
        named
    }

    /// As the kernel takes them.
    ///
    /// # Errors
    ///
    /// A value that cannot be an anchor.
    pub fn anchors(&self) -> Result<Anchors, Error> {
        let mut anchors = Anchors::NONE;
        for (index, name, value) in self.named() {
            anchors.set(index, value.as_os_str().as_bytes()).map_err(|_| Error::Anchor {
                name: name.to_owned(),
                value: value.to_owned(),
                why: if value.as_os_str().len() > ANCHOR_MAX {
                    "which is longer than the 255 bytes that the kernel half can hold; use a shorter path"
                } else if index < NAMES.len() {
                    "and everything would lie below it; start from another directory, or set HOME or TMPDIR"
                } else {
                    "and everything would lie below it; set the variable to another directory"
                },
            })?;
        }
        Ok(anchors)
    }

    /// Whether the home directory lies in the workspace, so that the profile's rules for the one cover the other.
    #[must_use]
    pub fn home_is_in_workspace(&self) -> bool {
        self.home.starts_with(&self.workspace)
    }
}

/// The path with symbolic links resolved; of a path that does not exist, as much as exists.
fn resolve(path: PathBuf) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(resolve(parent.to_owned())?.join(name)),
            _ => Err(error),
        },
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(workspace: &str, home: &str) -> Places {
        Places { workspace: workspace.into(), home: home.into(), tmp: "/tmp".into(), variables: Vec::new() }
    }

    #[test]
    fn the_order_is_the_compilers() {
        let names = crate::profile::ANCHOR_NAMES;
        assert_eq!(names, ["workspace", "home", "tmp"]);
        let anchors = places("/srv", "/home/u").anchors().ok().unwrap();
        assert_eq!(anchors.len[..4], [4, 7, 4, 0]);
    }

    #[test]
    fn the_root_and_long_paths_cannot_be_anchors() {
        for (workspace, home) in
            [("/", "/home/u"), ("/srv", "/"), (&*format!("/{}", "x".repeat(300)), "/home/u")]
        {
            let error = places(workspace, home).anchors().map(|_| ()).unwrap_err();
            assert!(matches!(error, Error::Anchor { .. }), "{error}");
        }
    }

    #[test]
    fn links_are_resolved_as_far_as_they_exist() {
        let temp = tempfile::tempdir().unwrap();
        let real = temp.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        let link = temp.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(resolve(link.clone()).unwrap(), real);
        assert_eq!(resolve(link.join("not/yet")).unwrap(), real.join("not/yet"));
    }

    #[test]
    fn a_home_in_the_workspace_is_noticed() {
        assert!(places("/home", "/home/u").home_is_in_workspace());
        assert!(places("/home/u", "/home/u").home_is_in_workspace());
        assert!(!places("/home/u/app", "/home/u").home_is_in_workspace());
    }

    /// The value of a variable in an environment.
    fn value(name: &str, default: Option<&str>, environment: &str) -> Result<Option<PathBuf>, Error> {
        let variable =
            profile::Variable { name: name.into(), default: default.map(str::to_owned), anchor: 3 };
        let environment = Environment::parse(environment.as_bytes());
        places("/srv/app", "/nowhere/u").variable(&variable, &environment).map(|variable| variable.value)
    }

    #[test]
    fn variables_have_the_users_value_or_their_default() {
        let value = |default, environment| value("CACHE", default, environment).ok().unwrap();
        assert_eq!(value(Some("/x"), "CACHE=/nowhere/cache"), Some("/nowhere/cache".into()));
        assert_eq!(value(Some("/x"), "CACHE="), Some("/x".into()));
        assert_eq!(value(Some("~/.cache"), ""), Some("/nowhere/u/.cache".into()));
        assert_eq!(value(Some("${workspace}"), ""), Some("/srv/app".into()));
        assert_eq!(value(Some("${tmp}/cache"), "CACHES=/y"), Some("/tmp/cache".into()));
        assert_eq!(value(None, ""), None);
    }

    #[test]
    fn a_variable_that_is_no_place_is_refused() {
        let error = value("CACHE", Some("/x"), "CACHE=cache").unwrap_err().to_string();
        assert!(
            error.starts_with("`${env.CACHE:-/x}` would stand for cache, which is not an absolute"),
            "{error}"
        );
        let mut places = places("/srv", "/home/u");
        places.variables.push(Variable {
            name: "A".into(),
            text: "${env.A}".into(),
            anchor: 4,
            value: Some("/cache".into()),
        });
        assert_eq!(places.anchors().ok().unwrap().len[..6], [4, 7, 4, 0, 6, 0]);
        places.variables[0].value = Some("/".into());
        assert!(places.anchors().is_err());
        places.variables[0].value = None;
        assert_eq!(places.anchors().ok().unwrap().len[4], 0);
    }
}
