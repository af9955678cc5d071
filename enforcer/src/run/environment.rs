// SPDX-License-Identifier: MIT OR Apache-2.0

//! An environment, as bytes: what COMMAND is started with.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::PathBuf,
};

/// Variables that sudo sets for the user that it switches to; they say nothing about what the caller wanted.
const SET_BY_SUDO: &[&str] = &["HOME", "LOGNAME", "MAIL", "PATH", "SHELL", "USER", "USERNAME"];

/// Names and values. Of a name that occurs more than once the first occurrence counts, as for `getenv`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Our own.
    #[must_use]
    pub fn own() -> Self {
        std::env::vars_os().collect()
    }

    /// From the bytes of `/proc/PID/environ`: `NAME=value`, NUL after each. What has no name is dropped.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        bytes.split(|&byte| byte == 0).filter_map(split).collect()
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// The value of a variable that names a place: none if it is empty or relative.
    #[must_use]
    pub fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The user's environment, seen through sudo: `self` is what sudo was called with, `ours` what sudo gave us.
    ///
    /// What sudo dropped comes back. What we were given wins, because it was either passed on unchanged or set on the
    /// way (`sudo NAME=value`, `sudo env NAME=value`, a script); but for what sudo itself sets for its target user,
    /// and its own SUDO_* variables.
    #[must_use]
    pub fn seen_through_sudo(mut self, ours: &Self) -> Self {
        let deliberate = ours.0.iter().filter(|(name, _)| !is_sudos(name));
        self.0.extend(deliberate.map(|(name, value)| (name.clone(), value.clone())));
        self.0.retain(|name, _| !name.as_bytes().starts_with(b"SUDO_"));
        self
    }

    /// What we have, without what sudo set.
    #[must_use]
    pub fn without_sudo(mut self) -> Self {
        self.0.retain(|name, _| !is_sudos(name));
        self
    }
}

/// Whether a variable was set by sudo.
fn is_sudos(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"SUDO_") || SET_BY_SUDO.iter().any(|set| *set == name)
}

/// Name and value of `NAME=value`.
fn split(entry: &[u8]) -> Option<(OsString, OsString)> {
    let at = entry.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
    Some((OsString::from_vec(entry[..at].to_vec()), OsString::from_vec(entry[at + 1..].to_vec())))
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(pairs: I) -> Self {
        let mut map = BTreeMap::new();
        for (name, value) in pairs {
            map.entry(name).or_insert(value);
        }
        Self(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(entries: &[&str]) -> Environment {
        Environment::parse(entries.join("\0").as_bytes())
    }

    #[test]
    fn parsing_keeps_bytes_and_the_first_of_a_name() {
        let parsed =
            Environment::parse(b"A=1\0A=2\0EMPTY=\0EQ=a=b\0=x\0nothing\0\0RAW=\xff\xfe\0UNENDED=yes");
        let pairs: Vec<_> = parsed.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let expected: &[(&[u8], &[u8])] =
            &[(b"A", b"1"), (b"EMPTY", b""), (b"EQ", b"a=b"), (b"RAW", b"\xff\xfe"), (b"UNENDED", b"yes")];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn nothing_is_an_environment_too() {
        assert_eq!(Environment::parse(b""), Environment::default());
    }

    #[test]
    fn through_sudo_the_users_environment_comes_back_and_deliberate_changes_stay() {
        let users =
            environment(&["HOME=/home/u", "PATH=/home/u/bin:/bin", "NODE_ENV=dev", "CI=true", "USER=u"]);
        let ours = environment(&[
            "HOME=/root",
            "PATH=/usr/sbin:/usr/bin",
            "USER=root",
            "SUDO_UID=1000",
            "SUDO_COMMAND=enforcer",
            "NODE_ENV=production",
            "EXTRA=1",
        ]);
        let expected = environment(&[
            "HOME=/home/u",
            "PATH=/home/u/bin:/bin",
            "NODE_ENV=production",
            "CI=true",
            "USER=u",
            "EXTRA=1",
        ]);
        assert_eq!(users.seen_through_sudo(&ours), expected);
    }

    #[test]
    fn a_users_own_sudo_variables_are_dropped() {
        let users = environment(&["SUDO_ASKPASS=/x", "A=1"]);
        assert_eq!(users.seen_through_sudo(&Environment::default()), environment(&["A=1"]));
        assert_eq!(environment(&["SUDO_UID=1", "PATH=/x", "A=1"]).without_sudo(), environment(&["A=1"]));
    }

    #[test]
    fn relative_places_are_no_places() {
        let e = environment(&["A=/x", "B=x", "C="]);
        assert_eq!(e.absolute("A"), Some("/x".into()));
        assert_eq!((e.absolute("B"), e.absolute("C"), e.absolute("D")), (None, None, None));
    }
}
