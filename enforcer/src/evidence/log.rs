// SPDX-License-Identifier: MIT OR Apache-2.0

//! Adding to a log that others add to at the same time.
//!
//! Who adds locks the file (`flock`), reads the last line's hash, and appends with one call. A log is never changed, and
//! a line that was cut off by a crash stays where it is: the next line says so, and goes on from the last whole one.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Entry, Error, Signer,
    chain::{Head, seal},
    entry,
    tail::Tail,
    trusted,
};
use crate::report::host::rfc3339;

/// How long somebody else may hold the lock.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is tried.
const AGAIN: Duration = Duration::from_millis(2);

/// A log.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
    signer: Option<Signer>,
}

impl Log {
    /// The log at a path: makes the directory if there is none, and begins the log if there is none.
    ///
    /// # Errors
    ///
    /// It cannot be written, others could write it, or it is damaged.
    pub fn open(path: &Path, signer: Option<Signer>) -> Result<Self, Error> {
        let log = Self::at(path, signer)?;
        let directory = log.path.parent().unwrap_or(Path::new("/"));
        if !directory.exists() {
            DirBuilder::new().mode(0o700).create(directory).map_err(Error::io(directory, "make"))?;
        }
        log.append(&[])?;
        Ok(log)
    }

    /// The log at a path, which is there.
    ///
    /// # Errors
    ///
    /// There is no working directory, which the path begins at.
    pub fn at(path: &Path, signer: Option<Signer>) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(Error::io(path, "find"))?;
        Ok(Self { path, signer })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds lines, one behind the other, and says where the last one stands. They are on the disk when this returns.
    ///
    /// # Errors
    ///
    /// Nothing was added.
    pub fn append(&self, entries: &[Entry]) -> Result<Head, Error> {
        let mut file = self.lock(true)?;
        let (mut text, mut head) = (String::new(), Head::START);
        let mut add = |entry: &Entry, head: &mut Head| {
            let sealed = seal(entry, *head, &rfc3339(SystemTime::now()), self.signer.as_ref());
            let (line, next) = sealed.map_err(|reason| Error::Entry { path: self.path.clone(), reason })?;
            text += &line;
            *head = next;
            Ok(())
        };
        let mut torn = false;
        match self.tail(&file)? {
            Tail::Empty => add(&entry::begin(), &mut head)?,
            Tail::Line(last) => head = last,
            Tail::Unended(last) => (head, torn) = (last, true),
            Tail::Torn { head: last, bytes, sha256 } => {
                (head, torn) = (last, true);
                add(&Entry::Torn(entry::Torn { bytes, sha256 }), &mut head)?;
            }
            Tail::Damaged => return Err(Error::Damaged { path: self.path.clone() }),
        }
        for entry in entries {
            add(entry, &mut head)?;
        }
        if torn {
            text.insert(0, '\n');
        }
        if !text.is_empty() {
            self.write(&mut file, text.as_bytes())?;
        }
        Ok(head)
    }

    /// Gives the log another name, with the numbers of its lines in it, and begins a new one that goes on from it.
    ///
    /// # Errors
    ///
    /// It is empty or damaged, or cannot be renamed.
    pub fn rotate(&self) -> Result<PathBuf, Error> {
        // Under the lock of the old file: whoever waits for it sees then that it is no longer the log.
        let old = self.lock(false)?;
        let last = match self.tail(&old)? {
            Tail::Line(last) => last,
            Tail::Empty => return Err(Error::Empty { path: self.path.clone() }),
            Tail::Torn { .. } | Tail::Unended(_) => {
                drop(old);
                self.append(&[])?;
                return self.rotate();
            }
            Tail::Damaged => return Err(Error::Damaged { path: self.path.clone() }),
        };
        let io = |action| Error::io(&self.path, action);
        let sealed = seal(&entry::begin(), last, &rfc3339(SystemTime::now()), self.signer.as_ref());
        let (line, _) = sealed.map_err(|reason| Error::Entry { path: self.path.clone(), reason })?;
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let to = self.path.with_file_name(format!("{stem}-{:010}.jsonl", last.seq));
        if to.exists() {
            return Err(Error::unsafe_path(&to, "it is there already"));
        }
        // The new file is whole before it has the log's name, so that there is a log at every moment.
        let new = self.path.with_extension("new");
        let _ = fs::remove_file(&new);
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create_new(true).mode(0o600).open(&new).map_err(io("rotate"))?;
        self.write(&mut file, line.as_bytes())?;
        fs::hard_link(&self.path, &to).map_err(io("rotate"))?;
        fs::rename(&new, &self.path).map_err(io("rotate"))?;
        Ok(to)
    }

    fn tail(&self, file: &File) -> Result<Tail, Error> {
        Tail::of(file).map_err(Error::io(&self.path, "read"))
    }

    /// Writes at the end, or nothing: what was written in part (a full disk) is taken back.
    fn write(&self, file: &mut File, bytes: &[u8]) -> Result<(), Error> {
        let io = |action| Error::io(&self.path, action);
        let before = file.metadata().map_err(io("look at"))?.len();
        file.write_all(bytes)
            .and_then(|()| file.sync_data())
            .inspect_err(|_| drop(file.set_len(before)))
            .map_err(io("write to the evidence log"))
    }

    /// The file, locked, and sure to be the log and nobody else's.
    fn lock(&self, create: bool) -> Result<File, Error> {
        let io = |action| Error::io(&self.path, action);
        let deadline = Instant::now() + PATIENCE;
        trusted::directory(self.path.parent().unwrap_or(Path::new("/")))?;
        loop {
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(create).mode(0o600);
            // A named pipe without a reader would not let us go on.
            options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
            let file = options.open(&self.path).map_err(io("open the evidence log"))?;
            trusted::file(&file, &self.path)?;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::Error(source)) => return Err(io("lock")(source)),
                    Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                        return Err(Error::Locked { path: self.path.clone(), seconds: PATIENCE.as_secs() });
                    }
                    Err(TryLockError::WouldBlock) => thread::sleep(AGAIN),
                }
            }
            let held = file.metadata().map_err(io("look at"))?;
            let named = fs::symlink_metadata(&self.path);
            // It may have been rotated while we waited.
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())) {
                return Ok(file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{
        entry::samples,
        verify::{Asked, verified},
    };
    use std::os::unix::fs::PermissionsExt as _;

    fn log(dir: &tempfile::TempDir) -> Log {
        Log::open(&dir.path().join("log.jsonl"), None).unwrap()
    }

    fn check(paths: &[&Path]) -> crate::evidence::verify::Report {
        verified(paths, &Asked::default()).unwrap()
    }

    #[test]
    fn many_writers_keep_one_chain() {
        let dir = tempfile::tempdir().unwrap();
        let path = log(&dir).path().to_owned();
        // Each opens the file for itself: locks hold between those, in one process or several.
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let log = Log::open(&path, None).unwrap();
                    for number in 0..25 {
                        log.append(&[samples::exception(number), samples::exception(number)]).unwrap();
                    }
                });
            }
        });
        let report = check(&[&path]);
        assert!(report.holds() && report.notices.is_empty(), "{report:#?}");
        assert_eq!(report.lines, 1 + 8 * 25 * 2);
    }

    #[test]
    fn rotation_goes_on_from_the_last_line_also_for_those_who_wait() {
        let dir = tempfile::tempdir().unwrap();
        let path = log(&dir).path().to_owned();
        let old = thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let log = Log::open(&path, None).unwrap();
                    for number in 0..20 {
                        log.append(&[samples::exception(number)]).unwrap();
                    }
                });
            }
            let log = Log::open(&path, None).unwrap();
            [log.rotate().unwrap(), log.rotate().unwrap()]
        });
        let report = check(&[&old[0], &old[1], &path]);
        assert!(report.holds() && report.notices.is_empty(), "{report:#?}");
        assert_eq!(report.lines, 3 + 4 * 20);
        let parts = check(&[&old[0], &path]);
        assert!(!parts.holds(), "{parts:#?}");
        let end = check(&[&path]);
        assert!(end.holds() && end.notices.len() == 1, "{end:#?}");
    }

    #[test]
    fn a_torn_line_is_told_and_the_chain_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(&dir);
        log.append(&[samples::exception(1), samples::exception(2)]).unwrap();
        let whole = fs::read(log.path()).unwrap();
        let last = whole.len() - whole[..whole.len() - 1].iter().rev().position(|&b| b == b'\n').unwrap() - 1;
        // Every place to be cut at, and the line feed only.
        for cut in [last + 1, last + 10, whole.len() - 70, whole.len() - 1] {
            fs::write(log.path(), &whole[..cut]).unwrap();
            let found = check(&[log.path()]);
            assert_eq!((found.holds(), found.faults.len()), (false, 1), "{found:#?}");
            log.append(&[samples::exception(3)]).unwrap();
            let found = check(&[log.path()]);
            assert!(found.holds(), "{cut}: {found:#?}");
            // Where only the line feed is missing, nothing is lost.
            let expected = if cut == whole.len() - 1 { (0, 4) } else { (1, 5) };
            assert_eq!((found.notices.len(), found.lines), expected, "{found:#?}");
            assert!(found.notices.iter().all(|notice| notice.contains("line 3 was cut off")), "{found:#?}");
        }
    }

    #[test]
    fn nothing_is_added_to_what_is_damaged_or_not_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let log = log(&dir);
        log.append(&[samples::exception(1)]).unwrap();
        let whole = fs::read_to_string(log.path()).unwrap();
        fs::write(log.path(), whole.replace("EX-1", "EX-2")).unwrap();
        assert!(matches!(log.append(&[samples::exception(2)]), Err(Error::Damaged { .. })));
        fs::write(log.path(), "some other text\n").unwrap();
        assert!(matches!(log.append(&[]), Err(Error::Damaged { .. })));
        fs::write(log.path(), &whole).unwrap();
        fs::set_permissions(log.path(), fs::Permissions::from_mode(0o660)).unwrap();
        assert!(matches!(log.append(&[]), Err(Error::Unsafe { .. })));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(log.path(), &link).unwrap();
        assert!(Log::open(&link, None).is_err());
        assert!(Log::open(Path::new("/proc/version"), None).is_err());
        assert!(Log::open(&dir.path().join("a/b/c"), None).is_err(), "only one directory is made");
    }
}
