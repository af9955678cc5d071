// SPDX-License-Identifier: MIT OR Apache-2.0

//! Arguments as text: the program's path, and each argument behind its own name with a [`SEPARATOR`] before it.
//!
//! In memory arguments have a NUL between them, which no argument can have within. Texts end at a NUL, so it becomes
//! another byte; where that is in a path or an argument it becomes a third. No argument can look like two.

/// What stands before each argument.
pub const SEPARATOR: u8 = 0x1f;
/// What stands for a byte like [`SEPARATOR`]. No glob has control characters, so none tells the two apart.
pub const INSTEAD: u8 = 0x1e;

/// A byte of a path or an argument as it is in the text.
#[inline(always)]
#[must_use]
pub const fn folded(byte: u8) -> u8 {
    if byte == SEPARATOR { INSTEAD } else { byte }
}

/// The text of a program and its arguments, those behind its own name.
pub fn write<'a>(path: &[u8], arguments: impl Iterator<Item = &'a [u8]>, mut put: impl FnMut(u8)) {
    path.iter().for_each(|&byte| put(folded(byte)));
    for argument in arguments {
        put(SEPARATOR);
        argument.iter().for_each(|&byte| put(folded(byte)));
    }
}

/// The program's path and the arguments of a text.
pub fn read(text: &[u8]) -> (&[u8], impl Iterator<Item = &[u8]>) {
    let mut parts = text.split(|&byte| byte == SEPARATOR);
    (parts.next().unwrap_or_default(), parts)
}
