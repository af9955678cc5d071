// SPDX-License-Identifier: MIT OR Apache-2.0

//! Network rules: addresses and ports, and the texts of endpoints (see [`enforcer_common::address`]) that they match.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use enforcer_common::address::Protocol;

use super::{
    document::Effect,
    error::{Code, Problem},
    nfa::{Sequence, Step},
};

/// Ports that a host rule may name, all ranges together: the kernel knows each address that a name led to with
/// each of its ports.
pub const HOST_PORTS_MAX: usize = 64;

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl PortRange {
    /// How many ports these are.
    #[must_use]
    pub const fn count(self) -> usize {
        self.last as usize - self.first as usize + 1
    }

    /// The ports.
    pub fn ports(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }

    /// Reads `443` or `8000-8999`.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let number = |text: &str| match text.trim().parse::<u32>() {
            Ok(0) | Err(_) => None,
            Ok(number) => u16::try_from(number).ok(),
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (number(first), number(last)),
            None => (number(text), number(text)),
        };
        match (first, last) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            (Some(first), Some(last)) => {
                Err(Problem::new(Code::Port, format!("the range `{text}` runs backwards"))
                    .help(format!("write \"{last}-{first}\"")))
            }
            _ => Err(Problem::new(Code::Port, format!("`{text}` is not a port"))
                .help("a port is a number from 1 to 65535, or a range such as \"8000-8999\"")),
        }
    }
}

/// Reads a protocol.
pub(super) fn protocol(text: &str) -> Result<Protocol, Problem> {
    match text {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(Problem::new(Code::BadValue, format!("`{text}` is not a protocol that a rule can name"))
            .help("`tcp`, `udp`, or leave `protocol` out for both")),
    }
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// All of them.
    Any,
    /// IPv4, with this many bits given.
    V4(Ipv4Addr, u8),
    /// IPv6, with this many bits given.
    V6(Ipv6Addr, u8),
}

impl Block {
    /// Reads an address, a CIDR block or `any`.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text == "any" {
            return Ok(Self::Any);
        }
        let fault = |message: String| Problem::new(Code::Address, message);
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            let help = if text.contains('%') {
                "leave the zone (`%…`) out: a rule is about the address".to_owned()
            } else if text.bytes().any(|b| b.is_ascii_alphabetic()) && !text.contains(':') {
                format!("for a name, write `host: {text}`")
            } else {
                "192.0.2.1, 192.0.2.0/24, 2001:db8::/32 or any".to_owned()
            };
            return Err(fault(format!("`{text}` is not an address")).help(help));
        };
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match prefix.map(str::parse::<u8>) {
            None => width,
            Some(Ok(bits)) if bits <= width => bits,
            Some(_) => {
                return Err(fault(format!("the prefix of `{text}` is not a number of bits"))
                    .help(format!("from 0 to {width} for this kind of address")));
            }
        };
        let block = match address {
            IpAddr::V4(address) => Self::V4(address, bits),
            // The kernel reports IPv4-mapped addresses as IPv4.
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(mapped) if bits >= 96 => Self::V4(mapped, bits - 96),
                _ => Self::V6(address, bits),
            },
        };
        let network = block.network();
        if network != block {
            return Err(Problem::new(Code::HostBits, format!("`{text}` has bits set behind its prefix"))
                .help(format!("write `{network}` for the block, or `{address}` for the one address")));
        }
        Ok(block)
    }

    /// The same block with the bits behind the prefix cleared.
    fn network(self) -> Self {
        match self {
            Self::Any => self,
            Self::V4(address, bits) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self::V4(Ipv4Addr::from_bits(address.to_bits() & mask), bits)
            }
            Self::V6(address, bits) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self::V6(Ipv6Addr::from_bits(address.to_bits() & mask), bits)
            }
        }
    }

    /// The texts of the endpoints.
    ///
    /// A deny rule also matches what speaks a protocol that no rule can name: multipath TCP reaches what TCP does.
    pub(super) fn sequences(
        self,
        ports: &[PortRange],
        protocol: Option<Protocol>,
        effect: Effect,
    ) -> Vec<Sequence> {
        let mut letters = match protocol {
            Some(protocol) => vec![protocol],
            None => vec![Protocol::Tcp, Protocol::Udp],
        };
        if effect == Effect::Deny {
            letters.push(Protocol::Other);
        }
        let letter = Step::class(letters.iter().map(|p| (p.letter(), p.letter())));
        let whole = !ports.is_empty();
        let addresses = match self {
            Self::Any if whole => vec![digits(b'4', &[], 0, whole), digits(b'6', &[], 0, whole)],
            Self::Any => vec![Vec::new()],
            Self::V4(address, bits) => vec![digits(b'4', &address.octets(), bits, whole)],
            Self::V6(address, bits) => vec![digits(b'6', &address.octets(), bits, whole)],
        };
        let tails: Vec<Sequence> = if whole {
            ports.iter().flat_map(|p| range(p.first, p.last, 4)).collect()
        } else {
            vec![vec![Step::Anything]]
        };
        let mut sequences = Vec::with_capacity(addresses.len() * tails.len());
        for address in &addresses {
            for tail in &tails {
                let mut sequence = vec![letter.clone()];
                sequence.extend(address.iter().cloned());
                if whole {
                    sequence.push(Step::Byte(b':'));
                }
                sequence.extend(tail.iter().cloned());
                sequences.push(sequence);
            }
        }
        sequences
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::V4(address, bits) => write!(f, "{address}/{bits}"),
            Self::V6(address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

/// Family and digits of an address whose first `bits` are given; all of its digits if `whole`.
fn digits(family: u8, octets: &[u8], bits: u8, whole: bool) -> Sequence {
    let nibble = |i: usize| if i.is_multiple_of(2) { octets[i / 2] >> 4 } else { octets[i / 2] & 15 };
    let given = usize::from(bits / 4);
    let mut steps = vec![Step::Byte(family)];
    steps.extend((0..given).map(|i| Step::Byte(digit(nibble(i)))));
    if !bits.is_multiple_of(4) {
        let low = nibble(given);
        steps.push(choice(low, low | (15 >> (bits % 4))));
    }
    let total = 1 + if family == b'4' { 8 } else { 32 };
    while whole && steps.len() < total {
        steps.push(choice(0, 15));
    }
    steps
}

/// Numbers from `first` to `last` with this many hexadecimal digits.
fn range(first: u16, last: u16, width: u32) -> Vec<Sequence> {
    if width == 0 {
        return vec![Vec::new()];
    }
    let unit = 1_u32 << (4 * (width - 1));
    let split = |n: u16| ((u32::from(n) / unit) as u8, (u32::from(n) % unit) as u16);
    let ((low, first), (high, last), top) = (split(first), split(last), (unit - 1) as u16);
    let with = |from: u8, to: u8, first: u16, last: u16| {
        range(first, last, width - 1).into_iter().map(move |mut tail| {
            tail.insert(0, choice(from, to));
            tail
        })
    };
    if low == high {
        return with(low, low, first, last).collect();
    }
    // The digits between the first and the last take every tail; these two only if their tails are whole.
    let (from, to) = (low + u8::from(first != 0), high - u8::from(last != top));
    let mut all = Vec::new();
    if first != 0 {
        all.extend(with(low, low, first, top));
    }
    if from <= to {
        all.extend(with(from, to, 0, top));
    }
    if last != top {
        all.extend(with(high, high, 0, last));
    }
    all
}

/// One digit between two.
fn choice(low: u8, high: u8) -> Step {
    Step::class((low..=high).map(|n| (digit(n), digit(n))))
}

/// The digit as the kernel writes it.
const fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}
