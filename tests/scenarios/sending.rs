// SPDX-License-Identifier: MIT OR Apache-2.0

//! Every way to send is decided, and what arrives at the listener is the proof.

use std::process::Stdio;

use crate::{
    attempts::{DENIED, bare},
    guest::{Place, sh},
    listener::Listener,
};

const WAYS: [&str; 30] = [
    "connect-tcp",
    "connect-udp",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "sendmmsg-mixed",
    "away",
    "oversized",
    "short",
    "corked",
    "more",
    "zero-copy",
    "fast-open",
    "fast-open-connect",
    "routed",
    "routed-message",
    "ring-connect",
    "ring-connect-worker",
    "ring-connect-poller",
    "ring-send",
    "ring-send-worker",
    "ring-send-poller",
    "ring-message",
    "ring-message-worker",
    "ring-message-poller",
    "ring-zero-copy",
    "ring-fast-open",
    "mptcp",
    "raw-icmp",
    "ping",
];
/// Packets written by hand.
const PACKETS: [&str; 3] = ["raw-udp", "packet", "frame"];
/// IPv4 by way of IPv6, and what IPv4 alone has.
const IPV4: [&str; 5] = ["mapped-tcp", "mapped-udp", "mapped-fast-open", "crossed", "unspec"];
/// Not in every kernel.
const RARE: [&str; 1] = ["udp-lite"];

/// What is allowed, so that there is something else to send to.
pub(crate) const LOOPBACK: &str = "{ network: { allow: [{ address: 127.0.0.0/8 }, { address: \"::1\" }] } }";

fn ways(ip: &str) -> Vec<&'static str> {
    let mut ways = [&WAYS[..], &PACKETS, &RARE].concat();
    if ip.contains('.') {
        ways.extend(IPV4);
    }
    ways
}

/// Fast Open without cookies, so that what is sent is in the first packet; sockets for echo requests for everybody.
fn prepare() {
    sh("echo 0x607 >/proc/sys/net/ipv4/tcp_fastopen; echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range")
        .success();
}

#[test]
fn nothing_arrives_by_any_way_of_sending() {
    prepare();
    let place = Place::new();
    let profile = place.profile(LOOPBACK);
    for ip in ["198.51.100.20", "2001:db8::20"] {
        let mut listener = Listener::start(ip);
        let ways = ways(ip);
        let attempts: Vec<_> = ways.iter().map(|way| format!("send {way} {}", listener.address)).collect();
        place.each(&profile, &attempts).all(DENIED);
        assert_eq!(listener.arrived(), [""; 0]);
        let control = bare(&attempts);
        let arrived = listener.arrived();
        for (way, (attempt, number)) in ways.iter().zip(&control.list) {
            if RARE.contains(way) && *number == libc::EPROTONOSUPPORT {
                continue;
            }
            assert_eq!(*number, 0, "{attempt}");
            assert!(arrived.iter().any(|name| name == way), "{attempt} arrives");
        }
    }
}

#[test]
fn in_audit_mode_everything_arrives_and_is_reported() {
    prepare();
    let place = Place::new();
    let profile = place.profile(LOOPBACK);
    let mut listener = Listener::start("198.51.100.22");
    let attempts: Vec<_> = WAYS.iter().map(|way| format!("send {way} {}", listener.address)).collect();
    let record = place.path("record.jsonl");
    let options = ["--audit", "--json", record.to_str().unwrap()];
    place.each_with(&profile, &options, Stdio::null(), &attempts).all(0);
    let arrived = listener.arrived();
    for way in WAYS {
        assert!(arrived.iter().any(|name| name == way), "{way} arrives");
    }
    let record = crate::guest::read_record(&record);
    let would = record.iter().filter(|line| line["verdict"] == "would-deny").count();
    assert!(would >= WAYS.len(), "{would} reports for {} ways", WAYS.len());
}
