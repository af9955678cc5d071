// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where a collector is.

use std::{fmt, str::FromStr};

use hyper::{
    Uri,
    http::uri::{Parts, PathAndQuery},
};

/// Where OTLP has its logs, unless the URL says otherwise.
const PATH: &str = "/v1/logs";

/// A collector that takes OTLP over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    uri: Uri,
    port: u16,
}

/// What is no URL of one.
#[derive(Debug, thiserror::Error)]
#[error(
    "not http://HOST:PORT or http://HOST:PORT/PATH, such as http://127.0.0.1:4318; what is farther away than a network that you trust is reached by a collector on this machine"
)]
pub struct CollectorError;

impl FromStr for Collector {
    type Err = CollectorError;

    fn from_str(text: &str) -> Result<Self, CollectorError> {
        let uri: Uri = text.parse().map_err(|_| CollectorError)?;
        let port = uri.port_u16().filter(|&port| port != 0).ok_or(CollectorError)?;
        let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        // A fragment is lost on the way.
        let plain = uri.scheme_str() == Some("http") && uri.query().is_none() && !text.contains('#');
        if !plain || has_user || !has_host {
            return Err(CollectorError);
        }
        let mut parts: Parts = uri.into_parts();
        if parts.path_and_query.as_ref().is_none_or(|path| path == "/") {
            parts.path_and_query = Some(PathAndQuery::from_static(PATH));
        }
        Ok(Self { uri: Uri::from_parts(parts).map_err(|_| CollectorError)?, port })
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl Collector {
    /// Host and port, to connect to.
    pub(super) fn place(&self) -> (&str, u16) {
        (self.uri.host().unwrap_or_default().trim_matches(['[', ']']), self.port)
    }

    /// What HTTP calls the host.
    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// What is asked for there.
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors_are_spoken_to_plainly() {
        for (right, place, path) in [
            ("http://127.0.0.1:4318", ("127.0.0.1", 4318), "/v1/logs"),
            ("http://127.0.0.1:4318/", ("127.0.0.1", 4318), "/v1/logs"),
            ("http://[::1]:80", ("::1", 80), "/v1/logs"),
            ("http://collector.test:4318/otlp/v1/logs", ("collector.test", 4318), "/otlp/v1/logs"),
        ] {
            let collector: Collector = right.parse().unwrap();
            assert_eq!((collector.place(), collector.path()), (place, path), "{right}");
        }
        assert_eq!(
            "http://[::1]:4318".parse::<Collector>().unwrap().to_string(),
            "http://[::1]:4318/v1/logs"
        );
        for wrong in [
            "",
            "127.0.0.1:4318",
            "http://",
            "http://:4318",
            "http:///v1/logs",
            "http://collector.test",
            "http://collector.test/v1/logs",
            "http://collector.test:0",
            "http://collector.test:65536",
            "http://collector.test:x",
            "https://collector.test:4318",
            "grpc://collector.test:4317",
            "http://user:word@collector.test:4318",
            "http://collector.test:4318/?x=1",
            "http://collector.test:4318/#x",
            "http://collector.test:4318/a b",
            "unix:/run/collector.sock",
        ] {
            assert!(wrong.parse::<Collector>().is_err(), "{wrong}");
        }
    }
}
