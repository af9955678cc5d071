// SPDX-License-Identifier: MIT OR Apache-2.0

//! Local sockets, listening and the making of sockets.

use enforcer_common::{
    Kind,
    address::{Endpoint, Protocol, TEXT_LEN},
    anchor::Anchors,
    socket::Socket,
};

use super::{
    super::{Compiled, sockets},
    compile, stage,
};

fn allows(profile: &Compiled, kind: Kind, text: &[u8]) -> bool {
    let mut anchors = Anchors::NONE;
    anchors.set(1, b"/home/u").unwrap();
    anchors.set(2, b"/tmp").unwrap();
    profile.decide(0, kind, text, &anchors).allows()
}

/// Which of these may be reached under rules.
fn reached<'a>(rules: &str, names: &[&'a str]) -> Vec<&'a str> {
    let profile = compile(&stage(&format!("network: {{ {rules} }}")));
    names.iter().copied().filter(|name| allows(&profile, Kind::Unix, name.as_bytes())).collect()
}

#[test]
fn local_sockets_are_named_by_globs() {
    let names = ["/run/x.sock", "/run/a/x.sock", "/tmp/x/y", "/home/u/.s", "@name", "@name/x", "@namely"];
    let allow = |glob: &str| reached(&format!("allow: [{{ unix: '{glob}' }}]"), &names);
    assert_eq!(allow("/run/*.sock"), ["/run/x.sock"]);
    assert_eq!(allow("${tmp}/**"), ["/tmp/x/y"]);
    assert_eq!(allow("~/.s"), ["/home/u/.s"]);
    assert_eq!(allow("**"), names);
    assert_eq!(allow("/**"), names[..4]);
    assert_eq!(allow("@name"), ["@name"]);
    // In an abstract name, `/` is a character like others.
    assert_eq!(allow("@name*"), ["@name", "@name/x", "@namely"]);
    assert_eq!(allow("@name?x"), ["@name/x"]);
    assert_eq!(allow("{@namely,/tmp/**}"), ["/tmp/x/y", "@namely"]);
}

#[test]
fn a_glob_for_paths_matches_no_abstract_name() {
    let names = ["/a/docker.sock", "@a/docker.sock", "/docker.sock"];
    assert_eq!(reached("allow: [{ unix: '**/docker.sock' }]", &names), ["/a/docker.sock", "/docker.sock"]);
    assert_eq!(reached("default: allow, deny: [{ unix: '**/docker.sock' }]", &names), ["@a/docker.sock"]);
}

#[test]
fn a_denial_covers_sockets_whose_file_is_gone() {
    let names = ["/run/x", "/run/x (deleted)", "@x", "@x (deleted)"];
    let rules = "default: allow, deny: [{ unix: /run/x }, { unix: '@x' }]";
    assert_eq!(reached(rules, &names), ["@x (deleted)"]);
    assert_eq!(reached("allow: [{ unix: /run/x }]", &names), ["/run/x"]);
}

fn listens(profile: &Compiled, address: &str, port: u16, protocol: Protocol) -> bool {
    let endpoint = match address.parse().unwrap() {
        std::net::IpAddr::V4(address) => Endpoint::v4(address.octets(), port, protocol),
        std::net::IpAddr::V6(address) => Endpoint::v6(address.octets(), port, protocol),
    };
    let mut text = [0; TEXT_LEN];
    let len = endpoint.write(|i, b| text[i] = b);
    allows(profile, Kind::Listen, &text[..len])
}

#[test]
fn everybody_may_listen_on_loopback_and_nobody_elsewhere() {
    use Protocol::{Other, Tcp, Udp};
    let profile = compile(&stage("{}"));
    for (address, port, protocol, expected) in [
        ("127.0.0.1", 80, Tcp, true),
        ("127.9.9.9", 0, Udp, true),
        ("::1", 8080, Tcp, true),
        ("::1", 8080, Other, false),
        ("0.0.0.0", 8080, Tcp, false),
        ("::", 8080, Tcp, false),
        ("::2", 8080, Tcp, false),
        ("0.0.0.0", 0, Udp, true),
        ("::", 0, Udp, true),
        ("192.0.2.1", 0, Udp, true),
        ("0.0.0.0", 0, Tcp, false),
        ("0.0.0.0", 53, Udp, false),
    ] {
        assert_eq!(listens(&profile, address, port, protocol), expected, "{address}:{port} {protocol:?}");
    }
    let profile = compile(&stage(
        "network:\n  allow: [{ listen: any, ports: [8080], protocol: tcp }, { listen: 192.0.2.0/24 }]\n  \
         deny: [{ listen: 127.0.0.0/8 }]",
    ));
    assert!(listens(&profile, "0.0.0.0", 8080, Tcp) && listens(&profile, "2001:db8::1", 8080, Tcp));
    assert!(listens(&profile, "192.0.2.7", 1, Udp));
    assert!(!listens(&profile, "0.0.0.0", 8081, Tcp) && !listens(&profile, "0.0.0.0", 8080, Udp));
    assert!(!listens(&profile, "127.0.0.1", 8080, Tcp), "a denial beats what the enforcer allows");
}

fn makes(profile: &Compiled, family: u32, kind: u32, protocol: u32) -> bool {
    let mut text = [0; enforcer_common::socket::TEXT_LEN];
    let len = Socket::new(family, kind, protocol).unwrap().write(|i, b| text[i] = b);
    allows(profile, Kind::Socket, &text[..len])
}

#[test]
fn everybody_may_make_the_usual_sockets_and_no_other() {
    let profile = compile(&stage("{}"));
    let usual = |family, kind, protocol| match (family, kind) {
        (1, _) => protocol < 2,
        (2 | 10, 1) => protocol == 0 || protocol == 6,
        (2 | 10, 2) => protocol == 0 || protocol == 17,
        (16, 2 | 3) => protocol == 0,
        _ => false,
    };
    for family in 0..50 {
        for kind in 0..16 {
            for protocol in 0..300 {
                let expected = usual(family, kind, protocol);
                assert_eq!(makes(&profile, family, kind, protocol), expected, "{family} {kind} {protocol}");
            }
        }
    }
}

#[test]
fn other_sockets_are_made_by_name() {
    let profile =
        compile(&stage("network: { allow: [{ socket: netlink }, { socket: vsock }, { socket: raw }] }"));
    assert!(makes(&profile, 16, 3, 9) && makes(&profile, 40, 1, 0) && makes(&profile, 2, 3, 255));
    assert!(!makes(&profile, 17, 3, 3) && !makes(&profile, 2, 2, 1));
    let profile = compile(&stage("network: { deny: [{ socket: udp }] }"));
    assert!(!makes(&profile, 2, 2, 0) && makes(&profile, 2, 1, 0));
    for text in sockets::samples() {
        let numbers: Vec<u32> = std::str::from_utf8(&text)
            .unwrap()
            .split(':')
            .map(|number| u32::from_str_radix(number, 16).unwrap())
            .collect();
        let name = sockets::name(Socket::new(numbers[0], numbers[1], numbers[2]).unwrap()).unwrap();
        let profile = compile(&stage(&format!("network: {{ allow: [{{ socket: {name} }}] }}")));
        assert!(allows(&profile, Kind::Socket, &text), "{name}");
    }
}

#[test]
fn rules_are_written_as_they_are_read() {
    let lines = [
        "{ unix: \"@x*\" }",
        "{ listen: any, ports: [80, 8000-8999], protocol: tcp }",
        "{ listen: 192.0.2.0/24 }",
        "{ socket: packet }",
    ];
    let profile = compile(&stage(&format!("network: {{ allow: [{}] }}", lines.join(", "))));
    let texts: Vec<_> = profile.rules.iter().take(4).map(|rule| rule.text.as_str()).collect();
    assert_eq!(texts, lines);
    let kinds: Vec<_> = profile.rules.iter().take(4).map(|rule| rule.kind).collect();
    assert_eq!(kinds, [Kind::Unix, Kind::Listen, Kind::Listen, Kind::Socket]);
}

#[test]
fn where_names_are_asked_for_other_ways_are_closed() {
    let rules = "{ host: a.test, ports: [443] }, { host: b.test, ports: [22], tls: false }, \
                 { host: c.test, ports: [443], protocol: udp }";
    let text = stage(&format!("network: {{ allow: [{rules}] }}"));
    let plain = compile(&text);
    let asked = compile(&format!("{text}tls: {{ sni: required }}\n"));
    let ways = |profile: &Compiled| {
        let tls = profile.tls;
        profile.hosts.iter().map(|rule| (rule.asks_names(tls), rule.protocols(tls).len())).collect::<Vec<_>>()
    };
    assert_eq!(ways(&plain), [(false, 2), (false, 2), (false, 1)]);
    assert_eq!(ways(&asked), [(true, 1), (false, 2), (true, 1)]);
    assert_ne!(plain.digest, asked.digest);
    assert_eq!(asked.rules[1].text, "{ host: \"b.test\", ports: [22], tls: false }");
}
