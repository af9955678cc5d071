// SPDX-License-Identifier: MIT OR Apache-2.0

//! Addresses: every way to send to one is decided, and what arrives at the listener is the proof.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::guest::{Place, Tally, bare, sh, until};

/// Counts what arrives at an address, on TCP and UDP.
struct Listener {
    address: SocketAddr,
    arrived: Arc<AtomicU64>,
}

impl Listener {
    fn start(ip: &str) -> Self {
        if ip.contains(':') {
            sh(&format!("ip -6 addr replace {ip}/128 dev dummy0 nodad")).success();
        }
        let tcp = TcpListener::bind((ip, 0)).unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).unwrap();
        let arrived = Arc::new(AtomicU64::new(0));
        let (streams, datagrams) = (Arc::clone(&arrived), Arc::clone(&arrived));
        thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                // A connection without a byte has arrived as well.
                let _ = stream.read(&mut [0; 16]);
                streams.fetch_add(1, Ordering::SeqCst);
            }
        });
        thread::spawn(move || {
            while udp.recv(&mut [0; 16]).is_ok() {
                datagrams.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, arrived }
    }

    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::SeqCst)
    }
}

const WAYS: [&str; 9] = [
    "connect-tcp",
    "connect-udp",
    "sendto",
    "sendmmsg",
    "away",
    "fast-open",
    "mapped-tcp",
    "mapped-udp",
    "unspec",
];

#[test]
fn nothing_arrives_by_any_way_of_sending() {
    sh("echo 3 >/proc/sys/net/ipv4/tcp_fastopen").success();
    let place = Place::new();
    let profile = place.profile("{ network: { allow: [{ address: 198.51.100.0/28 }] } }");
    for ip in ["198.51.100.20", "2001:db8::20"] {
        let listener = Listener::start(ip);
        let to = listener.address.to_string();
        for way in WAYS
            .into_iter()
            .filter(|way| ip.contains('.') || !matches!(*way, "mapped-tcp" | "mapped-udp" | "unspec"))
        {
            println!("{way} to {to}");
            let before = listener.arrived();
            assert_eq!(bare(&["send", way, &to]), Tally::allowed(1), "{way} to {to}");
            until("the bare attempt arrives", || listener.arrived() == before + 1);
            assert_eq!(place.attack(&profile, &["send", way, &to]), Tally::denied(1), "{way} to {to}");
            // What was sent before this would have arrived before it.
            bare(&["send", "connect-tcp", &to]);
            bare(&["send", "connect-udp", &to]);
            until("the marks arrive", || listener.arrived() >= before + 3);
            thread::sleep(Duration::from_millis(50));
            assert_eq!(listener.arrived(), before + 3, "{way} to {to}");
        }
    }
}

#[test]
fn what_a_rule_names_is_reached() {
    let place = Place::new();
    let listener = Listener::start("198.51.100.20");
    let to = listener.address;
    let port = to.port();
    let profile = place.profile(&format!(
        "{{ network: {{ allow: [{{ address: 198.51.100.16/28, ports: [{port}], protocol: tcp }}] }} }}"
    ));
    let attack = |way: &str, to: SocketAddr| place.attack(&profile, &["send", way, &to.to_string()]);
    assert_eq!(attack("connect-tcp", to), Tally::allowed(1));
    assert_eq!(attack("mapped-tcp", to), Tally::allowed(1));
    assert_eq!(attack("fast-open", to), Tally::allowed(1));
    until("all three arrive", || listener.arrived() == 3);
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
