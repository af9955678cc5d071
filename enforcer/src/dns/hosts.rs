// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names that never reach a name server, because the system's file of hosts has them (hosts(5)).

use std::{collections::HashMap, fs, net::IpAddr};

/// The file.
const FILE: &str = "/etc/hosts";

/// Names and their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    by_name: HashMap<String, Vec<IpAddr>>,
}

impl Hosts {
    /// Reads this machine's. A file that cannot be read names nobody, as for the system's resolver.
    #[must_use]
    pub fn read() -> Self {
        Self::parse(
            &fs::read(FILE).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default(),
        )
    }

    /// Reads the file's text. Lines that are no entries are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut by_name = HashMap::<String, Vec<IpAddr>>::new();
        for line in text.lines() {
            let entry = line.split('#').next().unwrap_or_default();
            let mut words = entry.split_ascii_whitespace();
            // The address of a link may have a zone.
            let address = words.next().and_then(|word| word.split('%').next()?.parse().ok());
            let Some(address) = address else { continue };
            for name in words {
                let addresses = by_name.entry(key(name)).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Self { by_name }
    }

    /// Every name of the file, with each of its addresses, those of a name in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, IpAddr)> {
        self.by_name.iter().flat_map(|(name, all)| all.iter().map(move |&address| (name.as_str(), address)))
    }
}

/// A name as it is compared.
fn key(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost # loopback\n\
        # 192.0.2.9 commented.test\n192.0.2.1 Registry.Test mirror.test.#x\nfe80::1%eth0 link.test\n\
        192.0.2.1 registry.test\n192.0.2.300 wrong.test\n192.0.2.2\n";

    fn addresses(name: &str) -> String {
        let (hosts, name) = (Hosts::parse(TEXT), key(name));
        let found = hosts.iter().filter(|(known, _)| *known == name);
        found.map(|(_, address)| address.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn all_addresses_of_a_name_each_once() {
        assert_eq!(addresses("localhost"), "127.0.0.1 ::1");
        assert_eq!(addresses("ip6-localhost"), "::1");
        assert_eq!(addresses("registry.test"), "192.0.2.1");
        assert_eq!(addresses("link.test"), "fe80::1");
    }

    #[test]
    fn case_and_the_last_dot_do_not_matter() {
        assert_eq!(addresses("REGISTRY.test."), "192.0.2.1");
        assert_eq!(addresses("mirror.test"), "192.0.2.1");
    }

    #[test]
    fn what_is_no_entry_names_nobody() {
        for name in ["commented.test", "wrong.test", "test", ""] {
            assert_eq!(addresses(name), "", "{name}");
        }
    }
}
