// SPDX-License-Identifier: MIT OR Apache-2.0

//! The automaton against an evaluation that looks at every rule and knows nothing of automata.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use enforcer_common::{
    Kind, Reason, Verdict,
    address::{Endpoint, Protocol, TEXT_LEN},
    anchor::Anchors,
    table::STAY,
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::compile;

/// Whether a glob matches a text, the slow way. `whole` says that nothing of the text was taken yet.
fn matches(glob: &[u8], text: &[u8], whole: bool) -> bool {
    match glob {
        [] => text.is_empty(),
        [b'/', b'*', b'*'] => (text.is_empty() && !whole) || text.starts_with(b"/"),
        [b'/', b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| {
            let directories = at == 0 || text[0] == b'/' && text.get(at).is_none_or(|&b| b == b'/');
            directories && matches(rest, &text[at..], whole && at == 0)
        }),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| matches(rest, &text[at..], false)),
        [b'*', rest @ ..] => {
            let end = text.iter().position(|&b| b == b'/').unwrap_or(text.len());
            (0..=end).any(|at| matches(rest, &text[at..], false))
        }
        [b'?', rest @ ..] => text.first().is_some_and(|&b| b != b'/') && matches(rest, &text[1..], false),
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|&b| b == b']').unwrap();
            let (negated, set) = match &rest[..end] {
                [b'!', set @ ..] => (true, set),
                set => (false, set),
            };
            text.first().is_some_and(|b| *b != b'/' && set.contains(b) != negated)
                && matches(&rest[end + 1..], &text[1..], false)
        }
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
            text.first() == Some(byte) && matches(rest, &text[1..], false)
        }
    }
}

/// The globs that a glob with `{…}` stands for.
fn written_out(glob: &str) -> Vec<String> {
    // The last `{` has no other within.
    let Some(open) = glob.rfind('{').filter(|&at| !glob[..at].ends_with('$')) else {
        return vec![glob.to_owned()];
    };
    let close = open + glob[open..].find('}').unwrap();
    glob[open + 1..close]
        .split(',')
        .flat_map(|choice| written_out(&format!("{}{choice}{}", &glob[..open], &glob[close + 1..])))
        .collect()
}

const WORKSPACE: &str = "/h/u/w";
const HOME: &str = "/h/u";

/// Whether a rule matches a path, in one of the path's spellings.
fn applies(rule: &Written, path: &str) -> bool {
    let ends = if rule.effect == "allow" { &[""][..] } else { &["", " (deleted)"] };
    written_out(&rule.glob).iter().any(|glob| {
        let (glob, path) = if let Some(rest) = glob.strip_prefix('~') {
            (rest, below(path, HOME))
        } else if let Some(rest) = glob.strip_prefix("${workspace}") {
            (rest, below(path, WORKSPACE))
        } else {
            (glob.as_str(), Some(path))
        };
        let Some(path) = path else { return false };
        ends.iter().any(|end| {
            let glob = if glob.ends_with("**") { glob.to_owned() } else { format!("{glob}{end}") };
            // What an anchor stands for was taken already.
            matches(glob.as_bytes(), path.as_bytes(), !rule.glob.starts_with(['~', '$']))
        })
    })
}

/// The rest of a path behind a directory.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    path.strip_prefix(directory).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[derive(Clone, Debug)]
struct Written {
    effect: &'static str,
    glob: String,
    leads: bool,
}

/// The verdict, the rule and the stage.
fn evaluate(rules: &[Written], default_allows: bool, path: &str) -> (Verdict, Reason, u16, u16) {
    let found = |effect: &str| {
        rules
            .iter()
            .enumerate()
            .find(|(_, r)| r.effect == effect && applies(r, path))
            .map(|(i, r)| (i as u16 + 1, r))
    };
    if let (Some((rule, _)), None) = (found("deny"), found("except")) {
        return (Verdict::Deny, Reason::Rule, rule, STAY);
    }
    if let Some((rule, written)) = found("allow") {
        return (Verdict::Allow, Reason::Rule, rule, if written.leads { 1 } else { STAY });
    }
    let verdict = if default_allows { Verdict::Allow } else { Verdict::Deny };
    (verdict, Reason::Default, 0, STAY)
}

/// A component of a glob, out of few pieces, so that globs and paths meet.
fn component() -> impl Strategy<Value = String> {
    let piece =
        select(vec!["a", "b", "ab", "*", "?", "[ab]", "[!a]", "{a,b}", "{,a}", "{a/b,b}", r"\*", "."]);
    prop_oneof![
        4 => vec(piece, 1..4).prop_map(|p| p.concat()),
        1 => Just("**".to_owned()),
    ]
    .prop_filter("no component that is never", |c| {
        // Two stars that meet, and components that may be empty or dots, are refused by the compiler.
        (c == "**" || !c.contains("**"))
            && !c.contains("*{,a}*")
            && written_out(c).iter().all(|c| c.split('/').all(|c| !c.is_empty() && c != "." && c != ".."))
    })
}

fn glob() -> impl Strategy<Value = String> {
    let root = select(vec!["/", "/", "/h/u/", "~/", "${workspace}/", "/h/*/", "**/"]);
    (root, vec(component(), 1..4)).prop_map(|(root, components)| format!("{root}{}", components.join("/")))
}

fn rule() -> impl Strategy<Value = Written> {
    let effect = select(vec!["allow", "allow", "deny", "except"]);
    (effect, glob(), any::<bool>()).prop_map(|(effect, glob, leads)| Written {
        effect,
        leads: leads && effect == "allow",
        glob,
    })
}

fn path() -> impl Strategy<Value = String> {
    let root = select(vec!["", "/h/u", "/h/u", WORKSPACE, WORKSPACE, "/h/uu", "/h/u/ww"]);
    let component = select(vec![
        "a",
        "b",
        "ab",
        "ba",
        "aa",
        "abb",
        "*",
        ".",
        "a.b",
        "w",
        "ä",
        "b (deleted)",
        "a (deleted)",
    ]);
    (root, vec(component, 0..5)).prop_map(|(root, components)| {
        let path: String = components.iter().map(|c| format!("/{c}")).collect();
        if root.is_empty() && path.is_empty() { "/".to_owned() } else { format!("{root}{path}") }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// 400 sets of rules, 60 paths each.
    #[test]
    fn the_automaton_says_what_the_rules_say(
        mut rules in vec(rule(), 1..12),
        default_allows in any::<bool>(),
        paths in vec(path(), 60),
    ) {
        // By effect, so that the order in the file is the order here.
        rules.sort_by_key(|rule| rule.effect);
        let mut text = String::from("version: 1\nname: t\nowner: o\nstages:\n  one:\n    exec:\n");
        text += if default_allows { "      default: allow\n" } else { "      default: deny\n" };
        for effect in ["allow", "deny", "except"] {
            text += &format!("      {effect}:\n");
            for rule in rules.iter().filter(|rule| rule.effect == effect) {
                text += &match rule.leads {
                    true => format!("        - {{ path: '{}', stage: two }}\n", rule.glob),
                    false => format!("        - '{}'\n", rule.glob),
                };
            }
        }
        text += "  two: {}\n";
        let source = crate::profile::Text::new("t.yaml", text.clone());
        let profile = match crate::profile::Compiled::new(&source) {
            Ok(profile) => profile,
            // A transition that never happens is refused; that is another test's matter.
            Err(error) if error.problems().iter().all(|p| p.code == crate::profile::Code::ShadowedStage) => return Ok(()),
            Err(error) => panic!("{}\n{text}", error.render(false)),
        };
        let mut anchors = Anchors::NONE;
        anchors.set(0, WORKSPACE.as_bytes()).unwrap();
        anchors.set(1, HOME.as_bytes()).unwrap();
        for path in &paths {
            let decision = profile.decide(0, Kind::Exec, path.as_bytes(), &anchors);
            let found = (decision.verdict, decision.reason, decision.rule, decision.stage);
            prop_assert_eq!(found, evaluate(&rules, default_allows, path), "{}\n{}", path, text);
        }
    }
}

/// A rule for addresses: block, ports, protocol.
#[derive(Clone, Debug)]
struct Destination {
    deny: bool,
    address: IpAddr,
    bits: u8,
    ports: Vec<(u16, u16)>,
    protocol: Option<Protocol>,
}

impl Destination {
    fn mask(&self, address: IpAddr) -> u128 {
        let (value, width) = number(address);
        if self.bits == 0 { 0 } else { value >> (width - u32::from(self.bits)) }
    }

    fn text(&self) -> String {
        let (value, width) = number(self.address);
        let gap = width - u32::from(self.bits);
        let network = value.checked_shr(gap).unwrap_or(0).checked_shl(gap).unwrap_or(0);
        let network = if width == 32 {
            IpAddr::V4(Ipv4Addr::from_bits(network as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(network))
        };
        let mut text = format!("{{ address: '{network}/{}'", self.bits);
        if !self.ports.is_empty() {
            let ports: Vec<_> = self.ports.iter().map(|(a, b)| format!("'{a}-{b}'")).collect();
            text += &format!(", ports: [{}]", ports.join(", "));
        }
        match self.protocol {
            Some(Protocol::Tcp) => text += ", protocol: tcp",
            Some(_) => text += ", protocol: udp",
            None => {}
        }
        text + " }"
    }

    fn applies(&self, address: IpAddr, port: u16, protocol: Protocol) -> bool {
        let spoken = match protocol {
            Protocol::Other => self.deny,
            other => self.protocol.is_none_or(|p| p == other),
        };
        spoken
            && self.address.is_ipv4() == address.is_ipv4()
            && self.mask(self.address) == self.mask(address)
            && (self.ports.is_empty() || self.ports.iter().any(|&(a, b)| (a..=b).contains(&port)))
    }
}

/// An address as a number, and its bits.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// Addresses that are often near each other.
fn address() -> impl Strategy<Value = IpAddr> {
    let near = 0..8_u32;
    prop_oneof![
        near.clone().prop_map(|n| IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 ^ (1 << n)))),
        any::<u32>().prop_map(|n| IpAddr::V4(Ipv4Addr::from_bits(n))),
        near.prop_map(|n| IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | 1 << n))),
        any::<u128>().prop_map(|n| IpAddr::V6(Ipv6Addr::from_bits(n | 1 << 127))),
    ]
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![select(vec![1, 15, 16, 80, 255, 256, 443, 4095, 4096, 8080, 65535]), 1..=u16::MAX]
}

fn destination() -> impl Strategy<Value = Destination> {
    let protocol = select(vec![None, None, Some(Protocol::Tcp), Some(Protocol::Udp)]);
    let ports = vec((port(), port()).prop_map(|(a, b)| (a.min(b), a.max(b))), 0..3);
    (any::<bool>(), address(), 0..=128_u8, ports, protocol).prop_map(
        |(deny, address, bits, ports, protocol)| {
            let bits = if address.is_ipv4() { bits % 33 } else { bits };
            Destination { deny, address, bits, ports, protocol }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// 200 sets of rules, 60 endpoints each.
    #[test]
    fn addresses_are_what_they_are(
        mut rules in vec(destination(), 1..6),
        endpoints in vec((address(), port(), select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Other])), 60),
    ) {
        rules.sort_by_key(|rule| rule.deny);
        let mut text = String::from("network:\n");
        for (key, deny) in [("allow", false), ("deny", true)] {
            text += &format!("  {key}:\n");
            for rule in rules.iter().filter(|rule| rule.deny == deny) {
                text += &format!("    - {}\n", rule.text());
            }
        }
        let profile = compile(&super::stage(&text));
        for (address, port, protocol) in endpoints {
            let endpoint = match address {
                IpAddr::V4(address) => Endpoint::v4(address.octets(), port, protocol),
                IpAddr::V6(address) => Endpoint::v6(address.octets(), port, protocol),
            };
            let mut buffer = [0; TEXT_LEN];
            let len = endpoint.write(|i, b| buffer[i] = b);
            let decision = profile.decide(0, Kind::Connect, &buffer[..=len], &Anchors::NONE);
            let first = |deny: bool| {
                rules.iter().position(|r| r.deny == deny && r.applies(address, port, protocol)).map(|i| i as u16 + 1)
            };
            let expected = match (first(true), first(false)) {
                (Some(rule), _) => (Verdict::Deny, rule),
                (None, Some(rule)) => (Verdict::Allow, rule),
                (None, None) => (Verdict::Deny, 0),
            };
            prop_assert_eq!((decision.verdict, decision.rule), expected, "{}:{} {:?}\n{}", address, port, protocol, text);
        }
    }
}
