// SPDX-License-Identifier: MIT OR Apache-2.0

//! Network rules.

use super::{
    super::{
        document::{At, Target},
        error::Code,
        keys,
        parse::{Node, Value},
        sockets,
    },
    Reader,
};

impl Reader<'_> {
    /// A network rule.
    pub(super) fn destination(&mut self, node: &Node) -> Option<Target> {
        if let Value::Text(text) = &node.value {
            let message = "a network rule is a map of what it is about, `ports` and `protocol`".to_owned();
            let help = Some(format!("write `{}: \"{text}\"`", guess(text)));
            self.problem(Code::WrongType, node.span, message, "", help);
            return None;
        }
        let before = self.problems.len();
        let fields = self.map(node, "a network rule", &keys::DESTINATION);
        let misspelt = self.problems.len() > before;
        let about = fields.iter().map(|(key, _)| key.text.as_str());
        let about: Vec<&str> = about.filter(|key| keys::DESTINATION.one_of.contains(key)).collect();
        let (mut named, mut ports, mut protocol, mut private, mut tls) = (None, None, None, false, true);
        for (key, value) in fields {
            match key.text.as_str() {
                "protocol" => protocol = self.text(value, "`protocol`"),
                "ports" => ports = self.ports(value),
                "private" => private = self.truth(value, "`private`"),
                "tls" => tls = self.truth(value, "`tls`"),
                word => named = self.text(value, &format!("`{word}`")),
            }
            let portless = matches!(about[..], ["unix" | "socket"]);
            if key.text == "private" && !matches!(about[..], ["host"]) {
                let message =
                    "`private` is about the addresses that a name leads to; this rule has no `host`";
                let help = Some("remove it: an address is named as it is".to_owned());
                self.problem(Code::Destination, key.span, message.to_owned(), "", help);
            }
            if key.text == "tls" && !matches!(about[..], ["host"]) {
                let message = "`tls` is about what a host speaks; this rule has no `host`".to_owned();
                let help = Some("remove it: of connections to addresses nothing is asked".to_owned());
                self.problem(Code::Destination, key.span, message, "", help);
            }
            if portless && matches!(key.text.as_str(), "ports" | "protocol") {
                let message = format!("a rule with `{}` has no `{}`", about[0], key.text);
                let help = Some("remove it".to_owned());
                self.problem(Code::Destination, key.span, message, "", help);
            }
        }
        let message = match about[..] {
            [] if misspelt => return None,
            [] => "this network rule names no destination".to_owned(),
            ["unix"] => return named.map(Target::Unix),
            ["socket"] => return named.map(Target::Socket),
            ["listen"] => return named.map(|address| Target::Listen { address, ports, protocol }),
            ["address"] => {
                return Some(Target::Net { address: named, host: None, ports, protocol, private, tls });
            }
            ["host"] => {
                return Some(Target::Net { address: None, host: named, ports, protocol, private, tls });
            }
            _ => {
                let named: Vec<_> = about.iter().map(|key| format!("`{key}`")).collect();
                format!("a network rule is about one thing; this one names {}", named.join(" and "))
            }
        };
        let help = Some(
            "one of `address: 192.0.2.0/24`, `address: any`, `host: name`, `unix: /run/x.sock`, `listen: any`, \
             `socket: netlink`"
                .to_owned(),
        );
        self.problem(Code::Destination, node.span, message, "", help);
        None
    }

    /// A list of ports and ranges; they are looked into later.
    fn ports(&mut self, node: &Node) -> Option<At<Vec<At<String>>>> {
        if let Value::Int(port) = &node.value {
            let help = Some(format!("write `ports: [{port}]`"));
            self.problem(Code::WrongType, node.span, "`ports` is a list".into(), "", help);
            return None;
        }
        let mut ports = Vec::new();
        for item in self.items(node, "`ports`") {
            let value = match &item.value {
                Value::Int(number) => number.to_string(),
                Value::Text(text) => text.clone(),
                other => {
                    let message = format!(
                        "a port is a number or a range such as \"8000-8999\"; this is {}",
                        other.describe()
                    );
                    self.problem(Code::Port, item.span, message, "", None);
                    continue;
                }
            };
            ports.push(At { span: item.span, value });
        }
        if ports.is_empty() && matches!(node.value, Value::List(_) | Value::Null) {
            let help = Some("leave `ports` out to mean every port".to_owned());
            self.problem(Code::Port, node.span, "this list of ports is empty".into(), "", help);
        }
        Some(At { span: node.span, value: ports })
    }
}

/// The key that somebody had in mind who wrote only this.
fn guess(text: &str) -> &'static str {
    match text {
        _ if sockets::row_of(text).is_ok() => "socket",
        _ if text.starts_with(['/', '@', '~', '$']) => "unix",
        _ if text.starts_with(|c: char| c.is_ascii_digit()) || text.contains(':') => "address",
        _ => "host",
    }
}
