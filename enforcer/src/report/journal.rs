// SPDX-License-Identifier: MIT OR Apache-2.0

//! systemd's journal, where stderr leads there: the lines for people, with fields to look for them by.
//! <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/> says how.

use std::{
    fs::File,
    os::{
        fd::AsFd as _,
        unix::{fs::MetadataExt as _, net::UnixDatagram},
    },
    sync::OnceLock,
};

/// Where entries are taken.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How much an entry matters, as syslog(3) counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    Error = 3,
    Warning = 4,
    Info = 6,
}

/// A field's name, which has capitals, digits and underscores, and its value.
pub(super) type Field = (&'static str, String);

/// Writes an entry; false if stderr does not lead to the journal, or it cannot be written.
pub(super) fn write(message: &str, priority: Priority, fields: &[Field]) -> bool {
    static JOURNAL: OnceLock<Option<UnixDatagram>> = OnceLock::new();
    let Some(journal) = JOURNAL.get_or_init(open) else { return false };
    // One that is too long for a datagram has its place on stderr.
    journal.send(&entry(message, priority, fields)).is_ok()
}

/// The way to the journal, if systemd has connected stderr to it (systemd.exec(5), `$JOURNAL_STREAM`).
fn open() -> Option<UnixDatagram> {
    let stderr = File::from(std::io::stderr().as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    let (device, inode) = stream.split_once(':')?;
    if device.parse() != Ok(stderr.dev()) || inode.parse() != Ok(stderr.ino()) {
        return None;
    }
    let journal = UnixDatagram::unbound().ok()?;
    journal.connect(SOCKET).ok()?;
    Some(journal)
}

/// An entry as it is sent. Lengths are in front of values, which may have lines.
fn entry(message: &str, priority: Priority, fields: &[Field]) -> Vec<u8> {
    let priority = (priority as u8).to_string();
    let own = [("MESSAGE", message), ("PRIORITY", &priority), ("SYSLOG_IDENTIFIER", "enforcer")];
    let fields = fields.iter().map(|(name, value)| (*name, value.as_str()));
    let mut entry = Vec::new();
    for (name, value) in own.into_iter().chain(fields) {
        entry.extend([name.as_bytes(), b"\n", &(value.len() as u64).to_le_bytes()].concat());
        entry.extend([value.as_bytes(), b"\n"].concat());
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_are_whatever_is_in_them() {
        let fields = [("ENFORCER_TARGET", "/a\nPRIORITY=0".to_owned())];
        let expected = b"MESSAGE\n\x02\0\0\0\0\0\0\0hi\nPRIORITY\n\x01\0\0\0\0\0\0\x004\nSYSLOG_IDENTIFIER\n\x08\0\0\0\0\0\0\0enforcer\n\
            ENFORCER_TARGET\n\x0d\0\0\0\0\0\0\0/a\nPRIORITY=0\n";
        assert_eq!(
            entry("hi", Priority::Warning, &fields).escape_ascii().to_string(),
            expected.escape_ascii().to_string()
        );
    }
}
