// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Packets that leave.

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::generated::{bpf_probe_read_kernel, bpf_skb_load_bytes},
};
use core::{
    ffi::c_void,
    ptr::{addr_of, read_volatile},
};

use super::hello::Gate;
use crate::offsets::offset;

/// TCP, as a protocol of IP.
const TCP: u8 = 6;
/// The flag of the first segment, in the header's byte 13.
const SYN: u8 = 2;
/// `SKBFL_SHARED_FRAG`, `linux/skbuff.h`: others may write to the packet's memory.
const SHARED_FRAG: u8 = 2;

/// Copies bytes of a packet. False if it has not as many.
#[inline(always)]
pub(super) fn load<const LEN: usize>(skb: *mut c_void, at: u32, bytes: &mut [u8; LEN]) -> bool {
    // SAFETY: the destination has the size that is read; the helper checks the source.
    unsafe { bpf_skb_load_bytes(skb.cast_const(), at, bytes.as_mut_ptr().cast(), LEN as u32) == 0 }
}

/// Reads the headers of a packet of TCP: where its bytes begin and end, and their number in the stream. False if that
/// cannot be said, as with extensions of IPv6 between the headers.
#[inline(always)]
pub(super) fn read(skb: *mut c_void, gate: &mut Gate) -> bool {
    let (mut ip, mut tcp) = ([0; 10], [0; 14]);
    if !load(skb, 0, &mut ip) {
        return false;
    }
    let (head, protocol) = match ip[0] >> 4 {
        4 => (u32::from(ip[0] & 15) * 4, ip[9]),
        _ => (40, ip[6]),
    };
    if protocol != TCP || !load(skb, head, &mut tcp) {
        return false;
    }
    // SAFETY: a field of the context.
    gate.end = unsafe { read_volatile(addr_of!((*skb.cast::<__sk_buff>()).len)) };
    gate.at = head + u32::from(tcp[12] >> 4) * 4;
    gate.syn = u32::from(tcp[13] & SYN);
    gate.sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
    if gate.syn != 0 {
        gate.sequence = gate.sequence.wrapping_add(1); // It takes a number, before those of the bytes.
    }
    gate.at <= gate.end
}

/// Whether memory of the packet is lent: a file's, a pipe's or a process's own, which can change it until it has left.
#[inline(always)]
pub(super) fn is_lent(skb: *mut c_void) -> bool {
    let skb = skb.cast::<u8>();
    let (mut head, mut end, mut flags) = (0_u64, 0_u32, SHARED_FRAG);
    // SAFETY: the destinations have the sizes that are read; the helper checks the sources. What cannot be read is
    // taken for lent.
    unsafe {
        bpf_probe_read_kernel((&raw mut head).cast(), 8, skb.add(offset!(skb_head)).cast());
        bpf_probe_read_kernel((&raw mut end).cast(), 4, skb.add(offset!(skb_end)).cast());
        let shared = head.wrapping_add(u64::from(end)).wrapping_add(offset!(skb_flags) as u64);
        if bpf_probe_read_kernel((&raw mut flags).cast(), 1, shared as *const c_void) != 0 {
            return true;
        }
    }
    flags & SHARED_FRAG != 0
}
