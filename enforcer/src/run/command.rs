// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finding COMMAND, as a shell does: once, so that exactly one exec is the operator's own.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf, absolute},
};

use nix::unistd::{AccessFlags, access};

use super::Error;

/// The search path of a user who has none.
pub const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Finds the file that `command` names, with the rights of the calling thread. The result is absolute; symbolic links
/// in it are left alone, since programs look at the name that they are called by.
///
/// # Errors
///
/// [`Error::NotFound`] or [`Error::NotExecutable`].
pub fn find(command: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, Error> {
    if command.as_bytes().contains(&b'/') {
        return match look(Path::new(command)) {
            Ok(found) => Ok(found),
            Err(error) if is_absent(&error) => Err(not_found(command)),
            Err(source) => Err(Error::NotExecutable { path: command.into(), source }),
        };
    }
    if command.is_empty() {
        return Err(not_found(command));
    }
    let mut refused = None;
    for dir in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        let candidate =
            if dir.as_os_str().is_empty() { Path::new(".").join(command) } else { dir.join(command) };
        match look(&candidate) {
            Ok(found) => return Ok(found),
            Err(error) if is_absent(&error) => {}
            Err(source) => {
                refused.get_or_insert(Error::NotExecutable { path: candidate, source });
            }
        }
    }
    Err(refused.unwrap_or_else(|| not_found(command)))
}

/// The last part of a command's name.
#[must_use]
pub fn base_name(command: &OsStr) -> OsString {
    Path::new(command).file_name().unwrap_or(command).to_owned()
}

fn not_found(command: &OsStr) -> Error {
    Error::NotFound { command: command.to_owned() }
}

/// The absolute path of an executable file, or why it is none.
fn look(path: &Path) -> io::Result<PathBuf> {
    let file = fs::metadata(path)?;
    if file.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    access(path, AccessFlags::X_OK)?;
    absolute(path)
}

/// Whether the error says that there is no such file.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;
    use std::os::unix::fs::PermissionsExt as _;

    fn file(dir: &Path, name: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn search(dirs: &[PathBuf]) -> OsString {
        std::env::join_paths(dirs).unwrap()
    }

    #[test]
    fn the_first_executable_on_the_path_is_taken() {
        let temp = tempfile::tempdir().unwrap();
        let (a, b, c) = (temp.path().join("a"), temp.path().join("b"), temp.path().join("c"));
        file(&a, "tool", 0o644);
        let right = file(&b, "tool", 0o755);
        file(&c, "tool", 0o755);
        let path = search(&[a, b, c]);
        assert_eq!(find("tool".as_ref(), Some(&path)).unwrap(), right);
    }

    #[test]
    fn what_cannot_be_executed_is_126_and_what_is_absent_127() {
        let temp = tempfile::tempdir().unwrap();
        let plain = file(temp.path(), "plain", 0o644);
        let path = search(&[temp.path().to_owned()]);
        let exit = |command: &OsStr| find(command, Some(&path)).map_err(|error| error.exit());
        assert_eq!(exit("plain".as_ref()), Err(Exit::NotExecutable));
        assert_eq!(exit(plain.as_os_str()), Err(Exit::NotExecutable));
        assert_eq!(exit(temp.path().as_os_str()), Err(Exit::NotExecutable));
        assert_eq!(exit("absent".as_ref()), Err(Exit::NotFound));
        assert_eq!(exit("/absent/x".as_ref()), Err(Exit::NotFound));
        assert_eq!(exit(plain.join("below").as_os_str()), Err(Exit::NotFound));
        assert_eq!(exit("".as_ref()), Err(Exit::NotFound));
    }

    #[test]
    fn without_a_path_the_usual_places_are_searched() {
        assert_eq!(find("sh".as_ref(), None).ok().map(|path| base_name(path.as_os_str())), Some("sh".into()));
    }

    #[test]
    fn symbolic_links_are_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        file(temp.path(), "real", 0o755);
        let link = temp.path().join("link");
        std::os::unix::fs::symlink("real", &link).unwrap();
        assert_eq!(find(link.as_os_str(), None).unwrap(), link);
    }
}
