// SPDX-License-Identifier: MIT OR Apache-2.0

//! The name servers that the system's resolver asks.

use std::{fs, net::IpAddr};

/// The resolver's configuration.
const FILE: &str = "/etc/resolv.conf";
/// As many as the resolver uses.
const MOST: usize = 3;

/// The name servers; as the resolver does, the local machine if none is named.
#[must_use]
pub fn name_servers() -> Vec<IpAddr> {
    parse(&fs::read_to_string(FILE).unwrap_or_default())
}

fn parse(text: &str) -> Vec<IpAddr> {
    let named: Vec<IpAddr> = text.lines().filter_map(server).take(MOST).collect();
    if named.is_empty() { vec![IpAddr::from([127, 0, 0, 1])] } else { named }
}

/// The address of a `nameserver` line, without the zone that an address of a link may have.
fn server(line: &str) -> Option<IpAddr> {
    let mut words = line.split_ascii_whitespace();
    let address = words.next().filter(|&word| word == "nameserver").and(words.next())?;
    address.split('%').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse(text).iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn servers_are_taken_as_the_resolver_takes_them() {
        let text = "# nameserver 192.0.2.9\nsearch x\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # x\nnameservers 1.2.3.4\n\
            nameserver fe80::1%eth0\nnameserver 192.0.2.4\n";
        assert_eq!(shown(text), "192.0.2.1 2001:db8::1 fe80::1");
        assert_eq!(shown(""), "127.0.0.1");
        assert_eq!(shown("nameserver\nnameserver x\n"), "127.0.0.1");
    }
}
