// SPDX-License-Identifier: MIT OR Apache-2.0

//! The smallest change of a profile that would allow what was denied.

use std::collections::BTreeMap;

use enforcer_common::{Kind, Reason, socket::Socket};

use super::{Denial, Legend, escape::is_harmless, target::Target};
use crate::profile::{Host, quote, sockets};

/// A change: below which keys of the stage a line is to be added.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    stage: u8,
    keys: &'static [&'static str],
    item: String,
}

/// The YAML that allows these denials, with how many of them it covers; `None` if it covers none of them.
#[must_use]
pub fn suggest<'d>(denials: impl Iterator<Item = &'d Denial>, legend: &Legend) -> Option<(String, usize)> {
    let changes: Vec<Change> = denials.filter_map(|denial| change(denial, legend)).collect();
    if changes.is_empty() {
        return None;
    }
    let covered = changes.len();
    let mut tree: BTreeMap<u8, BTreeMap<&[&str], Vec<String>>> = BTreeMap::new();
    for Change { stage, keys, item } in changes {
        let items = tree.entry(stage).or_default().entry(keys).or_default();
        if !items.contains(&item) {
            items.push(item);
        }
    }
    let mut lines = vec!["stages:".to_owned()];
    for (stage, sections) in tree {
        lines.push(format!("  {}:", legend.stage(stage)));
        let mut open: &[&str] = &[];
        for (keys, items) in sections {
            let shared = open.iter().zip(keys).take_while(|(a, b)| a == b).count();
            for (depth, key) in keys.iter().enumerate().skip(shared) {
                lines.push(format!("{}{key}:", "  ".repeat(depth + 2)));
            }
            open = keys;
            let indent = "  ".repeat(keys.len() + 2);
            lines.extend(items.into_iter().map(|item| format!("{indent}- {item}")));
        }
    }
    Some((lines.join("\n"), covered))
}

/// The change for one denial, if there is a simple one.
fn change(denial: &Denial, legend: &Legend) -> Option<Change> {
    let Denial { kind, target, stage, reason, .. } = denial;
    let keys: &[&str] = match (kind, reason) {
        (Kind::Exec | Kind::Argv, Reason::Default) => &["exec", "allow"],
        (Kind::Exec | Kind::Argv, Reason::Rule) => &["exec", "except"],
        (Kind::Read, Reason::Default) => &["files", "read", "allow"],
        (Kind::Read, Reason::Rule) => &["files", "read", "except"],
        (Kind::Write, Reason::Default) => &["files", "write", "allow"],
        (Kind::Write, Reason::Rule) => &["files", "write", "except"],
        (Kind::Resolve, Reason::Private) => &["network", "allow"],
        (Kind::Connect, Reason::ServerName | Reason::NoServerName | Reason::NotHello) => {
            &["network", "allow"]
        }
        (Kind::Connect | Kind::Unix | Kind::Listen | Kind::Socket | Kind::Resolve, Reason::Default) => {
            &["network", "allow"]
        }
        _ => return None,
    };
    let mut item = match target {
        Target::Path(path) => glob(path, legend)?,
        Target::Command { path, args } => {
            let args: Option<Vec<String>> =
                args.iter().map(|arg| quoted("", arg).filter(|_| !arg.is_empty())).collect();
            format!("{{ path: {}, args: [{}] }}", glob(path, legend)?, args?.join(", "))
        }
        Target::Unix(name) => format!("{{ unix: {} }}", socket_glob(name, legend)?),
        &Target::Socket { family, kind, protocol } => {
            format!("{{ socket: {} }}", sockets::name(Socket { family, kind, protocol })?)
        }
        // HTTPS, as most of what has a name.
        Target::Name { name, leads_to: None } => format!("{{ host: {}, ports: [443] }}", host(name)?),
        Target::Name { name, leads_to: Some(_) } => {
            format!("{{ host: {}, ports: [443], private: true }}", host(name)?)
        }
        Target::Address { protocol: "other", .. }
        | Target::Process { .. }
        | Target::Namespace
        | Target::Unnamed => return None,
        // The name that is asked for, where that is another one.
        Target::Address { address, asked: Some(name), .. } if *reason == Reason::ServerName => {
            format!("{{ host: {}, ports: [{}] }}", host(name)?, address.port())
        }
        Target::Address { address, host: Some(name), .. }
            if matches!(reason, Reason::NoServerName | Reason::NotHello) =>
        {
            format!("{{ host: {}, ports: [{}], tls: false }}", host(name.as_bytes())?, address.port())
        }
        Target::Address { address, protocol, host: Some(name), .. } if host(name.as_bytes()).is_some() => {
            format!("{{ host: {name}, ports: [{}], protocol: {protocol} }}", address.port())
        }
        Target::Address { address, protocol, .. } => {
            let key = if *kind == Kind::Listen { "listen" } else { "address" };
            let (ip, port) = (address.ip(), address.port());
            format!("{{ {key}: \"{ip}\", ports: [{port}], protocol: {protocol} }}")
        }
    };
    if *reason == Reason::Rule
        && let Some(place) = legend.place_of_rule(denial.rule)
    {
        item = format!("{item}  # denied on purpose by {place}");
    }
    Some(Change { stage: *stage, keys, item })
}

/// A glob that matches this local socket only.
fn socket_glob(name: &[u8], legend: &Legend) -> Option<String> {
    match name.split_first() {
        // An abstract name lies below nothing.
        Some((b'@', rest)) => quoted("@", rest),
        _ => glob(name, legend),
    }
}

/// A name that a host rule can have.
fn host(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    matches!(Host::parse(name), Ok(Host::Name(_))).then_some(name)
}

/// A glob that matches this path only, written with the longest variable that it begins with.
fn glob(path: &[u8], legend: &Legend) -> Option<String> {
    let below = |value: &[u8]| {
        let rest = path.strip_prefix(value)?;
        (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
    };
    let anchor = legend
        .anchors
        .iter()
        .filter_map(|(name, value)| Some((value.len(), name.as_str(), below(value)?)))
        .max_by_key(|&(len, ..)| len);
    let (prefix, rest) = anchor.map_or(("", path), |(_, name, rest)| (name, rest));
    quoted(prefix, rest)
}

/// A glob in quotes: the prefix as it is, and behind it this text only.
fn quoted(prefix: &str, rest: &[u8]) -> Option<String> {
    let rest = std::str::from_utf8(rest).ok().filter(|rest| rest.chars().all(is_harmless))?;
    Some(quote::quoted(&format!("{prefix}{}", quote::escaped(rest))))
}

#[cfg(test)]
mod tests {
    use super::{super::line::samples::*, *};
    use crate::events::Attribution;

    #[test]
    fn a_change_for_each_kind() {
        let write = |path: &str| Denial {
            kind: Kind::Write,
            reason: Reason::Default,
            stage: 0,
            ..read(Attribution::Outside, path)
        };
        let denials = [
            connect(trojan(), "203.0.113.7:8000"),
            connect(trojan(), "[2001:db8::1]:53"),
            read(trojan(), "/home/u/.npmrc"),
            read(trojan(), "/etc/it's"),
            write("/srv/dist/a[1].js"),
            write("/srvshop"),
            write("/srvshop"),
            Denial { kind: Kind::Exec, reason: Reason::Default, ..read(trojan(), "/usr/bin/python3.11") },
            Denial {
                kind: Kind::Argv,
                target: Target::of(Kind::Argv, b"/usr/bin/node\x1f-e\x1ff(*)"),
                reason: Reason::Default,
                ..read(trojan(), "")
            },
        ];
        let (yaml, covered) = suggest(denials.iter(), &legend()).unwrap();
        assert_eq!(covered, 9);
        insta::assert_snapshot!(yaml, @r##"
stages:
  npm:
    files:
      write:
        allow:
          - '${workspace}/dist/a\[1\].js'
          - "/srvshop"
  script:
    exec:
      allow:
        - "/usr/bin/python3.11"
        - { path: "/usr/bin/node", args: ["-e", 'f(\*)'] }
    files:
      read:
        except:
          - "~/.npmrc"  # denied on purpose by profiles/npm-install.yaml:44
          - '/etc/it''s'  # denied on purpose by profiles/npm-install.yaml:44
    network:
      allow:
        - { address: "203.0.113.7", ports: [8000], protocol: tcp }
        - { address: "2001:db8::1", ports: [53], protocol: tcp }
"##);
    }

    #[test]
    fn a_change_for_what_is_no_file() {
        let of = |kind, text: &[u8]| Denial {
            kind,
            target: Target::of(kind, text),
            ..connect(trojan(), "192.0.2.1:1")
        };
        let denials = [
            of(Kind::Unix, b"/run/x.sock"),
            of(Kind::Unix, b"/home/u/x[1]"),
            of(Kind::Unix, b"@x*/y"),
            of(Kind::Listen, b"t400000000:1f90"),
            of(Kind::Socket, b"28:1:0000"),
            of(Kind::Socket, b"1c:1:0000"),
            of(Kind::Resolve, b"mirror.example"),
            of(Kind::Resolve, b"*.example.test"),
        ];
        let (yaml, covered) = suggest(denials.iter(), &legend()).unwrap();
        assert_eq!(covered, 6);
        insta::assert_snapshot!(yaml, @r##"
stages:
  script:
    network:
      allow:
        - { unix: "/run/x.sock" }
        - { unix: '~/x\[1\]' }
        - { unix: '@x\*/y' }
        - { listen: "0.0.0.0", ports: [8080], protocol: tcp }
        - { socket: vsock }
        - { host: mirror.example, ports: [443] }
"##);
    }

    #[test]
    fn no_change_where_none_would_help() {
        let denials = [
            Denial { reason: Reason::Unresolved, ..read(trojan(), "/x") },
            Denial { reason: Reason::Family, target: Target::Unnamed, ..connect(trojan(), "192.0.2.1:1") },
            Denial { reason: Reason::Rule, rule: 1, ..connect(trojan(), "192.0.2.1:1") },
            read(trojan(), "/with\nnewline"),
        ];
        assert_eq!(suggest(denials.iter(), &legend()), None);
    }
}
