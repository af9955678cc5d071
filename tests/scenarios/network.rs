// SPDX-License-Identifier: MIT OR Apache-2.0

//! Addresses: what a rule names is reached, and what it does not name is reported by its name.

use std::net::SocketAddr;

use crate::{
    guest::{Place, Tally},
    listener::Listener,
};

#[test]
fn what_a_rule_names_is_reached() {
    let place = Place::new();
    let mut listener = Listener::start("198.51.100.20");
    let to = listener.address;
    let port = to.port();
    let profile = place.profile(&format!(
        "{{ network: {{ allow: [{{ address: 198.51.100.16/28, ports: [{port}], protocol: tcp }}] }} }}"
    ));
    let attack = |way: &str, to: SocketAddr| place.attack(&profile, &["send", way, &to.to_string()]);
    assert_eq!(attack("connect-tcp", to), Tally::allowed(1));
    assert_eq!(attack("mapped-tcp", to), Tally::allowed(1));
    assert_eq!(attack("fast-open", to), Tally::allowed(1));
    assert!(["connect-tcp", "mapped-tcp", "fast-open"].into_iter().all(|way| listener.has(way)));
    assert_eq!(attack("connect-udp", to), Tally::denied(1), "another protocol");
    assert_eq!(attack("connect-tcp", SocketAddr::new(to.ip(), port ^ 1)), Tally::denied(1), "another port");
    assert_eq!(attack("connect-tcp", ([198, 51, 100, 32], port).into()), Tally::denied(1), "just outside");
}

#[test]
fn a_denied_address_is_named() {
    let place = Place::new();
    let profile = place.profile("{ exec: { allow: [\"true\"] } }");
    let run = place.run(
        &profile,
        &["python3", "-c", "import socket; socket.socket(socket.AF_INET6).connect(('2001:db8::99', 8443))"],
    );
    let denials = run.denials();
    assert_eq!(denials.len(), 1, "{denials:#?}");
    assert_eq!(denials[0]["address"]["ip"], "2001:db8::99");
    assert_eq!(denials[0]["address"]["port"], 8443);
    assert_eq!(denials[0]["address"]["protocol"], "tcp");
}
