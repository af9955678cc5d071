// SPDX-License-Identifier: MIT OR Apache-2.0

//! Addresses that a public name has no business with: this machine, its networks, and what tells a machine in a
//! cloud its secrets.
//!
//! Whoever owns an allowed name also chooses its addresses. Without this an allowed name is a way to everything
//! that only the network's edge protects (DNS rebinding). Documentation ranges lead nowhere and are no harm.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 blocks: first address, bits of the prefix. The IANA IPv4 Special-Purpose Address Registry lists all but
/// the last two.
const V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8), // "this network", RFC 1122; 0.0.0.0 connects to this machine
    (Ipv4Addr::new(10, 0, 0, 0), 8), // private, RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10), // carrier-grade NAT, RFC 6598; 100.100.100.200 is metadata
    (Ipv4Addr::new(127, 0, 0, 0), 8), // loopback, RFC 1122
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local, RFC 3927; 169.254.169.254 is metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12), // private, RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24), // IETF protocol assignments, RFC 6890; 192.0.0.192 is metadata
    (Ipv4Addr::new(192, 168, 0, 0), 16), // private, RFC 1918
    (Ipv4Addr::new(240, 0, 0, 0), 4), // reserved, RFC 1112; 255.255.255.255 is broadcast, RFC 919
    (Ipv4Addr::new(224, 0, 0, 0), 4), // multicast, RFC 5771
    (Ipv4Addr::new(168, 63, 129, 16), 32), // the virtual public address of Azure's host
];

/// IPv6 blocks. The IANA IPv6 Special-Purpose Address Registry lists all but the last two.
const V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::UNSPECIFIED, 128),                        // RFC 4291
    (Ipv6Addr::LOCALHOST, 128),                          // loopback, RFC 4291
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48), // local translation, RFC 8215
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),     // unique local, RFC 4193; fd00:ec2::254 is metadata
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),    // link-local, RFC 4291
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),    // site-local, RFC 3879
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),     // multicast, RFC 4291
];

/// IPv6 blocks whose addresses stand for IPv4 addresses, and the bits behind those.
const EMBEDDED: &[(Ipv6Addr, u32, u32)] = &[
    (Ipv6Addr::UNSPECIFIED, 96, 0),                      // IPv4-compatible, RFC 4291
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 0), // IPv4-mapped, RFC 4291
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, 0), // IPv4-translated, RFC 2765
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, 0), // NAT64, RFC 6052
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 80), // 6to4, RFC 3056
];

/// Teredo, RFC 4380: the client's IPv4 address is at the end, every bit turned over.
const TEREDO: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32);

/// Whether an address is of that kind.
#[must_use]
pub fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => {
            V6.iter().any(|&(network, bits)| within_v6(address, network, bits))
                || embedded(address).any(special_v4)
        }
    }
}

fn special_v4(address: Ipv4Addr) -> bool {
    V4.iter().any(|&(network, bits)| (address.to_bits() ^ network.to_bits()) >> (32 - bits) == 0)
}

/// The IPv4 addresses that it stands for.
fn embedded(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let within = EMBEDDED.iter().filter(move |&&(network, bits, _)| within_v6(address, network, bits));
    let plain = within.map(move |&(_, _, behind)| (address.to_bits() >> behind) as u32);
    let teredo = within_v6(address, TEREDO.0, TEREDO.1).then_some(!(address.to_bits() as u32));
    plain.chain(teredo).map(Ipv4Addr::from_bits)
}

fn within_v6(address: Ipv6Addr, network: Ipv6Addr, bits: u32) -> bool {
    (address.to_bits() ^ network.to_bits()) >> (128 - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn special(address: &str) -> bool {
        is_special(address.parse().unwrap())
    }

    #[test]
    fn what_a_public_name_must_not_point_at() {
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "224.0.0.251",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::fb",
            "64:ff9b:1::1",
        ] {
            assert!(special(address), "{address}");
        }
    }

    #[test]
    fn whatever_it_is_dressed_as() {
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "::ffff:0:192.168.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::",
            "2001:0:c000:201:0:0:f5ff:fffe",
        ] {
            assert!(special(address), "{address}");
        }
    }

    #[test]
    fn what_it_may_point_at() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.2.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.51.100.1",
            "203.0.113.1",
            "223.255.255.255",
            "2001:db8::1",
            "2606:4700::1",
            "::ffff:192.0.2.1",
            "64:ff9b::192.0.2.1",
            "2002:c000:201::1",
            "2001:0:c000:201:0:0:3fff:fdfe",
        ] {
            assert!(!special(address), "{address}");
        }
    }
}
