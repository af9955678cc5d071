// SPDX-License-Identifier: MIT OR Apache-2.0

//! Registries by their URLs.

use url::{Host, Url};

use crate::report::escape::escape;

/// Where a registry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// A name or an address.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Registry {
    /// That of a URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without the password that may be in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            let shown = text.rsplit('@').next().unwrap_or_default();
            format!("the configuration names `{}`, {why}", escape(shown.as_bytes()))
        };
        let url = Url::parse(text).map_err(|error| wrong(&format!("which is no URL: {error}")))?;
        let port = match url.scheme() {
            "http" | "https" => url.port_or_known_default(),
            // As cargo has its index.
            "ssh" => url.port().or(Some(22)),
            "git" => url.port().or(Some(9418)),
            _ => return Err(wrong("which is not reached by http, https, ssh or git")),
        };
        // Only of http does `url` know that an address is one.
        let host = match url.host() {
            Some(Host::Domain(name)) => Host::parse(name).ok(),
            host => host.map(|host| host.to_owned()),
        };
        match (host, port) {
            (Some(host), Some(port)) => Ok(Self { host, port }),
            _ => Err(wrong("which names no host")),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Registries as text, for assertions.
    pub(in super::super) fn shown(found: Result<Vec<Registry>, String>) -> Result<String, String> {
        let one = |registry: &Registry| format!("{} {}", registry.host, registry.port);
        found.map(|found| found.iter().map(one).collect::<Vec<_>>().join(", "))
    }

    fn parsed(text: &str) -> Result<String, String> {
        shown(Registry::parse(text).map(|registry| vec![registry]))
    }

    #[test]
    fn host_and_port() {
        for (text, expected) in [
            ("https://registry.test/", "registry.test 443"),
            ("http://registry.test:4873/npm/", "registry.test 4873"),
            ("http://192.0.2.1", "192.0.2.1 80"),
            ("https://[2001:db8::1]:8443/", "[2001:db8::1] 8443"),
            ("https://u:p@REGISTRY.test/", "registry.test 443"),
            ("ssh://git@index.test/x.git", "index.test 22"),
            ("ssh://git@192.0.2.1:2222/x.git", "192.0.2.1 2222"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_registry_and_no_passwords_in_errors() {
        for text in ["", "undefined", "file:///etc", "https://", "ftp://u:secret@registry.test/", "\x1b[31m"]
        {
            let error = parsed(text).unwrap_err();
            assert!(!error.contains("secret") && !error.contains('\x1b'), "{error}");
        }
    }
}
