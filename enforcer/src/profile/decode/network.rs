// SPDX-License-Identifier: MIT OR Apache-2.0

//! Network rules.

use super::{
    super::{
        document::{At, Target},
        error::Code,
        keys,
        parse::{Node, Value},
    },
    Reader,
};

impl Reader<'_> {
    /// A network rule.
    pub(super) fn destination(&mut self, node: &Node) -> Option<Target> {
        if let Value::Text(text) = &node.value {
            let key = if text.starts_with(|c: char| c.is_ascii_digit()) || text.contains(':') {
                "address"
            } else {
                "host"
            };
            let message = "a network rule is a map of `address` or `host`, `ports` and `protocol`".to_owned();
            self.problem(Code::WrongType, node.span, message, "", Some(format!("write `{key}: \"{text}\"`")));
            return None;
        }
        let before = self.problems.len();
        let fields = self.map(node, "a network rule", &keys::DESTINATION);
        let misspelt = self.problems.len() > before;
        let named = |key: &str| fields.iter().any(|(k, _)| k.text == key);
        let (has_address, has_host) = (named("address"), named("host"));
        let (mut address, mut host, mut ports, mut protocol) = (None, None, None, None);
        for (key, value) in fields {
            match key.text.as_str() {
                "address" => address = self.text(value, "`address`"),
                "host" => host = self.text(value, "`host`"),
                "protocol" => protocol = self.text(value, "`protocol`"),
                _ => ports = self.ports(value),
            }
        }
        let message = match (has_address, has_host) {
            (false, false) if misspelt => return None,
            (false, false) => "this network rule names no destination",
            (true, true) => "this network rule names an address and a host",
            _ => return Some(Target::Net { address, host, ports, protocol }),
        };
        let help = Some("one of `address: 192.0.2.0/24`, `address: any`, `host: name`".to_owned());
        self.problem(Code::Destination, node.span, message.to_owned(), "", help);
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
