// SPDX-License-Identifier: MIT OR Apache-2.0

//! The first message of a TLS connection, read byte by byte: whom it asks for.
//!
//! Bytes come in any pieces: the state goes on where it stopped, within a number, within the name, and across records
//! (RFC 8446, 4.1.2 and 5.1; RFC 6066, 3). Lengths must nest exactly, so that no other reader can understand the same
//! bytes as another name: what is wrong is no hello.

use crate::address::Endpoint;

/// Room for a name and what ends it.
pub const NAME_SIZE: usize = 256;
/// The longest name.
pub const NAME_MAX: u32 = 253;
/// The longest ClientHello that is read: as much as one record holds. Those with post-quantum keys have 1.8 KB.
pub const HELLO_MAX: u32 = 1 << 14;

/// The handshake record, and the longest that a record may be.
const HANDSHAKE: u8 = 22;
const RECORD_MAX: u32 = 1 << 14;
/// The extensions that are looked at.
const SERVER_NAME: u32 = 0;
const ENCRYPTED_HELLO: u32 = 0xfe0d;

/// What the next bytes are.
mod field {
    /// The message's type, 1.
    pub(super) const TYPE: u32 = 0;
    /// Its length, 3 bytes.
    pub(super) const LENGTH: u32 = 1;
    /// Version and random number, passed over.
    pub(super) const FIXED: u32 = 2;
    /// How long the session's identifier is.
    pub(super) const SESSION_LENGTH: u32 = 3;
    /// It, passed over.
    pub(super) const SESSION: u32 = 4;
    /// How long the list of ciphers is, 2 bytes.
    pub(super) const CIPHERS_LENGTH: u32 = 5;
    /// It, passed over.
    pub(super) const CIPHERS: u32 = 6;
    /// How long the list of compressions is.
    pub(super) const COMPRESSIONS_LENGTH: u32 = 7;
    /// It, passed over.
    pub(super) const COMPRESSIONS: u32 = 8;
    /// How long all extensions are, 2 bytes.
    pub(super) const EXTENSIONS_LENGTH: u32 = 9;
    /// An extension's type, 2 bytes.
    pub(super) const EXTENSION_TYPE: u32 = 10;
    /// Its length, 2 bytes.
    pub(super) const EXTENSION_LENGTH: u32 = 11;
    /// It, passed over.
    pub(super) const EXTENSION: u32 = 12;
    /// How long the list of names is, 2 bytes.
    pub(super) const LIST_LENGTH: u32 = 13;
    /// The name's type, 0.
    pub(super) const NAME_TYPE: u32 = 14;
    /// Its length, 2 bytes.
    pub(super) const NAME_LENGTH: u32 = 15;
    /// The name.
    pub(super) const NAME: u32 = 16;
    /// The whole message was read.
    pub(super) const DONE: u32 = 17;
    /// It is no hello.
    pub(super) const BAD: u32 = 18;
}

/// Key of the names map: a name that led a stage of this run to an address. Its value is until when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct NameKey {
    /// The run, as in [`crate::address::GrantKey`].
    pub run: u32,
    /// The stage.
    pub stage: u32,
    /// Where the name led.
    pub endpoint: Endpoint,
    /// The name in lower case, and NULs.
    pub name: [u8; NAME_SIZE],
}

const _: () = assert!(size_of::<NameKey>() == 28 + NAME_SIZE);

/// How far the reading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More is to come.
    More,
    /// The whole hello was read.
    Done,
    /// It is none.
    Bad,
}

/// A ClientHello that is being read. All zeros is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Hello {
    /// What the next byte of the message belongs to.
    field: u32,
    /// Bytes of that field that have been read.
    read: u32,
    /// Bytes that the field has; what a field of a fixed length has is in [`width`].
    left: u32,
    /// The number that the field is, as far as it was read.
    number: u32,
    /// Bytes of the record's header that were read; 5 within a record.
    head: u32,
    /// Bytes that are left of the record.
    record: u32,
    /// Bytes that are left of the message.
    message: u32,
    /// Bytes of the extension that is looked into.
    extension: u32,
    /// The length of the name, 0 if there is none.
    name: u32,
    /// [`Hello::ENCRYPTED`].
    flags: u32,
}

impl Hello {
    /// There is an encrypted hello within this one, or what looks like it.
    const ENCRYPTED: u32 = 1;
    /// Bytes of a record's header.
    const HEAD: u32 = 5;

    /// How far the reading has come.
    #[must_use]
    #[inline(always)]
    pub const fn progress(&self) -> Progress {
        match self.field {
            field::DONE => Progress::Done,
            field::BAD.. => Progress::Bad,
            _ => Progress::More,
        }
    }

    /// How long the name is that it asks for; 0 if it names none (yet).
    #[must_use]
    #[inline(always)]
    pub const fn name_len(&self) -> u32 {
        self.name
    }

    /// Whether there is an encrypted hello within.
    #[must_use]
    #[inline(always)]
    pub const fn is_encrypted(&self) -> bool {
        self.flags & Self::ENCRYPTED != 0
    }

    /// How many of the next bytes mean nothing here and may be passed over by [`Hello::pass`].
    #[must_use]
    #[inline(always)]
    pub const fn passable(&self) -> u32 {
        if self.head != Self::HEAD || !is_passed_over(self.field) {
            return 0;
        }
        if self.left < self.record { self.left } else { self.record }
    }

    /// Passes over some bytes, not more than [`Hello::passable`].
    #[inline(always)]
    pub fn pass(&mut self, count: u32) {
        self.left -= count;
        self.message -= count;
        self.end_of_record(count);
        if self.left == 0 {
            self.behind(self.field);
        }
    }

    /// Takes a byte. The name is given in lower case through `put(index, byte)`.
    #[inline(always)]
    pub fn take(&mut self, byte: u8, put: impl FnOnce(usize, u8)) {
        if self.field >= field::DONE {
            return;
        }
        if self.head < Self::HEAD {
            self.header(byte);
            return;
        }
        self.end_of_record(1);
        if self.field > field::LENGTH {
            if self.message == 0 {
                self.field = field::BAD;
                return;
            }
            self.message -= 1;
        }
        if self.field == field::NAME {
            let lower = byte.to_ascii_lowercase();
            if !(lower.is_ascii_lowercase() || lower.is_ascii_digit() || matches!(lower, b'.' | b'-' | b'_'))
            {
                self.field = field::BAD;
                return;
            }
            put(self.name as usize & (NAME_SIZE - 1), lower);
            self.name += 1;
        }
        if is_passed_over(self.field) || self.field == field::NAME {
            self.left -= 1;
            if self.left == 0 {
                self.behind(self.field);
            }
            return;
        }
        self.number = self.number << 8 | byte as u32;
        self.read += 1;
        if self.read == width(self.field) {
            let number = self.number;
            (self.number, self.read) = (0, 0);
            self.understand(number);
        }
    }

    /// A byte of a record's header: type, version, length.
    #[inline(always)]
    fn header(&mut self, byte: u8) {
        let fits = match self.head {
            0 => byte == HANDSHAKE,
            1 => byte == 3,
            _ => true,
        };
        self.head += 1;
        if self.head > 3 {
            self.record = self.record << 8 | byte as u32;
        }
        let whole = self.head == Self::HEAD;
        if !fits || (whole && (self.record == 0 || self.record > RECORD_MAX)) {
            self.field = field::BAD;
        }
    }

    /// Counts bytes of the record; behind its last comes the header of the next.
    #[inline(always)]
    fn end_of_record(&mut self, count: u32) {
        self.record -= count;
        if self.record == 0 {
            self.head = 0;
        }
    }

    /// Begins to pass over what has a length, or goes on behind it if there is nothing of it.
    #[inline(always)]
    fn over(&mut self, what: u32, length: u32) {
        if length > self.message {
            self.field = field::BAD;
        } else if length == 0 {
            self.behind(what);
        } else {
            (self.field, self.left) = (what, length);
        }
    }

    /// Goes on behind a field that was passed over, or behind the name.
    #[inline(always)]
    fn behind(&mut self, what: u32) {
        self.field = match what {
            field::FIXED => field::SESSION_LENGTH,
            field::SESSION => field::CIPHERS_LENGTH,
            field::CIPHERS => field::COMPRESSIONS_LENGTH,
            field::COMPRESSIONS if self.message != 0 => field::EXTENSIONS_LENGTH,
            field::COMPRESSIONS => field::DONE,
            _ if self.message != 0 => field::EXTENSION_TYPE,
            _ => field::DONE,
        };
    }

    /// What a number says.
    #[inline(always)]
    fn understand(&mut self, number: u32) {
        match self.field {
            field::TYPE => self.go(number == 1, field::LENGTH),
            field::LENGTH => {
                self.message = number;
                if number > HELLO_MAX {
                    self.field = field::BAD;
                } else {
                    self.over(field::FIXED, 34);
                }
            }
            field::SESSION_LENGTH => self.over(field::SESSION, number),
            field::CIPHERS_LENGTH => self.over(field::CIPHERS, number),
            field::COMPRESSIONS_LENGTH => self.over(field::COMPRESSIONS, number),
            field::EXTENSIONS_LENGTH => {
                // Nothing comes behind them.
                let next = if number == 0 { field::DONE } else { field::EXTENSION_TYPE };
                self.go(number == self.message, next);
            }
            field::EXTENSION_TYPE => {
                self.extension = number;
                if number == ENCRYPTED_HELLO {
                    self.flags |= Self::ENCRYPTED;
                }
                self.field = field::EXTENSION_LENGTH;
            }
            field::EXTENSION_LENGTH => {
                if self.extension != SERVER_NAME {
                    self.over(field::EXTENSION, number);
                    return;
                }
                // One list of one name, and there is no second such extension.
                self.extension = number;
                self.go(self.name == 0 && number > 5 && number <= self.message, field::LIST_LENGTH);
            }
            field::LIST_LENGTH => self.go(number + 2 == self.extension, field::NAME_TYPE),
            field::NAME_TYPE => self.go(number == 0, field::NAME_LENGTH),
            _ => {
                self.left = number;
                self.go(number + 5 == self.extension && number <= NAME_MAX, field::NAME);
            }
        }
    }

    /// Goes on, if what was read is as it must be.
    #[inline(always)]
    fn go(&mut self, fits: bool, next: u32) {
        self.field = if fits { next } else { field::BAD };
    }
}

/// Whether the bytes of a field mean nothing here.
#[inline(always)]
const fn is_passed_over(field: u32) -> bool {
    matches!(field, field::FIXED | field::SESSION | field::CIPHERS | field::COMPRESSIONS | field::EXTENSION)
}

/// Bytes of a number.
#[inline(always)]
const fn width(field: u32) -> u32 {
    match field {
        field::LENGTH => 3,
        field::TYPE | field::SESSION_LENGTH | field::COMPRESSIONS_LENGTH | field::NAME_TYPE => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests;
