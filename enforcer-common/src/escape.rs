// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ways out of a run as text: `n` is making a user namespace, and `t000004d2bash` tracing process 1234, called bash.

use crate::address::digit;

/// Bytes of a process's name, NULs included (`TASK_COMM_LEN`).
pub const NAME_SIZE: usize = 16;
/// Longest text, and its NUL.
pub const TEXT_LEN: usize = 1 + 8 + NAME_SIZE + 1;

/// A way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// Making a user namespace, in which whoever makes it is root.
    Namespace,
    /// Getting hold of another process, or looking into it.
    Trace {
        /// Its number.
        tgid: u32,
        /// Its name, as it calls itself.
        name: &'a [u8],
    },
}

impl<'a> Way<'a> {
    /// Reads a text.
    #[must_use]
    pub fn read(text: &'a [u8]) -> Option<Self> {
        match text.split_first()? {
            (b'n', []) => Some(Self::Namespace),
            (b't', rest) => {
                let (number, name) = rest.split_at_checked(8)?;
                let tgid = u32::from_str_radix(core::str::from_utf8(number).ok()?, 16).ok()?;
                Some(Self::Trace { tgid, name })
            }
            _ => None,
        }
    }
}

/// Writes the text of making a user namespace and its NUL through `put(index, byte)`; returns the length without it.
#[inline(always)]
pub fn namespace(mut put: impl FnMut(usize, u8)) -> usize {
    put(0, b'n');
    put(1, 0);
    1
}

/// Likewise that of tracing a process. The name ends at its first NUL; what follows it is not part of the text.
#[inline(always)]
pub fn trace(tgid: u32, name: &[u8; NAME_SIZE], mut put: impl FnMut(usize, u8)) -> usize {
    put(0, b't');
    let mut index = 0;
    while index < 8 {
        put(1 + index, digit((tgid >> (28 - 4 * index)) as u8));
        index += 1;
    }
    let (mut len, mut ended) = (9, false);
    index = 0;
    while index < NAME_SIZE {
        let byte = name[index];
        ended |= byte == 0;
        put(9 + index, if ended { 0 } else { byte });
        len += if ended { 0 } else { 1 };
        index += 1;
    }
    put(9 + NAME_SIZE, 0);
    len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut buffer = [0xaa; TEXT_LEN];
        let len = trace(1234, b"bash\0\0\0\0\0\0\0\0\0\0\0\0", |index, byte| buffer[index] = byte);
        assert_eq!(&buffer[..=len], b"t000004d2bash\0");
        assert_eq!(Way::read(&buffer[..len]), Some(Way::Trace { tgid: 1234, name: b"bash" }));
        let len = namespace(|index, byte| buffer[index] = byte);
        assert_eq!(Way::read(&buffer[..len]), Some(Way::Namespace));
        assert_eq!([Way::read(b""), Way::read(b"t12"), Way::read(b"nx")], [None; 3]);
    }
}
