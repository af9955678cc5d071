// SPDX-License-Identifier: MIT OR Apache-2.0

//! What an action was aimed at, in the record.

use serde::Serialize;

use super::Text;
use crate::{profile::sockets, report::target};

/// What an action was aimed at. All are absent if the kernel could not say.
#[derive(Debug, Default, Serialize)]
pub struct Target {
    /// Of `exec`, `argv`, `read` and `write`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// Of `argv`: the arguments behind the program's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<Text>>,
    /// Of `connect` and `listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Of `unix`: a path, or `@` and an abstract name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unix: Option<Text>,
    /// Of `socket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<Socket>,
    /// Of `escape`: the process that was to be traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traced: Option<Process>,
    /// Of `escape`: the kind of namespace that was to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<&'static str>,
    /// Of `resolve`: the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Text>,
    /// Of `resolve`, where the name is allowed: the address that it leads to, which is not public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<String>,
}

/// A process.
#[derive(Debug, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, as it calls itself.
    pub name: Text,
}

impl From<&target::Target> for Target {
    fn from(target: &target::Target) -> Self {
        let mut found = Self::default();
        match target {
            target::Target::Path(path) => found.path = Some(path.as_slice().into()),
            target::Target::Command { path, args } => {
                found.path = Some(path.as_slice().into());
                found.args = Some(args.iter().map(|arg| arg.as_slice().into()).collect());
            }
            target::Target::Address { address, protocol, host, asked } => {
                let (ip, port) = (address.ip().to_string(), address.port());
                found.address = Some(Address {
                    ip,
                    port,
                    protocol,
                    host: host.as_deref().map(|host| host.as_bytes().into()),
                    asked: asked.as_deref().map(Into::into),
                });
            }
            target::Target::Process { pid, name } => {
                found.traced = Some(Process { pid: *pid, name: name.as_slice().into() });
            }
            target::Target::Namespace => found.namespace = Some("user"),
            target::Target::Unix(name) => found.unix = Some(name.as_slice().into()),
            target::Target::Name { name, leads_to } => {
                found.host = Some(name.as_slice().into());
                found.leads_to = leads_to.map(|address| address.to_string());
            }
            &target::Target::Socket { family, kind, protocol } => {
                let name = sockets::name(enforcer_common::socket::Socket { family, kind, protocol });
                found.socket = Some(Socket { name, family, kind, protocol });
            }
            target::Target::Unnamed => {}
        }
        found
    }
}

/// A socket that was to be made.
#[derive(Debug, Serialize)]
pub struct Socket {
    /// The name that profiles use, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    /// The number of `AF_…`.
    pub family: u8,
    /// The number of `SOCK_…`.
    #[serde(rename = "type")]
    pub kind: u8,
    /// The protocol.
    pub protocol: u16,
}

/// An address.
#[derive(Debug, Serialize)]
pub struct Address {
    /// IPv4 or IPv6.
    pub ip: String,
    /// The port.
    pub port: u16,
    /// `tcp`, `udp` or `other`.
    pub protocol: &'static str,
    /// The name that led the run there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Text>,
    /// The name that its TLS hello asked for, if that is what it was denied for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Text>,
}

#[cfg(test)]
mod tests {
    use enforcer_common::Kind;

    use super::*;

    #[test]
    fn targets_have_a_key_of_their_own() {
        let json = |kind, text: &[u8]| {
            serde_json::to_string(&Target::from(&target::Target::of(kind, text))).unwrap()
        };
        assert_eq!(json(Kind::Unix, b"@x"), r#"{"unix":"@x"}"#);
        assert_eq!(json(Kind::Argv, b"/bin/x\x1f-e"), r#"{"path":"/bin/x","args":["-e"]}"#);
        assert_eq!(
            json(Kind::Listen, b"t400000000:1f90"),
            r#"{"address":{"ip":"0.0.0.0","port":8080,"protocol":"tcp"}}"#
        );
        assert_eq!(
            json(Kind::Socket, b"28:1:0000"),
            r#"{"socket":{"name":"vsock","family":40,"type":1,"protocol":0}}"#
        );
        assert_eq!(json(Kind::Resolve, b"evil.example"), r#"{"host":"evil.example"}"#);
        let private = json(Kind::Resolve, b"cache.example 10.0.0.1");
        assert_eq!(private, r#"{"host":"cache.example","leads_to":"10.0.0.1"}"#);
        assert_eq!(json(Kind::Exec, b""), "{}");
    }
}
