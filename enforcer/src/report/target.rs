// SPDX-License-Identifier: MIT OR Apache-2.0

//! What an action was aimed at.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use enforcer_common::{Kind, address::Protocol, argv, escape::Way, socket::Socket};

use super::escape::escape;
use crate::profile::sockets;

/// What an action was aimed at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A path, as the kernel resolved it.
    Path(Vec<u8>),
    /// A program, and its arguments behind its own name.
    Command {
        /// Its path, as the kernel resolved it.
        path: Vec<u8>,
        /// The arguments.
        args: Vec<Vec<u8>>,
    },
    /// An address.
    Address {
        /// Address and port.
        address: SocketAddr,
        /// `tcp`, `udp`, or `other`.
        protocol: &'static str,
        /// The name that led the run there.
        host: Option<Arc<str>>,
        /// The name that its TLS hello asked for, if that is what it was denied for.
        asked: Option<Vec<u8>>,
    },
    /// A local socket: the path that it is bound to, or `@` and its abstract name.
    Unix(Vec<u8>),
    /// A socket that was to be made: the numbers of [`enforcer_common::socket::Socket`].
    Socket {
        /// `AF_…`
        family: u8,
        /// `SOCK_…`
        kind: u8,
        /// The protocol.
        protocol: u16,
    },
    /// A name that was looked up.
    Name {
        /// The name.
        name: Vec<u8>,
        /// Where it led, if that is what is wrong with it.
        leads_to: Option<IpAddr>,
    },
    /// Another process, by number and name.
    Process {
        /// Its number.
        pid: u32,
        /// Its name, as it calls itself.
        name: Vec<u8>,
    },
    /// A user namespace.
    Namespace,
    /// The kernel could not say: there was no path, or an address that rules cannot name.
    Unnamed,
}

impl Target {
    /// From the text that was judged.
    #[must_use]
    pub fn of(kind: Kind, text: &[u8]) -> Self {
        match kind {
            _ if text.is_empty() => Self::Unnamed,
            Kind::Connect | Kind::Listen => parse(text).unwrap_or(Self::Unnamed),
            Kind::Socket => socket(text).unwrap_or(Self::Unnamed),
            Kind::Unix => Self::Unix(text.to_vec()),
            Kind::Resolve => name(text),
            Kind::Exec | Kind::Read | Kind::Write => Self::Path(text.to_vec()),
            Kind::Escape => match Way::read(text) {
                Some(Way::Trace { tgid, name }) => Self::Process { pid: tgid, name: name.to_vec() },
                Some(Way::Namespace) => Self::Namespace,
                None => Self::Unnamed,
            },
            Kind::Argv => {
                let (path, args) = argv::read(text);
                Self::Command { path: path.to_vec(), args: args.map(<[u8]>::to_vec).collect() }
            }
        }
    }
}

/// Arguments as a shell would take them, each with a space before it; cut if there are very many.
pub fn arguments<'a>(args: impl Iterator<Item = &'a [u8]>) -> String {
    let mut out = String::new();
    for arg in args {
        if out.len() > ARGUMENTS_SHOWN {
            out += " …";
            break;
        }
        let plain = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
        let text = escape(arg);
        out.push(' ');
        match !arg.is_empty() && arg.iter().all(plain) {
            true => out += &text,
            false => out += &format!("'{text}'"),
        }
    }
    out
}

/// Characters of arguments after which no more are shown.
const ARGUMENTS_SHOWN: usize = 200;

impl fmt::Display for Target {
    /// For a terminal: escaped, and cut if it is very long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(text) | Self::Unix(text) | Self::Name { name: text, leads_to: None } => {
                f.write_str(&escape(text))
            }
            Self::Process { pid, name } => write!(f, "process {pid} ({})", escape(name)),
            Self::Namespace => f.write_str("a user namespace"),
            Self::Command { path, args } => {
                write!(f, "{}{}", escape(path), arguments(args.iter().map(Vec::as_slice)))
            }
            Self::Name { name, leads_to: Some(address) } => write!(f, "{}, which is {address}", escape(name)),
            &Self::Socket { family, kind, protocol } => {
                f.write_str(&sockets::shown(Socket { family, kind, protocol }))
            }
            Self::Address { address, protocol, host, asked } => {
                write!(f, "{address} {protocol}")?;
                if let Some(host) = host {
                    write!(f, " ({})", escape(host.as_bytes()))?;
                }
                asked.as_ref().map_or(Ok(()), |asked| write!(f, " as {}", escape(asked)))
            }
            Self::Unnamed => f.write_str("(unnamed)"),
        }
    }
}

/// Parses the text of a lookup: the name, and behind a space the address that it led to.
fn name(text: &[u8]) -> Target {
    let mut parts = text.splitn(2, |&byte| byte == b' ');
    let name = parts.next().unwrap_or_default().to_vec();
    let leads_to = parts.next().and_then(|address| std::str::from_utf8(address).ok()?.parse().ok());
    Target::Name { name, leads_to }
}

/// Parses the text of an address: see [`enforcer_common::address`]. That of a connection which was denied later has
/// this machine's end behind a space, and behind another one the name that was asked for.
fn parse(text: &[u8]) -> Option<Target> {
    let mut parts = text.splitn(3, |&byte| byte == b' ');
    let (address, protocol) = endpoint(parts.next()?)?;
    let asked = parts.nth(1).filter(|name| !name.is_empty()).map(<[u8]>::to_vec);
    Some(Target::Address { address, protocol, host: None, asked })
}

/// The ends of a connection that was denied after it was made: this machine's and the other.
#[must_use]
pub fn ends(text: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let mut parts = text.splitn(3, |&byte| byte == b' ');
    let (there, here) = (parts.next()?, parts.next()?);
    Some((endpoint(here)?.0, endpoint(there)?.0))
}

/// Parses the text of an endpoint.
fn endpoint(text: &[u8]) -> Option<(SocketAddr, &'static str)> {
    let (&letter, rest) = text.split_first()?;
    let (&family, rest) = rest.split_first()?;
    let (address, port) = std::str::from_utf8(rest).ok()?.split_once(':')?;
    if !rest.iter().all(|&byte| byte == b':' || byte.is_ascii_hexdigit()) {
        return None; // `from_str_radix` takes signs.
    }
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = match (family, address.len()) {
        (b'4', 8) => IpAddr::V4(Ipv4Addr::from_bits(u32::from_str_radix(address, 16).ok()?)),
        (b'6', 32) => IpAddr::V6(Ipv6Addr::from_bits(u128::from_str_radix(address, 16).ok()?)),
        _ => return None,
    };
    let protocol = [(Protocol::Tcp, "tcp"), (Protocol::Udp, "udp"), (Protocol::Other, "other")]
        .into_iter()
        .find_map(|(protocol, name)| (protocol.letter() == letter).then_some(name))?;
    Some((SocketAddr::new(ip, port), protocol))
}

/// Parses the text of a socket: see [`enforcer_common::socket`].
fn socket(text: &[u8]) -> Option<Target> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.contains('+'))?;
    let mut numbers = text.split(':').map(|number| u32::from_str_radix(number, 16).ok());
    let mut next = || numbers.next().flatten();
    let Socket { family, kind, protocol } = Socket::new(next()?, next()?, next()?)?;
    numbers.next().is_none().then_some(Target::Socket { family, kind, protocol })
}

#[cfg(test)]
mod tests {
    use super::*;
    use enforcer_common::address::{Endpoint, TEXT_LEN};

    fn shown(endpoint: Endpoint) -> String {
        let mut buffer = [0; TEXT_LEN];
        let len = endpoint.write(|index, byte| buffer[index] = byte);
        Target::of(Kind::Connect, &buffer[..len]).to_string()
    }

    #[test]
    fn addresses_are_shown_as_people_write_them() {
        assert_eq!(shown(Endpoint::v4([203, 0, 113, 7], 8000, Protocol::Tcp)), "203.0.113.7:8000 tcp");
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        assert_eq!(shown(Endpoint::v6(v6.octets(), 53, Protocol::Udp)), "[2001:db8::1]:53 udp");
        assert_eq!(shown(Endpoint::v4([192, 0, 2, 1], 0, Protocol::Other)), "192.0.2.1:0 other");
    }

    #[test]
    fn what_is_no_address_is_unnamed() {
        for text in [
            "",
            "t",
            "t4",
            "t4c0000201",
            "t4zz000201:01bb",
            "t6c0000201:01bb",
            "q4c0000201:01bb",
            "t4+0000201:1",
        ] {
            assert_eq!(Target::of(Kind::Connect, text.as_bytes()), Target::Unnamed, "{text}");
        }
    }

    #[test]
    fn what_is_no_file_is_shown_as_people_call_it() {
        let shown = |kind, text: &[u8]| Target::of(kind, text).to_string();
        assert_eq!(shown(Kind::Unix, b"@x\x1b"), "@x\\u{1b}");
        assert_eq!(shown(Kind::Listen, b"t400000000:1f90"), "0.0.0.0:8080 tcp");
        assert_eq!(shown(Kind::Socket, b"28:1:0000"), "vsock");
        assert_eq!(shown(Kind::Socket, b"1c:1:0000"), "AF_28 SOCK_STREAM 0");
        assert_eq!(shown(Kind::Resolve, b"evil.example"), "evil.example");
        for text in ["", "28", "28:1", "28:1:0:0", "+8:1:0", "28:g:0", "100:1:0"] {
            assert_eq!(Target::of(Kind::Socket, text.as_bytes()), Target::Unnamed, "{text}");
        }
    }

    #[test]
    fn arguments_are_shown_as_for_a_shell() {
        let text = b"/usr/bin/node\x1f-e\x1f\x1fa b\n\x1e";
        assert_eq!(Target::of(Kind::Argv, text).to_string(), "/usr/bin/node -e '' 'a b\\n\\u{1e}'");
        assert_eq!(Target::of(Kind::Argv, b"/bin/x").to_string(), "/bin/x");
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(Target::of(Kind::Read, b"/a\nb").to_string(), "/a\\nb");
        assert_eq!(Target::of(Kind::Exec, b"").to_string(), "(unnamed)");
    }
}
