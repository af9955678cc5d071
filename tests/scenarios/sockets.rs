// SPDX-License-Identifier: MIT OR Apache-2.0

//! Making sockets: what no rule names is refused, before its protocol's module is looked for.

use std::fs;

use crate::{
    attempts::{DENIED, bare},
    guest::{Place, sh},
};

const STREAM: i32 = libc::SOCK_STREAM;
const DGRAM: i32 = libc::SOCK_DGRAM;
const RAW: i32 = libc::SOCK_RAW;
const PACKET: i32 = 10;
const SEQPACKET: i32 = libc::SOCK_SEQPACKET;
const INET: [i32; 2] = [libc::AF_INET, libc::AF_INET6];

/// Family, type and protocol of what programs need.
fn ordinary() -> Vec<[i32; 3]> {
    let local = [STREAM, DGRAM, SEQPACKET].map(|kind| [libc::AF_UNIX, kind, 0]);
    let inet = INET.into_iter().flat_map(|family| {
        [[STREAM, 0], [STREAM, libc::IPPROTO_TCP], [DGRAM, 0], [DGRAM, libc::IPPROTO_UDP]]
            .map(|[kind, protocol]| [family, kind, protocol])
    });
    let route =
        [[libc::AF_NETLINK, RAW, libc::NETLINK_ROUTE], [libc::AF_NETLINK, DGRAM, libc::NETLINK_ROUTE]];
    local.into_iter().chain(inet).chain(route).collect()
}

/// What no program needs. The first ones are in every kernel.
fn odd() -> (Vec<[i32; 3]>, Vec<[i32; 3]>) {
    const DCCP: i32 = 6;
    const SMC: i32 = 256;
    let both = |of: &[[i32; 2]]| -> Vec<[i32; 3]> {
        let of = of.to_vec();
        INET.into_iter()
            .flat_map(|family| of.clone().into_iter().map(move |[kind, protocol]| [family, kind, protocol]))
            .collect()
    };
    let mut always =
        both(&[[RAW, libc::IPPROTO_RAW], [RAW, libc::IPPROTO_UDP], [STREAM, libc::IPPROTO_MPTCP]]);
    always.extend([
        [libc::AF_INET, RAW, libc::IPPROTO_ICMP],
        [libc::AF_INET6, RAW, libc::IPPROTO_ICMPV6],
        [libc::AF_INET, DGRAM, libc::IPPROTO_ICMP],
        [libc::AF_INET6, DGRAM, libc::IPPROTO_ICMPV6],
        [libc::AF_PACKET, RAW, 0],
        [libc::AF_PACKET, DGRAM, 0],
        // The old way to a packet socket, which the kernel itself turns into the new one.
        [libc::AF_INET, PACKET, 0],
    ]);
    always.extend(
        [
            libc::NETLINK_AUDIT,
            libc::NETLINK_KOBJECT_UEVENT,
            libc::NETLINK_GENERIC,
            libc::NETLINK_NETFILTER,
            libc::NETLINK_SOCK_DIAG,
        ]
        .map(|protocol| [libc::AF_NETLINK, RAW, protocol]),
    );
    let mut sometimes = both(&[
        [SEQPACKET, libc::IPPROTO_SCTP],
        [STREAM, libc::IPPROTO_SCTP],
        [DGRAM, libc::IPPROTO_UDPLITE],
        [DCCP, libc::IPPROTO_DCCP],
        [STREAM, SMC],
    ]);
    sometimes.extend([
        [libc::AF_VSOCK, STREAM, 0],
        [libc::AF_VSOCK, DGRAM, 0],
        [libc::AF_ALG, SEQPACKET, 0],
        [libc::AF_XDP, RAW, 0],
        [libc::AF_TIPC, SEQPACKET, 0],
        [libc::AF_RDS, SEQPACKET, 0],
        [libc::AF_KEY, RAW, 2],
        [libc::AF_CAN, RAW, 1],
        [libc::AF_BLUETOOTH, RAW, 1],
        [libc::AF_RXRPC, DGRAM, libc::AF_INET],
        [42, DGRAM, 0],  // AF_QIPCRTR
        [43, STREAM, 0], // AF_SMC
        [45, DGRAM, 0],  // AF_MCTP
        [libc::AF_X25, SEQPACKET, 0],
        [libc::AF_APPLETALK, DGRAM, 0],
        [libc::AF_UNSPEC, STREAM, 0],
    ]);
    (always, sometimes)
}

fn attempts(way: &str, sockets: &[[i32; 3]]) -> Vec<String> {
    sockets
        .iter()
        .map(|[family, kind, protocol]| format!("socket {way} {family} {kind} {protocol}"))
        .collect()
}

fn modules() -> Vec<String> {
    let text = fs::read_to_string("/proc/modules").unwrap();
    let mut names: Vec<_> =
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn odd_sockets_are_not_made_nor_their_modules_loaded() {
    sh("echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range").success();
    let place = Place::new();
    let profile = place.profile("{ exec: { allow: [\"/mnt/**\"] } }");
    let (always, sometimes) = odd();
    let all = [always.clone(), sometimes.clone()].concat();
    let ways =
        |sockets: &[[i32; 3]]| ["call", "ring", "ring-poller"].map(|way| attempts(way, sockets)).concat();
    let pairs = attempts("pair", &[[libc::AF_TIPC, SEQPACKET, 0]]);
    let before = modules();
    place.each(&profile, &[ways(&all), pairs].concat()).all(DENIED);
    assert_eq!(modules(), before);
    bare(&ways(&always)).all(0);
    // Those whose modules a kernel has.
    let rare = bare(&ways(&sometimes));
    for (attempt, number) in &rare.list {
        println!("{attempt}: {number}");
        // Not here, or not of this type.
        let known = [
            0,
            libc::EAFNOSUPPORT,
            libc::EPROTONOSUPPORT,
            libc::ESOCKTNOSUPPORT,
            libc::EINVAL,
            libc::ENODEV,
            libc::EPROTOTYPE,
        ];
        assert!(known.contains(number), "{attempt}: {number}");
    }
    let sctp = format!("socket call {} {STREAM} {}", libc::AF_INET, libc::IPPROTO_SCTP);
    let vsock = format!("socket call {} {STREAM} 0", libc::AF_VSOCK);
    assert_eq!([sctp, vsock].map(|attempt| rare.of(&attempt)), [0, 0]);
}

#[test]
fn ordinary_sockets_are_made() {
    let place = Place::new();
    let profile = place.profile("{ exec: { allow: [\"/mnt/**\"] } }");
    let mut ordinary = ["call", "ring"].map(|way| attempts(way, &ordinary())).concat();
    ordinary.extend(attempts("pair", &[STREAM, DGRAM, SEQPACKET].map(|kind| [libc::AF_UNIX, kind, 0])));
    bare(&ordinary).all(0);
    place.each(&profile, &ordinary).all(0);
}

#[test]
fn a_rule_names_one_kind_and_no_other() {
    let place = Place::new();
    let profile = place.profile("{ network: { allow: [{ socket: packet }, { socket: mptcp }] } }");
    let named = [
        [libc::AF_PACKET, RAW, 0],
        [libc::AF_PACKET, DGRAM, 0],
        [libc::AF_INET, STREAM, libc::IPPROTO_MPTCP],
        [libc::AF_INET6, STREAM, libc::IPPROTO_MPTCP],
    ];
    let others = [[libc::AF_INET, RAW, libc::IPPROTO_RAW], [libc::AF_VSOCK, STREAM, 0]];
    place.each(&profile, &attempts("call", &named)).all(0);
    place.each(&profile, &attempts("call", &others)).all(DENIED);
}
