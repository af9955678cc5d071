// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Questions for names: whatever server a task of a run addresses, the packet goes to the run's resolver.
//!
//! The LSM hooks run first and see the address that was asked for; here it is replaced, and on the way back the
//! resolver's is replaced by it.

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::cgroup_sock_addr, programs::SockAddrContext};
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};
use enforcer_common::{
    address::Protocol,
    lookup::{Asker, DNS, Port},
    run::Label,
};

use super::{AF_INET, AF_INET6, tag::Tag};
use crate::{
    maps::{ASKERS, run},
    subject::label,
};

/// The call goes on, with the address as it is then.
const PASS: i32 = 1;
/// It fails with EPERM.
const REFUSE: i32 = 0;

/// 127.0.0.1, and the last word of ::1, in network order.
const LOOPBACK4: u32 = 0x7f00_0001_u32.to_be();
const LOOPBACK6: u32 = 1_u32.to_be();
/// The third word of an IPv4-mapped address.
const MAPPED: u32 = 0xffff_u32.to_be();

#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    there(&ctx, AF_INET, false)
}

#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    there(&ctx, AF_INET6, false)
}

#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    there(&ctx, AF_INET, true)
}

#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    there(&ctx, AF_INET6, true)
}

#[cgroup_sock_addr(recvmsg4)]
pub fn recvmsg4(ctx: SockAddrContext) -> i32 {
    back(&ctx, AF_INET);
    PASS
}

#[cgroup_sock_addr(recvmsg6)]
pub fn recvmsg6(ctx: SockAddrContext) -> i32 {
    back(&ctx, AF_INET6);
    PASS
}

#[cgroup_sock_addr(getpeername4)]
pub fn getpeername4(ctx: SockAddrContext) -> i32 {
    back(&ctx, AF_INET);
    PASS
}

#[cgroup_sock_addr(getpeername6)]
pub fn getpeername6(ctx: SockAddrContext) -> i32 {
    back(&ctx, AF_INET6);
    PASS
}

/// Reads a field of the context: the verifier allows nothing wider or narrower.
macro_rules! get {
    ($ctx:expr, $($field:tt)+) => {
        // SAFETY: a field of the context.
        unsafe { read_volatile(addr_of!((*$ctx.sock_addr).$($field)+)) }
    };
}

/// Writes a field of the context.
macro_rules! set {
    ($ctx:expr, $($field:tt)+) => {
        // SAFETY: a field of the context that the program may write.
        |value: u32| unsafe { write_volatile(addr_of_mut!((*$ctx.sock_addr).$($field)+), value) }
    };
}

/// Replaces a name server's address by the resolver's.
#[inline(always)]
fn there(ctx: &SockAddrContext, family: u16, sends: bool) -> i32 {
    let port = get!(ctx, user_port);
    if port != u32::from(DNS.to_be()) {
        return PASS;
    }
    let Some(label) = label() else {
        return PASS;
    };
    let Some(resolver) = run(label.run).map(|run| run.resolver) else {
        return REFUSE;
    };
    // SAFETY: the socket of the context.
    let sock = unsafe { read_volatile(addr_of!((*ctx.sock_addr).__bindgen_anon_1.sk)) };
    if sock.is_null() {
        return REFUSE;
    }
    let Some(tag) = Tag::make(sock.cast()) else {
        return REFUSE; // Its owner could not tell the resolver's answers from a stranger's.
    };
    (tag.resolver, tag.port) = (resolver, port);
    if family == AF_INET {
        // In the form that the socket hears of it, should it speak IPv6.
        tag.address = [0, 0, MAPPED, get!(ctx, user_ip4)];
        set!(ctx, user_ip4)(LOOPBACK4);
    } else {
        let address =
            [get!(ctx, user_ip6[0]), get!(ctx, user_ip6[1]), get!(ctx, user_ip6[2]), get!(ctx, user_ip6[3])];
        tag.address = address;
        // A socket that speaks IPv4 by way of IPv6 goes on to do so.
        let mapped = address[0] == 0 && address[1] == 0 && address[2] == MAPPED;
        set!(ctx, user_ip6[0])(0);
        set!(ctx, user_ip6[1])(0);
        set!(ctx, user_ip6[2])(if mapped { MAPPED } else { 0 });
        set!(ctx, user_ip6[3])(if mapped { LOOPBACK4 } else { LOOPBACK6 });
    }
    set!(ctx, user_port)(u32::from((resolver as u16).to_be()));
    if sends {
        // SAFETY: checked for null; without a connection only datagrams are sent.
        let own = unsafe { read_volatile(addr_of!((*sock).src_port)) };
        asked(label, Protocol::Udp, own as u16);
    }
    PASS
}

/// Replaces the resolver's address by that of the name server which was asked.
#[inline(always)]
fn back(ctx: &SockAddrContext, family: u16) {
    // SAFETY: the socket of the context.
    let sock = unsafe { read_volatile(addr_of!((*ctx.sock_addr).__bindgen_anon_1.sk)) };
    if sock.is_null() {
        return;
    }
    let Some(tag) = Tag::get(sock.cast()) else {
        return;
    };
    let from = get!(ctx, user_port);
    if tag.resolver == 0 || from != u32::from((tag.resolver as u16).to_be()) {
        return;
    }
    if family == AF_INET {
        if get!(ctx, user_ip4) != LOOPBACK4 {
            return;
        }
        set!(ctx, user_ip4)(tag.address[3]);
    } else {
        let last = get!(ctx, user_ip6[3]);
        if get!(ctx, user_ip6[0]) != 0 || !(last == LOOPBACK4 || last == LOOPBACK6) {
            return;
        }
        set!(ctx, user_ip6[0])(tag.address[0]);
        set!(ctx, user_ip6[1])(tag.address[1]);
        set!(ctx, user_ip6[2])(tag.address[2]);
        set!(ctx, user_ip6[3])(tag.address[3]);
    }
    set!(ctx, user_port)(tag.port);
}

/// Tells the resolver whose port it is. If there is no memory for that, it will not answer.
#[inline(always)]
pub(super) fn asked(label: &Label, protocol: Protocol, number: u16) {
    let id = bpf_get_current_pid_tgid();
    let asker = Asker {
        image: label.image,
        run: label.run,
        tgid: (id >> 32) as u32,
        tid: id as u32,
        stage: u32::from(label.stage),
    };
    let _ = ASKERS.insert(&Port { number, protocol: [protocol.letter(), 0] }, &asker, 0);
}
