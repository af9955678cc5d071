// SPDX-License-Identifier: MIT OR Apache-2.0

//! The texts that the kernel reports: paths with everything resolved, and endpoints. A search that keeps to these
//! shapes finds no example that cannot happen.

use enforcer_common::{argv::SEPARATOR, socket::TEXT_LEN};

/// How far a text has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    /// Nothing yet of a path.
    Path,
    /// Nothing yet of the name of a local socket: a path, or `@` and an abstract name.
    Local,
    /// Within an abstract name.
    Abstract,
    /// An anchor, and nothing yet of what is below it.
    Anchor,
    /// The root directory.
    Root,
    /// Behind a slash.
    Slash,
    /// Behind `/.`.
    Dot,
    /// Behind `/..`.
    Dots,
    /// Within the name of a file.
    Name,
    /// Within the arguments of a program, see [`enforcer_common::argv`].
    Arguments,
    /// Within a socket, see [`enforcer_common::socket`]: bytes so far.
    Socket(u8),
    /// Within an endpoint, see [`enforcer_common::address`].
    Endpoint {
        /// Bytes so far.
        at: u8,
        /// Whether the family is IPv6.
        six: bool,
        /// Whether the address can still become an IPv4-mapped one, which is reported as IPv4.
        mapped: bool,
    },
}

impl Shape {
    /// Nothing yet of an endpoint.
    pub(super) const ENDPOINT: Self = Self::Endpoint { at: 0, six: false, mapped: false };

    /// Whether there is a text that ends here.
    pub(super) const fn complete(self) -> bool {
        match self {
            Self::Anchor | Self::Root | Self::Name | Self::Abstract | Self::Arguments => true,
            Self::Socket(at) => at as usize == TEXT_LEN - 1,
            Self::Path | Self::Local | Self::Slash | Self::Dot | Self::Dots => false,
            Self::Endpoint { at, six, .. } => at == length(six),
        }
    }

    /// The shape behind a byte, if there is a text that goes on like that. Control characters are in some paths; no
    /// rule names one, hence no example needs one.
    pub(super) const fn next(self, byte: u8) -> Option<Self> {
        if byte == SEPARATOR && matches!(self, Self::Anchor | Self::Root | Self::Name | Self::Arguments) {
            return Some(Self::Arguments);
        }
        if byte.is_ascii_control() {
            return None;
        }
        match (self, byte) {
            (Self::Endpoint { at, six, mapped }, _) => endpoint(at, six, mapped, byte),
            (Self::Socket(at), _) => {
                let fits = match at {
                    2 | 4 => byte == b':',
                    _ => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
                };
                if fits && (at as usize) < TEXT_LEN - 1 { Some(Self::Socket(at + 1)) } else { None }
            }
            (Self::Arguments, _) => Some(Self::Arguments),
            (Self::Local, b'@') | (Self::Abstract, _) => Some(Self::Abstract),
            (Self::Path | Self::Local, b'/') => Some(Self::Root),
            (Self::Anchor | Self::Name, b'/') => Some(Self::Slash),
            (Self::Path | Self::Local | Self::Anchor, _) | (_, b'/') => None,
            (Self::Root | Self::Slash, b'.') => Some(Self::Dot),
            (Self::Dot, b'.') => Some(Self::Dots),
            (_, _) => Some(Self::Name),
        }
    }
}

/// Bytes of an endpoint.
const fn length(six: bool) -> u8 {
    if six { 2 + 32 + 5 } else { 2 + 8 + 5 }
}

/// One byte more of an endpoint.
const fn endpoint(at: u8, six: bool, mapped: bool, byte: u8) -> Option<Shape> {
    let colon = length(six) - 5;
    let digit = byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let (six, mapped) = match at {
        0 if matches!(byte, b't' | b'u' | b'x') => (six, mapped),
        1 if matches!(byte, b'4' | b'6') => (byte == b'6', byte == b'6'),
        0 | 1 => return None,
        _ if at == colon => {
            if byte != b':' || mapped {
                return None;
            }
            (six, false)
        }
        _ if !digit || at >= length(six) => return None,
        // Twenty zeros, then four times `f`.
        2..22 => (six, mapped && byte == b'0'),
        22..26 => (six, mapped && byte == b'f'),
        _ => (six, mapped),
    };
    Some(Shape::Endpoint { at: at + 1, six, mapped })
}

#[cfg(test)]
mod tests {
    use super::*;
    use enforcer_common::{
        address::{self, Endpoint, Protocol},
        socket::{self, Socket},
    };

    fn whole(start: Shape, text: &[u8]) -> bool {
        text.iter().try_fold(start, |shape, &byte| shape.next(byte)).is_some_and(Shape::complete)
    }

    #[test]
    fn paths_are_absolute_and_resolved() {
        for path in ["/", "/a", "/a/b", "/.a", "/..a", "/...", "/a.", "/ü (deleted)"] {
            assert!(whole(Shape::Path, path.as_bytes()), "{path}");
        }
        for path in ["", "a", "//", "/a/", "/a//b", "/.", "/./a", "/..", "/a/../b", "/a\n"] {
            assert!(!whole(Shape::Path, path.as_bytes()), "{path}");
        }
        assert!(whole(Shape::Anchor, b"") && whole(Shape::Anchor, b"/a"));
        assert!(!whole(Shape::Anchor, b"/") && !whole(Shape::Anchor, b"a"));
    }

    #[test]
    fn local_sockets_have_paths_or_abstract_names() {
        for name in ["/run/x", "@", "@x//..", "@/"] {
            assert!(whole(Shape::Local, name.as_bytes()), "{name}");
        }
        assert!(!whole(Shape::Local, b"x") && !whole(Shape::Local, b"") && !whole(Shape::Path, b"@x"));
    }

    #[test]
    fn sockets_are_as_they_are_written() {
        let mut buffer = [0; socket::TEXT_LEN];
        let socket = Socket::new(40, 1, 0x1234).unwrap();
        let len = socket.write(|i, b| buffer[i] = b);
        assert!(whole(Shape::Socket(0), &buffer[..len]));
        for text in ["", "28:1:123", "28:1:12345", "2811:1234", "28:g:1234"] {
            assert!(!whole(Shape::Socket(0), text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn endpoints_are_as_they_are_written() {
        let text = |endpoint: Endpoint| {
            let mut buffer = [0; address::TEXT_LEN];
            let len = endpoint.write(|i, b| buffer[i] = b);
            buffer[..len].to_vec()
        };
        let mut octets = [0; 16];
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Other] {
            assert!(whole(Shape::ENDPOINT, &text(Endpoint::v4([192, 0, 2, 1], 443, protocol))));
            octets[9] ^= 0x20;
            assert!(whole(Shape::ENDPOINT, &text(Endpoint::v6(octets, 53, protocol))));
        }
        for text in [
            "t4c0000201:01bb0",
            "t4c0000201:01b",
            "t4c0000201",
            "q4c0000201:01bb",
            "t4C0000201:01bb",
            "t600000000000000000000ffffc0000201:01bb",
        ] {
            assert!(!whole(Shape::ENDPOINT, text.as_bytes()), "{text}");
        }
        assert!(whole(Shape::ENDPOINT, b"t600000000000000000000fffec0000201:01bb"));
    }
}
