// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who COMMAND runs as, and with which environment.

use std::{
    ffi::{CString, OsString},
    path::PathBuf,
};

use nix::unistd::{Gid, Uid, User, geteuid, getgid, getgrouplist, getuid};

use super::{Error, environment::Environment, sudo};

/// The user who called us.
#[derive(Clone, Debug)]
pub struct Invoker {
    /// User id.
    pub uid: Uid,
    /// Group id.
    pub gid: Gid,
    /// Supplementary groups; `None` leaves them as they are.
    pub groups: Option<Vec<Gid>>,
    /// Login name, if the user has one.
    pub name: Option<String>,
    /// Home directory according to the user database.
    pub home: Option<PathBuf>,
    /// What COMMAND is started with.
    pub environment: Environment,
    /// Where the environment came from.
    pub source: Source,
}

/// Where an environment came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is our own: there is no sudo.
    Own,
    /// The sudo process with this pid was started with it.
    Sudo(u32),
    /// Our own, with what sudo had set replaced by what the user database says.
    Database,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own => f.write_str("our own"),
            Self::Sudo(pid) => write!(f, "what sudo (pid {pid}) was called with, and what was set since"),
            Self::Database => f.write_str("our own, without what sudo set (the sudo process was not found)"),
        }
    }
}

/// Whether we are privileged enough to enforce anything.
#[must_use]
pub fn privileged() -> bool {
    geteuid().is_root()
}

impl Invoker {
    /// Finds out who called us. Without sudo, and without privileges, it is whoever we run as.
    ///
    /// # Errors
    ///
    /// sudo's variables are there but say nothing that makes sense. Taking root for the user then would run COMMAND
    /// with more rights than its caller has.
    pub fn detect() -> Result<Self, Error> {
        let own = Environment::own();
        if !privileged() {
            return Ok(Self::current(own));
        }
        match caller(&own)? {
            Some((uid, gid)) => Ok(Self::behind_sudo(uid, gid, own)),
            None => Ok(Self::current(own)),
        }
    }

    /// Whoever we run as.
    fn current(environment: Environment) -> Self {
        let uid = getuid();
        let user = User::from_uid(uid).ok().flatten();
        let (name, home) = user.map(|user| (user.name, user.dir)).unzip();
        Self { uid, gid: getgid(), groups: None, name, home, environment, source: Source::Own }
    }

    /// The user who called sudo.
    fn behind_sudo(uid: Uid, gid: Gid, own: Environment) -> Self {
        let user = User::from_uid(uid).ok().flatten();
        let groups = user.as_ref().and_then(|user| groups_of(&user.name, gid)).unwrap_or_else(|| vec![gid]);
        let (environment, source) = match sudo::environment_of(uid.as_raw()) {
            Some((pid, environment)) => (environment.seen_through_sudo(&own), Source::Sudo(pid)),
            None => (from_database(own, user.as_ref()), Source::Database),
        };
        let (name, home) = user.map(|user| (user.name, user.dir)).unzip();
        Self { uid, gid, groups: Some(groups), name, home, environment, source }
    }

    /// The directory that `~` stands for: as for a shell, `$HOME`, else what the user database says.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.environment.absolute("HOME").or_else(|| self.home.clone())
    }
}

/// User and group that called sudo, if its variables are there.
fn caller(own: &Environment) -> Result<Option<(Uid, Gid)>, Error> {
    let number = |name: &'static str| match own.get(name) {
        None => Ok(None),
        Some(text) => text
            .to_str()
            .and_then(|text| text.parse::<u32>().ok())
            .filter(|&id| id != u32::MAX)
            .map(Some)
            .ok_or_else(|| Error::SudoVariable { name, value: text.to_owned() }),
    };
    match (number("SUDO_UID")?, number("SUDO_GID")?) {
        (None, None) => Ok(None),
        (Some(uid), Some(gid)) => Ok(Some((Uid::from_raw(uid), Gid::from_raw(gid)))),
        (Some(_), None) => Err(Error::SudoVariable { name: "SUDO_GID", value: OsString::new() }),
        (None, Some(_)) => Err(Error::SudoVariable { name: "SUDO_UID", value: OsString::new() }),
    }
}

/// All groups that a login of the user would be in.
fn groups_of(name: &str, gid: Gid) -> Option<Vec<Gid>> {
    getgrouplist(&CString::new(name).ok()?, gid).ok()
}

/// What we have, with the user database's word on what belongs to a user.
pub(super) fn from_database(own: Environment, user: Option<&User>) -> Environment {
    let mut environment = own.without_sudo();
    if let Some(user) = user {
        environment.set("HOME", &user.dir);
        environment.set("USER", &user.name);
        environment.set("LOGNAME", &user.name);
        environment.set("SHELL", &user.shell);
    }
    environment.set("PATH", super::command::DEFAULT_PATH);
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(text: &str) -> Environment {
        Environment::parse(text.replace(' ', "\0").as_bytes())
    }

    #[test]
    fn the_caller_is_whom_sudo_names() {
        let found = caller(&environment("SUDO_UID=1000 SUDO_GID=1001 SUDO_USER=u"));
        assert_eq!(found.ok().flatten(), Some((Uid::from_raw(1000), Gid::from_raw(1001))));
        assert!(caller(&environment("A=1")).is_ok_and(|caller| caller.is_none()));
    }

    #[test]
    fn nonsense_is_refused_rather_than_taken_for_root() {
        for text in
            ["SUDO_UID=1000", "SUDO_GID=1000", "SUDO_UID=x SUDO_GID=1", "SUDO_UID=4294967295 SUDO_GID=1"]
        {
            assert!(caller(&environment(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn the_database_replaces_what_sudo_set() {
        let own = environment("HOME=/root USER=root PATH=/usr/sbin SUDO_UID=7 LANG=C");
        let user = User::from_uid(Uid::from_raw(0)).ok().flatten();
        let found = from_database(own, user.as_ref());
        assert_eq!(found.get("LANG"), Some("C".as_ref()));
        assert_eq!(found.get("SUDO_UID"), None);
        assert_eq!(found.get("USER"), Some("root".as_ref()));
        assert_eq!(found.get("PATH"), Some(super::super::command::DEFAULT_PATH.as_ref()));
    }
}
