// SPDX-License-Identifier: MIT OR Apache-2.0

//! Addresses as text, so that one automaton walk decides about paths and addresses alike.
//!
//! `t4c0000201:01bb` is TCP to 192.0.2.1 port 443; `u620010db8…0001:0035` is UDP to 2001:db8::1 port 53. One
//! letter for the protocol, one digit for the family, the address and the port in lower-case hexadecimal. A CIDR
//! block is then a prefix, and a prefix that ends inside a hexadecimal digit is a choice of digits. IPv4-mapped
//! IPv6 addresses are IPv4: the kernel routes them so, hence nothing else may be said of them.

/// Longest text: protocol, family, 32 digits, colon, 4 digits, NUL.
pub const TEXT_LEN: usize = 2 + 32 + 1 + 4 + 1;

/// First letter of the text: what the socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// A TCP stream.
    Tcp = b't',
    /// UDP datagrams.
    Udp = b'u',
    /// Anything else over IP: ICMP, MPTCP, SCTP, raw. No rule names it.
    Other = b'x',
}

impl Protocol {
    /// From a socket's IP protocol number (`sk_protocol`).
    #[must_use]
    pub const fn from_number(number: u16) -> Self {
        match number {
            6 => Self::Tcp,
            17 => Self::Udp,
            _ => Self::Other,
        }
    }

    /// The letter in the text.
    #[must_use]
    pub const fn letter(self) -> u8 {
        self as u8
    }
}

/// One end of a conversation, in host byte order, IPv4-mapped addresses folded into IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Endpoint {
    /// The address, network order; an IPv4 address takes the last four bytes, behind the mapped prefix.
    pub address: [u8; 16],
    /// The port, host order.
    pub port: u16,
    /// [`Protocol::letter`].
    pub protocol: u8,
    /// 4 or 6.
    pub family: u8,
}

impl Endpoint {
    /// An IPv4 endpoint.
    #[must_use]
    #[inline(always)]
    pub const fn v4(octets: [u8; 4], port: u16, protocol: Protocol) -> Self {
        let [a, b, c, d] = octets;
        let address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d];
        Self { address, port, protocol: protocol as u8, family: 4 }
    }

    /// An IPv6 endpoint, or the IPv4 endpoint that it is a spelling of.
    #[must_use]
    #[inline(always)]
    pub const fn v6(octets: [u8; 16], port: u16, protocol: Protocol) -> Self {
        let mapped = u128::from_be_bytes(octets) >> 32 == 0xffff; // ::ffff:0:0/96
        Self { address: octets, port, protocol: protocol as u8, family: if mapped { 4 } else { 6 } }
    }

    /// Writes the text and its NUL through `put(index, byte)`; returns the length without the NUL.
    #[inline(always)]
    pub fn write(&self, mut put: impl FnMut(usize, u8)) -> usize {
        put(0, self.protocol);
        put(1, b'0' + self.family);
        let mut at = 2;
        let mut i = if self.family == 4 { 12 } else { 0 };
        while i < 16 {
            let byte = self.address[i & 15];
            put(at, digit(byte >> 4));
            put(at + 1, digit(byte & 15));
            at += 2;
            i += 1;
        }
        put(at, b':');
        let [high, low] = self.port.to_be_bytes();
        put(at + 1, digit(high >> 4));
        put(at + 2, digit(high & 15));
        put(at + 3, digit(low >> 4));
        put(at + 4, digit(low & 15));
        put(at + 5, 0);
        at + 5
    }
}

/// One lower-case hexadecimal digit. Looked up, because the verifier follows every branch.
#[inline(always)]
pub(crate) fn digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

/// Key of a run's grants: an address that a stage of it may reach because a host rule's name led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct GrantKey {
    /// The run: its place, and the map there, may have been another's.
    pub run: u32,
    /// The stage.
    pub stage: u32,
    /// Where it may go.
    pub endpoint: Endpoint,
}

/// Value of a run's grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Grant {
    /// Nanoseconds since boot, suspend included, from which it no longer holds.
    pub until: u64,
    /// The rule that grants the address; with [`GRANT_RECORDED`] if it is an exception.
    pub rule: u16,
    /// [`Grant::NAMED`] and [`Grant::CONNECT`].
    pub flags: u16,
    /// Always 0.
    pub reserved: [u16; 2],
}

impl Grant {
    /// A connection must ask by TLS for a name that led there, see [`crate::hello`].
    pub const NAMED: u16 = 1;
    /// Only for connecting a datagram socket, by which nothing is sent: so the C library finds out which address to use
    /// first (RFC 6724), and asks for port 0 or whichever is connected to next.
    pub const CONNECT: u16 = 2;
}

/// Marks a rule whose every use is recorded.
pub const GRANT_RECORDED: u16 = 0x8000;

const _: () = assert!(size_of::<Endpoint>() == 20 && size_of::<GrantKey>() == 28 && size_of::<Grant>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    fn text(endpoint: Endpoint) -> ([u8; TEXT_LEN], usize) {
        let mut buffer = [0xaa; TEXT_LEN];
        let len = endpoint.write(|i, b| buffer[i] = b);
        (buffer, len)
    }

    #[test]
    fn texts_are_as_documented() {
        let (buffer, len) = text(Endpoint::v4([192, 0, 2, 1], 443, Protocol::Tcp));
        assert_eq!(&buffer[..=len], b"t4c0000201:01bb\0");
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        octets[15] = 1;
        let (buffer, len) = text(Endpoint::v6(octets, 53, Protocol::Udp));
        assert_eq!(&buffer[..=len], b"u620010db8000000000000000000000001:0035\0");
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
        assert_eq!(
            Endpoint::v6(mapped, 443, Protocol::Tcp),
            Endpoint::v4([192, 0, 2, 1], 443, Protocol::Tcp)
        );
    }
}
