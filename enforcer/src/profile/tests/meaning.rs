// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the language means, case by case.

use enforcer_common::{
    Decision, Kind, Reason, Verdict,
    address::{Endpoint, Protocol, TEXT_LEN},
    anchor::Anchors,
};

use super::{
    super::{Compiled, Host, Registry, leads_to},
    compile, stage,
};

fn anchors() -> Anchors {
    let mut anchors = Anchors::NONE;
    anchors.set(0, b"/home/u/app").unwrap();
    anchors.set(1, b"/home/u").unwrap();
    anchors.set(2, b"/tmp").unwrap();
    anchors
}

fn decide(profile: &Compiled, kind: Kind, path: &str) -> Decision {
    profile.decide(0, kind, path.as_bytes(), &anchors())
}

/// Which of these may be written under one allow rule.
fn writable<'a>(glob: &str, paths: &[&'a str]) -> Vec<&'a str> {
    let profile = compile(&stage(&format!("files: {{ write: {{ allow: ['{glob}'] }} }}")));
    paths.iter().copied().filter(|path| decide(&profile, Kind::Write, path).allows()).collect()
}

#[test]
fn globs() {
    let paths = ["/", "/a", "/a/b", "/a/b/c", "/a/bc", "/ab", "/a/.b", "/a/b/c/b", "/a (deleted)"];
    assert_eq!(writable("/a", &paths), ["/a"]);
    assert_eq!(writable("/a/*", &paths), ["/a/b", "/a/bc", "/a/.b"]);
    assert_eq!(writable("/a/**", &paths), ["/a", "/a/b", "/a/b/c", "/a/bc", "/a/.b", "/a/b/c/b"]);
    assert_eq!(writable("/a/**/b", &paths), ["/a/b", "/a/b/c/b"]);
    assert_eq!(writable("**/b", &paths), ["/a/b", "/a/b/c/b"]);
    assert_eq!(writable("/a?", &paths), ["/ab"]);
    assert_eq!(writable("/a/[b-c]", &paths), ["/a/b"]);
    assert_eq!(writable("/a/[!b]*", &paths), ["/a/.b"]);
    assert_eq!(writable("/{a,a/b/c}", &paths), ["/a", "/a/b/c"]);
    assert_eq!(writable("/a/b{,c}", &paths), ["/a/b", "/a/bc"]);
    assert_eq!(writable("/**", &paths), paths);
    assert_eq!(writable("/", &paths), ["/"]);
    let paths = ["/a*", "/ab", "/a{", "/a\\", "/[x]", "/a,b"];
    assert_eq!(writable(r"/a\*", &paths), ["/a*"]);
    assert_eq!(writable(r"/a\{", &paths), ["/a{"]);
    assert_eq!(writable(r"/a\\", &paths), ["/a\\"]);
    assert_eq!(writable("/a[*]", &paths), ["/a*"]);
    assert_eq!(writable(r"/{a\,b,x}", &paths), ["/a,b"]);
    assert_eq!(writable(r"/\[x\]", &paths), ["/[x]"]);
}

#[test]
fn anchors_are_places() {
    let paths = [
        "/home/u",
        "/home/u/x",
        "/home/u/app",
        "/home/u/app/x",
        "/home/u/apple/x",
        "/tmp/x",
        "/tmpx",
        "/~/x",
    ];
    assert_eq!(writable("${workspace}/**", &paths), ["/home/u/app", "/home/u/app/x"]);
    assert_eq!(writable("${workspace}", &paths), ["/home/u/app"]);
    assert_eq!(writable("~/*", &paths), ["/home/u/x", "/home/u/app"]);
    assert_eq!(writable("${home}/x", &paths), ["/home/u/x"]);
    assert_eq!(writable("{~/x,${tmp}/**}", &paths), ["/home/u/x", "/tmp/x"]);
    assert_eq!(writable("**/x", &paths), ["/home/u/x", "/home/u/app/x", "/home/u/apple/x", "/tmp/x", "/~/x"]);
    // A run that has no value for an anchor: the rule matches nothing.
    let profile = compile(&stage("files: { write: { allow: ['~/x'] } }"));
    assert!(!profile.decide(0, Kind::Write, b"/home/u/x", &Anchors::NONE).allows());
    // Nobody can spell an anchor's byte.
    assert!(!profile.decide(0, Kind::Write, b"x", &anchors()).allows());
}

#[test]
fn defaults() {
    let profile = compile(&stage("{}"));
    for (kind, verdict) in [
        (Kind::Exec, Verdict::Deny),
        (Kind::Read, Verdict::Allow),
        (Kind::Write, Verdict::Deny),
        (Kind::Connect, Verdict::Deny),
        (Kind::Unix, Verdict::Deny),
        (Kind::Listen, Verdict::Deny),
        (Kind::Socket, Verdict::Deny),
        (Kind::Resolve, Verdict::Deny),
    ] {
        let decision = decide(&profile, kind, "/x");
        assert_eq!((decision.verdict, decision.reason, decision.rule), (verdict, Reason::Default, 0));
    }
    let profile = compile(&stage(
        "exec: { default: allow }\nnetwork: { default: allow }\n\
         files: { read: { default: deny }, write: { default: allow } }",
    ));
    let allowed = |kind| decide(&profile, kind, "/x").allows();
    let kinds = [Kind::Exec, Kind::Read, Kind::Write, Kind::Connect, Kind::Unix, Kind::Listen, Kind::Socket];
    assert_eq!(kinds.map(allowed), [true, false, true, true, true, true, true]);
    // Names are looked up by host rules, which are not in the table.
    assert!(!allowed(Kind::Resolve));
}

#[test]
fn deny_beats_allow_and_except_beats_deny() {
    let profile = compile(&stage(
        "files:\n  write:\n    allow: ['${workspace}/**']\n    deny: ['**/.git/**']\n    except: ['**/.git/config']",
    ));
    let rule = |path| {
        let decision = decide(&profile, Kind::Write, path);
        (decision.verdict, decision.rule)
    };
    assert_eq!(rule("/home/u/app/x"), (Verdict::Allow, 1));
    assert_eq!(rule("/home/u/app/.git/hooks/x"), (Verdict::Deny, 2));
    assert_eq!(rule("/home/u/app/.git/config"), (Verdict::Allow, 1));
    // An exception takes a denial away; it does not allow.
    assert_eq!(rule("/elsewhere/.git/config"), (Verdict::Deny, 0));
}

#[test]
fn deny_and_except_cover_deleted_files_and_allow_does_not() {
    let profile = compile(&stage(
        "files:\n  read: { deny: ['~/.npmrc', '~/.ssh/**'], except: ['~/.ssh/config'] }\n  write: { allow: ['/a'] }",
    ));
    let read = |path| decide(&profile, Kind::Read, path).allows();
    assert!(!read("/home/u/.npmrc"));
    assert!(!read("/home/u/.npmrc (deleted)"));
    assert!(!read("/home/u/.ssh/id (deleted)"));
    assert!(read("/home/u/.ssh/config (deleted)"));
    assert!(!decide(&profile, Kind::Write, "/a (deleted)").allows());
}

#[test]
fn programs_by_name_and_stages() {
    let profile = compile(
        "version: 1\nname: t\nowner: o\nstages:\n  first:\n    exec:\n      allow:\n        - node\n        \
         - { path: 'python3{,.[0-9]*}', stage: second }\n        - /opt/tool\n        - { path: '@shells', stage: first }\n  \
         second: {}\n",
    );
    let exec = |path: &str| {
        let decision = decide(&profile, Kind::Exec, path);
        (decision.allows(), leads_to(&decision))
    };
    for directory in ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
        assert_eq!(exec(&format!("{directory}/node")), (true, None));
    }
    for path in ["/home/u/bin/node", "/usr/bin/nodejs", "/usr/bin/x/node", "node", "/opt/tool/x"] {
        assert_eq!(exec(path), (false, None), "{path}");
    }
    assert_eq!(exec("/usr/bin/python3.11"), (true, Some(1)));
    assert_eq!(exec("/usr/bin/python2"), (false, None));
    assert_eq!(exec("/usr/bin/dash"), (true, Some(0)));
    assert_eq!(profile.stage("second"), Some(1));
}

#[test]
fn memory_files_are_executed_only_if_a_profile_insists() {
    let exec = |lines: &str, path: &str| {
        let profile = compile(&stage(lines));
        let decision = decide(&profile, Kind::Exec, path);
        let place = profile.rule(decision.rule).map(ToString::to_string);
        (decision.allows(), place.unwrap_or_default())
    };
    // The name of a memory file is the attacker's: this one ends as an allowed program does.
    let memory = "/memfd:/node_modules/x";
    let denied = (false, "the enforcer's own rules".to_owned());
    assert_eq!(exec("exec: { allow: ['**/node_modules/**'] }", memory), denied);
    assert_eq!(exec("exec: { default: allow }", &format!("{memory} (deleted)")), denied);
    assert!(exec("exec: { default: allow, except: ['/memfd:runc*'] }", "/memfd:runc (deleted)").0);
    assert!(exec("exec: { default: allow }", "/usr/bin/node").0);
}

#[test]
fn what_is_not_a_file_has_a_name_too() {
    let paths = ["pipe:[12]", "socket:[3]", "anon_inode:[eventfd]", "/pipe:[12]"];
    assert_eq!(writable("pipe:*", &paths), ["pipe:[12]"]);
    assert_eq!(writable("**", &paths), paths);
    assert_eq!(writable("/**", &paths), ["/pipe:[12]"]);
}

/// The decision for an address.
fn reach(profile: &Compiled, address: &str, port: u16, protocol: Protocol) -> Decision {
    let endpoint = match address.parse().unwrap() {
        std::net::IpAddr::V4(address) => Endpoint::v4(address.octets(), port, protocol),
        std::net::IpAddr::V6(address) => Endpoint::v6(address.octets(), port, protocol),
    };
    let mut text = [0; TEXT_LEN];
    let len = endpoint.write(|i, b| text[i] = b);
    profile.decide(0, Kind::Connect, &text[..=len], &anchors())
}

#[test]
fn addresses() {
    let profile = compile(&stage(
        "network:\n  allow:\n    - { address: 192.0.2.0/25, ports: [443, '8000-8999'], protocol: tcp }\n    \
         - { address: 2001:db8::/33 }\n    - { address: '::ffff:198.51.100.7' }\n    - { address: any, ports: [53] }\n  \
         deny:\n    - { address: 192.0.2.64/26 }",
    ));
    let rule = |address, port, protocol| {
        let decision = reach(&profile, address, port, protocol);
        (decision.allows(), decision.rule)
    };
    use Protocol::{Other, Tcp, Udp};
    assert_eq!(rule("192.0.2.1", 443, Tcp), (true, 1));
    assert_eq!(rule("192.0.2.1", 8500, Tcp), (true, 1));
    assert_eq!(rule("::ffff:192.0.2.1", 8999, Tcp), (true, 1));
    assert_eq!(rule("192.0.2.1", 9000, Tcp), (false, 0));
    assert_eq!(rule("192.0.2.1", 443, Udp), (false, 0));
    assert_eq!(rule("192.0.2.65", 443, Tcp), (false, 5));
    assert_eq!(rule("192.0.2.128", 443, Tcp), (false, 0));
    assert_eq!(rule("2001:db8:7fff::1", 1, Udp), (true, 2));
    assert_eq!(rule("2001:db8:8000::1", 1, Udp), (false, 0));
    assert_eq!(rule("198.51.100.7", 1, Tcp), (true, 3));
    assert_eq!(rule("198.51.100.8", 1, Tcp), (false, 0));
    assert_eq!(rule("203.0.113.9", 53, Udp), (true, 4));
    assert_eq!(rule("2001:db9::1", 53, Tcp), (true, 4));
    // What no rule can name is never allowed by one, and denied by any.
    assert_eq!(rule("192.0.2.1", 443, Other), (false, 0));
    assert_eq!(rule("192.0.2.65", 443, Other), (false, 5));
}

#[test]
fn any_address_is_decided_at_the_first_byte() {
    let profile = compile(&stage("network: { allow: [{ address: any }] }"));
    assert_eq!(profile.states, compile(&stage("{}")).states + 1);
    assert!(reach(&profile, "192.0.2.1", 1, Protocol::Udp).allows());
    assert!(!reach(&profile, "192.0.2.1", 1, Protocol::Other).allows());
}

#[test]
fn hosts_are_for_the_agent() {
    let profile = compile(&stage(
        "network:\n  allow:\n    - { address: 192.0.2.1 }\n    - { host: Registry.Example., ports: [443, '80-81'], protocol: tcp }\n    \
         - host: '${npm.registry}'",
    ));
    let [named, registry] = &profile.hosts[..] else { panic!("{:?}", profile.hosts) };
    assert_eq!((named.rule, named.stage, &named.host), (2, 0, &Host::Name("registry.example".into())));
    assert_eq!(named.ports.iter().flat_map(|p| p.ports()).collect::<Vec<_>>(), [80, 81, 443]);
    assert_eq!(named.protocol, Some(Protocol::Tcp));
    assert_eq!(
        (&registry.host, registry.ports.len(), registry.protocol),
        (&Host::Registry(Registry::Npm), 0, None)
    );
    assert_eq!(
        profile.rule(2).unwrap().text,
        "{ host: \"Registry.Example.\", ports: [443, 80-81], protocol: tcp }"
    );
}

#[test]
fn rules_know_their_lines() {
    let profile = compile(
        "version: 1\nname: t\nowner: o\nstages:\n  only:\n    files:\n      write:\n        deny: [/a, /b]\n        allow:\n          - /c\n",
    );
    let places: Vec<_> =
        profile.rules.iter().take(4).map(|r| (r.number, r.text.as_str(), r.line, r.column)).collect();
    assert_eq!(places, [(1, "/a", 8, 16), (2, "/b", 8, 20), (3, "/c", 10, 13), (4, "/memfd:*/**", 0, 0)]);
    assert_eq!(profile.rule(3).unwrap().to_string(), "test.yaml:10");
    assert_eq!(profile.rule(0), None);
    assert!(profile.rules[3..].iter().all(|rule| rule.line == 0));
    assert_eq!(profile.rule(profile.rules.len() as u16 + 1), None);
}
