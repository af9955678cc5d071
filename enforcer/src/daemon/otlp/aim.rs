// SPDX-License-Identifier: MIT OR Apache-2.0

//! What an action was aimed at, as attributes.

use std::borrow::Cow;

use super::attributes::Attributes;
use crate::report::json::{Address, Target, Text};

/// Adds it, and says it for people. Arguments of programs are left out: what is secret may stand in them.
pub(super) fn aim<'t>(to: &mut Attributes, action: &str, target: &'t Target) -> Cow<'t, str> {
    if let Some(path) = &target.path {
        to.text("file.path", path.lossy());
        return path.lossy().into();
    }
    if let Some(address) = &target.address {
        return network(to, action, address).into();
    }
    if let Some(name) = &target.unix {
        to.text("server.address", name.lossy()).text("network.transport", "unix");
        return name.lossy().into();
    }
    if let Some(name) = &target.host {
        to.text("dns.question.name", name.lossy());
        if let Some(address) = &target.leads_to {
            to.texts("dns.answers", &[address]);
        }
        return name.lossy().into();
    }
    if let Some(socket) = &target.socket {
        let name = socket.name.map_or_else(
            || format!("{}:{}:{}", socket.family, socket.kind, socket.protocol).into(),
            Cow::Borrowed,
        );
        to.text("enforcer.socket", &name);
        return name;
    }
    if let Some(traced) = &target.traced {
        to.number("enforcer.traced.pid", traced.pid);
        return format!("process {}", traced.pid).into();
    }
    match target.namespace {
        Some(kind) => {
            to.text("enforcer.namespace", kind);
            format!("{kind} namespace").into()
        }
        None => "(unnamed)".into(),
    }
}

/// An address of another machine, or of this one that is listened on.
fn network(to: &mut Attributes, action: &str, address: &Address) -> String {
    let Address { ip, port, protocol, host, asked } = address;
    if action == "listen" {
        to.text("network.local.address", ip).number("network.local.port", *port);
    } else {
        let name = host.as_ref().map_or(ip.as_str(), Text::lossy);
        to.text("server.address", name)
            .number("server.port", *port)
            .text("network.peer.address", ip)
            .number("network.peer.port", *port)
            .text_if("tls.client.server_name", asked.as_ref().map(Text::lossy));
    }
    if ["tcp", "udp"].contains(protocol) {
        to.text("network.transport", protocol);
    }
    let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.clone() };
    match host {
        Some(host) => format!("{} ({ip}:{port} {protocol})", host.lossy()),
        None => format!("{ip}:{port} {protocol}"),
    }
}
