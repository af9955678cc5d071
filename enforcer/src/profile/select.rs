// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which commands the service holds to a profile.

/// A description of commands. A command is meant if all that is given here is true of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// Globs for the command's first words, the command itself among them.
    pub argv: Vec<String>,
    /// A glob for the program's path.
    pub exe: Option<String>,
    /// The user.
    pub uid: Option<User>,
    /// A glob for the working directory.
    pub cwd: Option<String>,
    /// A glob for the path of the control group.
    pub cgroup: Option<String>,
    /// A glob for the name of the systemd unit.
    pub unit: Option<String>,
    /// Variables of the environment, and globs for their values.
    pub env: Vec<(String, String)>,
    /// The line that it begins in, from 1.
    pub line: u32,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// With this number.
    Id(u32),
    /// With this name.
    Name(String),
}
