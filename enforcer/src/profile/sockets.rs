// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sockets by name: what a `socket:` rule stands for, and what reports call a socket.
//!
//! Families are those of the kernel's `include/linux/socket.h` (`AF_…`), types those of `include/linux/net.h`
//! (`SOCK_…`), protocols those of `include/uapi/linux/in.h` (`IPPROTO_…`; that of `AF_UNIX` is `PF_UNIX`). Which
//! combinations there are is what the families register, see `inet_protosw` in `net/ipv4/af_inet.c` and its like:
//! protocol 0 is the usual one of its type, TCP for a stream and UDP for datagrams.

use enforcer_common::socket::Socket;

use super::{
    error::{Code, Problem, nearest},
    nfa::{Sequence, Step},
};

/// `AF_INET` and `AF_INET6`.
const INTERNET: &[u8] = &[2, 10];
/// `AF_NETLINK`.
pub(super) const NETLINK: &[u8] = &[16];

const STREAM: u8 = 1;
pub(super) const DGRAM: u8 = 2;
pub(super) const RAW: u8 = 3;
const SEQPACKET: u8 = 5;
const DCCP: u8 = 6;

/// The types that have a name, by number.
const TYPES: [(u8, &str); 7] = [
    (STREAM, "SOCK_STREAM"),
    (DGRAM, "SOCK_DGRAM"),
    (RAW, "SOCK_RAW"),
    (4, "SOCK_RDM"),
    (SEQPACKET, "SOCK_SEQPACKET"),
    (DCCP, "SOCK_DCCP"),
    (10, "SOCK_PACKET"),
];

/// Each of these families with each of the types and each of the protocols; no types, or no protocols, is all of them.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) families: &'static [u8],
    pub(super) types: &'static [u8],
    pub(super) protocols: &'static [u16],
}

/// A name, and what it stands for.
#[derive(Debug)]
pub(super) struct Row {
    /// The name in profiles and reports.
    pub(super) name: &'static str,
    /// What it stands for.
    pub(super) sockets: &'static [Sockets],
}

const fn sockets(families: &'static [u8], types: &'static [u8], protocols: &'static [u16]) -> Sockets {
    Sockets { families, types, protocols }
}

const fn row(name: &'static str, sockets: &'static [Sockets]) -> Row {
    Row { name, sockets }
}

/// The names. Nothing is in two rows.
pub(super) static TABLE: &[Row] = &[
    row("tcp", &[sockets(INTERNET, &[STREAM], &[0, 6])]),
    row("udp", &[sockets(INTERNET, &[DGRAM], &[0, 17])]),
    row("unix", &[sockets(&[1], &[], &[0, 1])]),
    row("netlink", &[sockets(NETLINK, &[DGRAM, RAW], &[])]),
    // Whole packets of any protocol over IP.
    row("raw", &[sockets(INTERNET, &[RAW], &[])]),
    // IPPROTO_ICMP and IPPROTO_ICMPV6 without privileges.
    row("ping", &[sockets(&[2], &[DGRAM], &[1]), sockets(&[10], &[DGRAM], &[58])]),
    // Whole frames of a network card.
    row("packet", &[sockets(&[17], &[], &[])]),
    row("vsock", &[sockets(&[40], &[], &[])]),
    // The kernel's cryptography.
    row("alg", &[sockets(&[38], &[], &[])]),
    row("xdp", &[sockets(&[44], &[], &[])]),
    row("sctp", &[sockets(INTERNET, &[STREAM], &[132]), sockets(INTERNET, &[SEQPACKET], &[0, 132])]),
    row("dccp", &[sockets(INTERNET, &[DCCP], &[0, 33])]),
    row("mptcp", &[sockets(INTERNET, &[STREAM], &[262])]),
    row("udplite", &[sockets(INTERNET, &[DGRAM], &[136])]),
    row("smc", &[sockets(&[43], &[], &[]), sockets(INTERNET, &[STREAM], &[256])]),
    row("can", &[sockets(&[29], &[], &[])]),
    row("bluetooth", &[sockets(&[31], &[], &[])]),
    row("nfc", &[sockets(&[39], &[], &[])]),
    row("tipc", &[sockets(&[30], &[], &[])]),
    row("rds", &[sockets(&[21], &[], &[])]),
    row("kcm", &[sockets(&[41], &[], &[])]),
    row("rxrpc", &[sockets(&[33], &[], &[])]),
    row("qipcrtr", &[sockets(&[42], &[], &[])]),
    row("mctp", &[sockets(&[45], &[], &[])]),
    row("pppox", &[sockets(&[24], &[], &[])]),
    row("llc", &[sockets(&[26], &[], &[])]),
    // The keys of IPsec: PF_KEY.
    row("key", &[sockets(&[15], &[], &[])]),
];

/// The names alone.
pub(super) fn names() -> Vec<&'static str> {
    TABLE.iter().map(|row| row.name).collect()
}

/// The row of a name.
pub(super) fn row_of(name: &str) -> Result<&'static Row, Problem> {
    TABLE.iter().find(|row| row.name == name).ok_or_else(|| {
        let help = match nearest(name, names()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there is {}", super::error::list(&names())),
        };
        Problem::new(Code::Socket, format!("there is no socket `{name}`")).help(help)
    })
}

impl Row {
    /// The text of the first of its sockets.
    fn sample(&self) -> Vec<u8> {
        let Sockets { families, types, protocols } = &self.sockets[0];
        let first = |numbers: &[u8], other| numbers.first().copied().unwrap_or(other);
        let protocol = protocols.first().copied().unwrap_or(0);
        format!("{:02x}:{:x}:{protocol:04x}", first(families, 0), first(types, STREAM)).into_bytes()
    }

    /// The texts of its sockets.
    pub(super) fn sequences(&self) -> Vec<Sequence> {
        self.sockets.iter().flat_map(Sockets::sequences).collect()
    }
}

impl Sockets {
    /// Whether a socket is one of these.
    fn contains(&self, socket: Socket) -> bool {
        self.families.contains(&socket.family)
            && (self.types.is_empty() || self.types.contains(&socket.kind))
            && (self.protocols.is_empty() || self.protocols.contains(&socket.protocol))
    }

    /// The texts of these, see [`enforcer_common::socket`].
    pub(super) fn sequences(&self) -> Vec<Sequence> {
        let digits = |text: String| text.into_bytes().into_iter().map(Step::Byte);
        let mut sequences = Vec::new();
        for family in self.families {
            let family: Sequence = digits(format!("{family:02x}:")).collect();
            let types: Vec<Step> = match self.types {
                [] => vec![Step::class([(b'0', b'9'), (b'a', b'f')])],
                types => types.iter().flat_map(|kind| digits(format!("{kind:x}"))).collect(),
            };
            for kind in types {
                let begin: Sequence = family.iter().cloned().chain([kind, Step::Byte(b':')]).collect();
                if self.protocols.is_empty() {
                    sequences.push([&begin[..], &[Step::Anything]].concat());
                }
                let protocols = self.protocols.iter().map(|protocol| digits(format!("{protocol:04x}")));
                sequences.extend(protocols.map(|digits| begin.iter().cloned().chain(digits).collect()));
            }
        }
        sequences
    }
}

/// A socket of each name, by its text.
pub(super) fn samples() -> impl Iterator<Item = Vec<u8>> {
    TABLE.iter().map(Row::sample)
}

/// A socket of this name, by its text.
///
/// # Errors
///
/// There is none.
pub fn sample(name: &str) -> Result<Vec<u8>, Problem> {
    row_of(name).map(Row::sample)
}

/// What reports call a socket: its name, with the protocol where the name stands for all of them; or its numbers.
#[must_use]
pub fn shown(socket: Socket) -> String {
    let Socket { family, kind, protocol } = socket;
    match find(socket) {
        // The name stands for all protocols.
        Some((row, Sockets { protocols: [], .. })) if protocol != 0 => {
            format!("{}, protocol {protocol}", row.name)
        }
        Some((row, _)) => row.name.to_owned(),
        None => {
            let known = TYPES.iter().find(|(number, _)| *number == kind);
            let kind = known.map_or(format!("type {kind}"), |(_, name)| (*name).to_owned());
            format!("AF_{family} {kind} {protocol}")
        }
    }
}

/// The name that a rule can use for a socket.
#[must_use]
pub fn name(socket: Socket) -> Option<&'static str> {
    find(socket).map(|(row, _)| row.name)
}

/// The row that a socket is in, and which of its parts.
fn find(socket: Socket) -> Option<(&'static Row, &'static Sockets)> {
    let mut parts = TABLE.iter().flat_map(|row| row.sockets.iter().map(move |part| (row, part)));
    parts.find(|(_, part)| part.contains(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(family: u32, kind: u32, protocol: u32) -> Socket {
        Socket::new(family, kind, protocol).unwrap()
    }

    #[test]
    fn names_are_those_of_the_kernels_numbers() {
        for (family, kind, protocol, name) in [
            (2, 1, 0, "tcp"),
            (10, 1, 6, "tcp"),
            (2, 2, 17, "udp"),
            (1, 5, 0, "unix"),
            (16, 3, 0, "netlink"),
            (16, 2, 16, "netlink, protocol 16"),
            (2, 3, 1, "raw, protocol 1"),
            (10, 2, 58, "ping"),
            (17, 3, 0x300, "packet, protocol 768"),
            (2, 1, 262, "mptcp"),
            (10, 5, 0, "sctp"),
            (2, 1, 256, "smc"),
            (40, 1, 0, "vsock"),
            (28, 1, 0, "AF_28 SOCK_STREAM 0"),
            (2, 2, 58, "AF_2 SOCK_DGRAM 58"),
            (99, 9, 1, "AF_99 type 9 1"),
        ] {
            assert_eq!(shown(socket(family, kind, protocol)), name);
        }
    }

    #[test]
    fn nothing_is_in_two_rows_and_no_name_is_there_twice() {
        let mut seen = std::collections::HashSet::new();
        assert!(TABLE.iter().all(|row| seen.insert(row.name)));
        for family in 0..=255 {
            for kind in 0..=15 {
                for protocol in 0..300 {
                    let socket = socket(family, kind, protocol);
                    let rows = TABLE.iter().filter(|row| row.sockets.iter().any(|s| s.contains(socket)));
                    assert!(rows.count() < 2, "{socket:?}");
                }
            }
        }
    }
}
