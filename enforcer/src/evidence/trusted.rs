// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files that nobody but root, or we, can have changed.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use nix::unistd::geteuid;

use super::Error;

/// Whoever may write besides the owner.
const OTHERS_WRITE: u32 = 0o022;
/// Files of others cannot be renamed or removed in such a directory.
const STICKY: u32 = 0o1000;

/// A secret that only its owner can read.
///
/// # Errors
///
/// It is not one.
pub fn secret(file: &File, path: &Path) -> Result<(), Error> {
    let found = file.metadata().map_err(Error::io(path, "look at"))?;
    owned(&found, path)?;
    match found.mode() & 0o077 {
        0 => Ok(()),
        _ => Err(Error::unsafe_path(path, "others may read it (chmod 600)")),
    }
}

/// A file that only its owner can write.
///
/// # Errors
///
/// It is not one.
pub fn file(file: &File, path: &Path) -> Result<(), Error> {
    let found = file.metadata().map_err(Error::io(path, "look at"))?;
    owned(&found, path)?;
    match found.mode() & OTHERS_WRITE {
        0 => Ok(()),
        _ => Err(Error::unsafe_path(path, "others may write to it (chmod 600)")),
    }
}

/// A directory in which, and above which, nobody else can put another in its place.
///
/// # Errors
///
/// Somebody can.
pub fn directory(path: &Path) -> Result<(), Error> {
    let real = path.canonicalize().map_err(Error::io(path, "look at"))?;
    for directory in real.ancestors() {
        let found = fs::metadata(directory).map_err(Error::io(directory, "look at"))?;
        if !ours(&found) {
            return Err(Error::unsafe_path(directory, "it belongs to somebody else"));
        }
        if found.mode() & OTHERS_WRITE != 0 && found.mode() & STICKY == 0 {
            return Err(Error::unsafe_path(directory, "others may write to it"));
        }
    }
    Ok(())
}

fn owned(found: &fs::Metadata, path: &Path) -> Result<(), Error> {
    if !found.is_file() {
        return Err(Error::unsafe_path(path, "it is no regular file"));
    }
    if ours(found) { Ok(()) } else { Err(Error::unsafe_path(path, "it belongs to somebody else")) }
}

fn ours(found: &fs::Metadata) -> bool {
    found.uid() == 0 || found.uid() == geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_others_can_write_is_not_trusted() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, path) = (temp.path().join("d"), temp.path().join("d/f"));
        fs::create_dir(&dir).unwrap();
        fs::write(&path, "").unwrap();
        let open = || File::open(&path).unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(&path, 0o644);
        mode(&dir, 0o755);
        assert!(file(&open(), &path).is_ok() && directory(&dir).is_ok());
        assert!(secret(&open(), &path).is_err());
        mode(&path, 0o600);
        assert!(secret(&open(), &path).is_ok());
        mode(&path, 0o620);
        assert!(file(&open(), &path).is_err());
        mode(&dir, 0o775);
        assert!(directory(&dir).is_err());
        mode(&dir, 0o1777);
        assert!(directory(&dir).is_ok());
        assert!(file(&File::open(&dir).unwrap(), &dir).is_err());
    }
}
