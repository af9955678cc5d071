// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sockets as text, so that the automaton decides about the making of one as it decides about everything else.
//!
//! `02:1:0006` is family 2 (`AF_INET`), type 1 (`SOCK_STREAM`), protocol 6 (TCP), all in lower-case hexadecimal.

/// Length of the text and its NUL.
pub const TEXT_LEN: usize = 10;

/// What a socket is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Socket {
    /// `AF_…`
    pub family: u8,
    /// `SOCK_…`, without its flags.
    pub kind: u8,
    /// The protocol within the family, 0 for the usual one.
    pub protocol: u16,
}

impl Socket {
    /// From the arguments of the system call; `None` for numbers that no socket has.
    #[must_use]
    #[inline(always)]
    pub const fn new(family: u32, kind: u32, protocol: u32) -> Option<Self> {
        if family > 0xff || kind > 0xf || protocol > 0xffff {
            return None;
        }
        Some(Self { family: family as u8, kind: kind as u8, protocol: protocol as u16 })
    }

    /// Writes the text and its NUL through `put(index, byte)`; returns the length without the NUL.
    #[inline(always)]
    pub fn write(&self, mut put: impl FnMut(usize, u8)) -> usize {
        let digits = [
            self.family >> 4,
            self.family,
            0,
            self.kind,
            0,
            (self.protocol >> 12) as u8,
            (self.protocol >> 8) as u8,
            (self.protocol >> 4) as u8,
            self.protocol as u8,
        ];
        let mut i = 0;
        while i < digits.len() {
            put(i, if i == 2 || i == 4 { b':' } else { crate::address::digit(digits[i]) });
            i += 1;
        }
        put(i, 0);
        i
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(family: u32, kind: u32, protocol: u32) -> Option<[u8; TEXT_LEN]> {
        let mut buffer = [0xaa; TEXT_LEN];
        let len = Socket::new(family, kind, protocol)?.write(|i, b| buffer[i] = b);
        assert_eq!(len, TEXT_LEN - 1);
        Some(buffer)
    }

    #[test]
    fn texts_are_as_documented() {
        assert_eq!(text(2, 1, 6).as_ref(), Some(b"02:1:0006\0"));
        assert_eq!(text(40, 3, 0x106).as_ref(), Some(b"28:3:0106\0"));
        assert_eq!(text(256, 1, 0), None);
        assert_eq!(text(2, 16, 0), None);
        assert_eq!(text(2, 1, 0x1_0000), None);
    }
}
