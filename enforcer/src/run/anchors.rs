// SPDX-License-Identifier: MIT OR Apache-2.0

//! The values of the profile's variables in this run.

use std::{
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use enforcer_common::anchor::{ANCHOR_MAX, Anchors};

use super::{Error, invoker::Invoker};

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
}

impl Places {
    /// Finds them, with the rights of the calling thread.
    ///
    /// # Errors
    ///
    /// The working directory has gone, or the user has no home.
    pub fn find(invoker: &Invoker) -> Result<Self, Error> {
        let workspace = std::env::current_dir().and_then(resolve);
        let home = invoker.home().ok_or(Error::NoHome { uid: invoker.uid.as_raw() })?;
        let tmp = invoker.environment.absolute("TMPDIR").unwrap_or_else(|| "/tmp".into());
        Ok(Self {
            workspace: workspace.map_err(Error::system("find the working directory"))?,
            home: resolve(home).map_err(Error::system("resolve the home directory"))?,
            tmp: resolve(tmp).map_err(Error::system("resolve the directory for temporary files"))?,
        })
    }

    /// Names and values, in the order of the anchors.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &Path); 3] {
        let [workspace, home, tmp] = NAMES;
        [(workspace, &self.workspace), (home, &self.home), (tmp, &self.tmp)]
    }

    /// As the kernel takes them.
    ///
    /// # Errors
    ///
    /// A value that cannot be an anchor.
    pub fn anchors(&self) -> Result<Anchors, Error> {
        let mut anchors = Anchors::NONE;
        for (index, (name, value)) in self.named().into_iter().enumerate() {
            anchors.set(index, value.as_os_str().as_bytes()).map_err(|_| Error::Anchor {
                name: name.to_owned(),
                value: value.to_owned(),
                why: if value.as_os_str().len() > ANCHOR_MAX {
                    "which is longer than the 255 bytes that the kernel half can hold; use a shorter path"
                } else {
                    "and everything would lie below it; start from another directory, or set HOME or TMPDIR"
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
        Places { workspace: workspace.into(), home: home.into(), tmp: "/tmp".into() }
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
}
