// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the system's resolver is configured to do: whom it asks, and what it appends to names (resolv.conf(5)).

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
};

use nix::net::if_::if_nametoindex;

/// The resolver's configuration.
const FILE: &str = "/etc/resolv.conf";
/// This machine's name, whose domain is searched if the file says nothing else.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";
/// As many servers as the resolver uses.
const MOST: usize = 3;
/// The port of name servers.
const PORT: u16 = 53;

/// The configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The name servers, the one to ask first first; as the resolver does, the local machine if none is named.
    pub servers: Vec<SocketAddr>,
    /// The domains that the resolver appends to names, in lower case, without a dot at the end.
    pub search: Vec<String>,
}

impl Configuration {
    /// Reads this machine's.
    #[must_use]
    pub fn read() -> Self {
        let text = fs::read_to_string(FILE).unwrap_or_default();
        let hostname = fs::read_to_string(HOSTNAME).unwrap_or_default();
        parse(&text, &hostname, |zone| if_nametoindex(zone).ok())
    }
}

/// Reads the file's text; `index` gives the number of a network interface.
fn parse(text: &str, hostname: &str, index: impl Fn(&str) -> Option<u32>) -> Configuration {
    let mut servers = Vec::new();
    let mut search = hostname.split_once('.').map(|(_, domain)| vec![domain]).unwrap_or_default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().take_while(|word| !word.starts_with(['#', ';']));
        match words.next() {
            Some("nameserver") => servers.extend(words.next().and_then(|word| server(word, &index))),
            // The last of them counts, whichever it is.
            Some("search") => search = words.collect(),
            Some("domain") => search = words.take(1).collect(),
            _ => {}
        }
    }
    servers.truncate(MOST);
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, PORT).into());
    }
    let domain = |word: &str| word.trim().trim_end_matches('.').to_ascii_lowercase();
    let search = search.into_iter().map(domain).filter(|domain| !domain.is_empty()).collect();
    Configuration { servers, search }
}

/// A server's address; that of a link may have a zone, the interface's name or number.
fn server(word: &str, index: impl Fn(&str) -> Option<u32>) -> Option<SocketAddr> {
    let (address, zone) = word.split_once('%').unwrap_or((word, ""));
    Some(match address.parse().ok()? {
        IpAddr::V4(address) => (address, PORT).into(),
        IpAddr::V6(address) => {
            let scope = zone.parse().ok().or_else(|| index(zone)).unwrap_or(0);
            SocketAddrV6::new(address, PORT, 0, scope).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> String {
        let parsed = parse(text, "", |zone| (zone == "eth0").then_some(2));
        parsed.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    fn search(text: &str, hostname: &str) -> String {
        parse(text, hostname, |_| None).search.join(" ")
    }

    #[test]
    fn servers_are_taken_as_the_resolver_takes_them() {
        let text = "# nameserver 192.0.2.9\nsearch x\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # x\nnameservers 1.2.3.4\n\
            nameserver fe80::1%eth0\nnameserver 192.0.2.4\n";
        assert_eq!(servers(text), "192.0.2.1:53 [2001:db8::1]:53 [fe80::1%2]:53");
        assert_eq!(
            servers("nameserver fe80::1%7\nnameserver fe80::1%nowhere\n"),
            "[fe80::1%7]:53 [fe80::1]:53"
        );
    }

    #[test]
    fn without_servers_the_local_machine() {
        for text in ["", "nameserver\nnameserver x\n", "nameserver # 192.0.2.1\n; nameserver 192.0.2.1\n"] {
            assert_eq!(servers(text), "127.0.0.1:53", "{text}");
        }
    }

    #[test]
    fn the_last_word_on_searching_counts() {
        assert_eq!(search("search Corp.Example. b.test # c.test\n", "host.d.test\n"), "corp.example b.test");
        assert_eq!(search("search a.test b.test\ndomain c.test d.test\n", ""), "c.test");
        assert_eq!(search("domain c.test\nsearch a.test\n", ""), "a.test");
        assert_eq!(search("search .\n", "host.d.test\n"), "");
    }

    #[test]
    fn without_a_word_the_domain_of_this_machine_is_searched() {
        assert_eq!(search("nameserver 192.0.2.1\n", "host.d.test\n"), "d.test");
        assert_eq!(search("", "host\n"), "");
    }
}
