// SPDX-License-Identifier: MIT OR Apache-2.0

//! Differences: what is found is real, and what is there is found.

use std::net::IpAddr;

use enforcer_common::{
    Kind,
    address::{Endpoint, Protocol},
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    super::{
        Compiled,
        compare::{Found, View, Wanted, search},
        difference::{Stage, allowed_only_by},
        edges::edges,
        example::Example,
        places::{Place, Places},
    },
    compile, stage,
};

const fn view(profile: &Compiled, kind: Kind) -> View<'_> {
    View { profile, stage: 0, kind }
}

/// What `two` allows and `one` denies, in a stage with these lines.
fn allowed(kind: Kind, one: &str, two: &str) -> Option<String> {
    let (one, two) = (compile(&stage(one)), compile(&stage(two)));
    match search(Wanted::Allowed, view(&one, kind), view(&two, kind)) {
        Found::Text(example) => Some(example.to_string()),
        Found::Nothing => None,
        Found::GaveUp => panic!("gave up"),
    }
}

fn writes(one: &str, two: &str) -> Option<String> {
    let lines = |globs: &str| format!("files: {{ write: {{ {globs} }} }}");
    allowed(Kind::Write, &lines(one), &lines(two))
}

fn connects(one: &str, two: &str) -> Option<String> {
    let lines = |rules: &str| format!("network: {{ {rules} }}");
    allowed(Kind::Connect, &lines(one), &lines(two))
}

#[test]
fn a_shortest_path_shows_a_difference() {
    assert_eq!(writes("", ""), None);
    assert_eq!(writes("", "allow: [/srv/data]").as_deref(), Some("/srv/data"));
    assert_eq!(writes("allow: [/srv/data]", ""), None);
    assert_eq!(writes("allow: ['/srv/*']", "allow: ['/srv/**']").as_deref(), Some("/srv"));
    assert_eq!(writes("allow: [/srv, '/srv/*']", "allow: ['/srv/**']").as_deref(), Some("/srv/x/x"));
    assert_eq!(writes("allow: ['/srv/**']", "allow: ['/srv/*', '/srv/a/{b,c}/**']"), None);
    let excepted = "allow: ['/srv/**'], deny: ['**/secret*'], except: ['**/secret.pub']";
    assert_eq!(
        writes("allow: ['/srv/**'], deny: ['**/secret*']", excepted).as_deref(),
        Some("/srv/secret.pub")
    );
    assert_eq!(writes("allow: ['**'], deny: [/srv/x]", "default: allow").as_deref(), Some("/srv/x"));
    // Everything but the root directory, which no rule can leave out by its length.
    assert_eq!(writes("allow: ['/?*', '/?*/**']", "allow: ['/**']").as_deref(), Some("/"));
}

#[test]
fn anchors_are_shown_by_name() {
    assert_eq!(writes("", "allow: ['${workspace}/out/**']").as_deref(), Some("${workspace}/out"));
    assert_eq!(writes("", "allow: ['~/.cache/*']").as_deref(), Some("~/.cache/x"));
    // A deny in the one spelling beats an allow in the other.
    assert_eq!(writes("", "allow: ['~/keys/*'], deny: ['/**/keys/*']"), None);
    assert_eq!(writes("allow: ['${tmp}/**']", "allow: ['/**/x']").as_deref(), Some("/x"));
    let cache = "allow: ['${env.OTHER}/y', '${env.CACHE}/**']";
    assert_eq!(writes("allow: ['${env.CACHE}/*']", cache).as_deref(), Some("${env.CACHE}"));
    assert_eq!(writes(cache, "allow: ['${env.CACHE}/x', '${env.OTHER}/y']"), None);
    // Here only a workspace in the home directory tells them apart.
    let work = "allow: ['${workspace}/**']";
    assert_eq!(
        writes(&format!("{work}, deny: ['~/**']"), work).as_deref(),
        Some("${workspace} (where the workspace is below ~)")
    );
}

#[test]
fn endpoints_are_real_ones() {
    let any = "allow: [{ address: any }]";
    assert_eq!(connects("", any).as_deref(), Some("203.0.113.7:443 tcp"));
    let https = "allow: [{ address: any, ports: [443] }, { address: 127.0.0.0/8 }]";
    assert_eq!(connects(https, any).as_deref(), Some("203.0.113.7:53 udp"));
    let two = "allow: [{ address: 192.0.2.0/31, ports: ['1-9', 443], protocol: udp }]";
    assert_eq!(connects("", two).as_deref(), Some("192.0.2.0:443 udp"));
    let six = "allow: [{ address: '2001:db8::/32', ports: [8443] }]";
    assert_eq!(connects("", six).as_deref(), Some("[2001:db8::]:8443 tcp"));
    // IPv4-mapped addresses are IPv4: there is nothing in this block that the kernel would report.
    assert_eq!(
        connects("", "allow: [{ address: '::ffff:192.0.2.1' }]").as_deref(),
        Some("192.0.2.1:443 tcp")
    );
    let open = "default: allow, deny: [{ address: 203.0.113.0/24 }, { address: 127.0.0.1 }]";
    assert_eq!(connects(any, open).as_deref(), Some("0.0.0.0:443 other"));
}

#[test]
fn hosts_are_compared_by_name_and_port() {
    let hosts = |rules: &str| compile(&stage(&format!("network: {{ allow: [{rules}] }}")));
    let only = |two: &Compiled, one: &Compiled| {
        let stage = |profile| Stage { profile, number: 0 };
        allowed_only_by(stage(two), stage(one)).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (one, two) =
        (hosts("{ host: a.example, ports: [443] }"), hosts("{ host: a.example, ports: ['443-444'] }"));
    assert_eq!(only(&two, &one), ["connect, such as a.example:444 tcp"]);
    assert!(only(&one, &two).is_empty());
    // Where a name is asked for, and where none is.
    let text = stage("network: { allow: [{ host: a.example, ports: [443] }] }");
    let asked = compile(&format!("{text}tls: {{ sni: required }}\n"));
    assert!(only(&asked, &one).is_empty());
    assert_eq!(only(&one, &asked), ["connect, such as a.example:443 tcp, by any TLS name"]);
    let registry = hosts("{ host: '${npm.registry}' }");
    assert_eq!(only(&registry, &one), ["connect, such as ${npm.registry} tcp"]);
    assert!(only(&registry, &compile(&stage("network: { default: allow }"))).is_empty());
}

#[test]
fn edges_say_what_changes() {
    let profile = compile(
        "version: 1\nname: t\nowner: o\nstages:\n  one:\n    exec:\n      allow: [{ path: sh, stage: two, widen: true }]\n    \
         network: { allow: [{ address: 192.0.2.1, ports: [80], protocol: tcp }] }\n  two:\n    exec: { allow: [sh, cat] }\n",
    );
    let edges = edges(&profile);
    assert_eq!(edges.len(), 1);
    let shown = |differences: &[super::super::difference::Difference]| {
        differences.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!((edges[0].from, edges[0].to, &*edges[0].rules), (0, 1, &[1][..]));
    assert_eq!(shown(&edges[0].more), ["exec, such as /usr/bin/cat"]);
    assert_eq!(shown(&edges[0].less), ["connect, such as 192.0.2.1:80 tcp"]);
}

#[test]
fn transitions_that_differ_are_found() {
    let profile = |to: &str| {
        compile(&format!(
            "version: 1\nname: t\nowner: o\nstages:\n  one:\n    exec: {{ allow: [{{ path: sh, stage: {to} }}, cat] }}\n  \
             two: {{}}\n  three: {{}}\n"
        ))
    };
    let (two, three) = (profile("two"), profile("three"));
    let found = search(Wanted::LeadsElsewhere, view(&two, Kind::Exec), view(&three, Kind::Exec));
    assert!(matches!(found, Found::Text(example) if example.to_string() == "/bin/sh"));
    let found = search(Wanted::LeadsElsewhere, view(&two, Kind::Exec), view(&two, Kind::Exec));
    assert!(matches!(found, Found::Nothing));
}

/// Two stages with a thousand globs each; the second is within the first, which takes the longest to find out.
#[test]
fn thousands_of_globs_are_compared() {
    let globs = |directory: &str| -> String {
        (0..1000).map(|i| format!("          - '${{workspace}}/packages/p{i}/{directory}/**'\n")).collect()
    };
    let text = format!(
        "version: 1\nname: t\nowner: o\nstages:\n  one:\n    exec: {{ allow: [{{ path: sh, stage: two }}] }}\n    files:\n      \
         write:\n        allow:\n{}  two:\n    files:\n      write:\n        allow:\n{}",
        globs("*"),
        globs("dist")
    );
    let started = std::time::Instant::now();
    let profile = compile(&text);
    let compiled = started.elapsed();
    let edges = edges(&profile);
    eprintln!("compiled in {compiled:?}, compared in {:?}", started.elapsed() - compiled);
    assert!(edges[0].more.is_empty());
    let less: Vec<_> = edges[0].less.iter().map(ToString::to_string).collect();
    assert_eq!(less, ["exec, such as /bin/sh", "write, such as ${workspace}/packages/p0/x"]);
}

fn glob() -> impl Strategy<Value = String> {
    let root = select(vec!["/", "/", "/tmp/", "~/", "${workspace}/", "**/"]);
    let component = select(vec!["a", "b", "ab", "a*", "*b", "?", "[!a]", "{a,bb}", "**", ".a"]);
    (root, vec(component, 1..3)).prop_map(|(root, components)| format!("{root}{}", components.join("/")))
}

fn rules() -> impl Strategy<Value = String> {
    let globs = || vec(glob(), 0..4);
    (globs(), globs(), vec(glob(), 0..2), any::<bool>()).prop_map(|(allow, deny, except, default)| {
        let list = |globs: &[String]| globs.iter().map(|g| format!("'{g}'")).collect::<Vec<_>>().join(", ");
        format!(
            "files: {{ write: {{ default: {}, allow: [{}], deny: [{}], except: [{}] }} }}",
            if default { "allow" } else { "deny" },
            list(&allow),
            list(&deny),
            list(&except)
        )
    })
}

/// All paths of up to three of these names, in every place.
fn paths(places: &Places) -> Vec<Example> {
    let names = ["a", "b", "ab", "bb", "x", ".a"];
    let mut rests = vec![String::new()];
    for at in 0..1 + names.len() + names.len() * names.len() {
        let longer: Vec<_> = names.iter().map(|name| format!("{}/{name}", rests[at])).collect();
        rests.extend(longer);
    }
    let mut paths = Vec::new();
    for place in places.all().into_iter().flatten() {
        for rest in rests.iter().filter(|rest| place != Place::PLAIN || !rest.is_empty()) {
            paths.push(places.example(place, Kind::Write, rest.as_bytes()));
        }
    }
    paths
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// 200 pairs of profiles, about a thousand paths each.
    #[test]
    fn a_difference_is_found_if_there_is_one(one in rules(), two in rules()) {
        let (one, two) = (compile(&stage(&one)), compile(&stage(&two)));
        let places = Places::new(Kind::Write, [&one, &two]);
        let allows = |profile: &Compiled, side: usize, e: &Example| {
            profile.decide(0, Kind::Write, &e.text, &places.anchors(e.place, side)).allows()
        };
        let differs = |e: &Example| !allows(&one, 0, e) && allows(&two, 1, e);
        let there = paths(&places).into_iter().find(differs);
        match search(Wanted::Allowed, view(&one, Kind::Write), view(&two, Kind::Write)) {
            Found::Text(example) => {
                prop_assert!(differs(&example), "{example}");
                prop_assert!(example.text.starts_with(b"/") || example.text.contains(&b':'), "{example}");
            }
            Found::Nothing => prop_assert_eq!(there.map(|e| e.to_string()), None),
            Found::GaveUp => prop_assert!(false, "gave up"),
        }
    }
}

/// Network rules out of few blocks and ports, so that they meet.
fn destinations() -> impl Strategy<Value = String> {
    let block = select(vec![
        "any",
        "192.0.2.0/24",
        "192.0.2.0/31",
        "0.0.0.0/0",
        "'2001:db8::/32'",
        "'::/0'",
        "'::1'",
    ]);
    let ports = select(vec!["", ", ports: [443]", ", ports: ['400-500']", ", ports: [53, 443]"]);
    let protocol = select(vec!["", "", ", protocol: tcp", ", protocol: udp"]);
    let rule = (block, ports, protocol).prop_map(|(b, p, q)| format!("{{ address: {b}{p}{q} }}"));
    (vec(rule.clone(), 0..4), vec(rule, 0..3), any::<bool>()).prop_map(|(allow, deny, default)| {
        let default = if default { "allow" } else { "deny" };
        format!(
            "network: {{ default: {default}, allow: [{}], deny: [{}] }}",
            allow.join(", "),
            deny.join(", ")
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// 200 pairs of profiles, 108 endpoints each.
    #[test]
    fn a_difference_of_endpoints_is_found_if_there_is_one(one in destinations(), two in destinations()) {
        let (one, two) = (compile(&stage(&one)), compile(&stage(&two)));
        let places = Places::new(Kind::Connect, [&one, &two]);
        let allows = |profile: &Compiled, e: &Example| {
            profile.decide(0, Kind::Connect, &e.text, &enforcer_common::anchor::Anchors::NONE).allows()
        };
        let differs = |e: &Example| !allows(&one, e) && allows(&two, e);
        let mut there = None;
        for address in ["192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "2001:db9::1", "::1"] {
            for port in [53, 80, 400, 443, 500, 501] {
                for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Other] {
                    let endpoint = match address.parse().unwrap() {
                        IpAddr::V4(address) => Endpoint::v4(address.octets(), port, protocol),
                        IpAddr::V6(address) => Endpoint::v6(address.octets(), port, protocol),
                    };
                    there = there.or(Some(places.endpoint(Kind::Connect, endpoint)).filter(differs));
                }
            }
        }
        match search(Wanted::Allowed, view(&one, Kind::Connect), view(&two, Kind::Connect)) {
            Found::Text(example) => {
                prop_assert!(differs(&example) && example.to_string() != "(unnamed)", "{example}");
            }
            Found::Nothing => prop_assert_eq!(there.map(|e| e.to_string()), None),
            Found::GaveUp => prop_assert!(false, "gave up"),
        }
    }
}
