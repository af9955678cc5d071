// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much an item says.

use super::super::select::Select;

/// How much an item says of a command; the greater is the more specific. What says whose job it is counts before what says
/// which program it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Variables that are asked for.
    variables: usize,
    /// Unit and control group.
    groups: usize,
    /// The working directory.
    directory: bool,
    /// The user.
    user: bool,
    /// The program's path.
    program: bool,
    /// Words of the command.
    words: usize,
}

impl Rank {
    /// Of an item.
    pub(super) fn of(select: &Select) -> Self {
        Self {
            variables: select.env.len(),
            groups: usize::from(select.unit.is_some()) + usize::from(select.cgroup.is_some()),
            directory: select.cwd.is_some(),
            user: select.uid.is_some(),
            program: select.exe.is_some(),
            words: select.argv.iter().filter(|word| *word != "**").count(),
        }
    }
}
