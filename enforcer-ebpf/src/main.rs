// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The kernel programs: each hook fetches its facts from kernel objects, asks
//! [`enforcer_common::decide()`], answers, and only then tells the agent.
//!
//! The programs are not sleepable LSM programs, so each runs to its end on one CPU, though another task may preempt
//! it there. Nothing that decides hangs on a tracing program: those are skipped under preemption.

#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![allow(unreachable_pub, reason = "the programs must be visible to the linker")]

mod argv;
mod atomic;
mod attach;
mod budget;
mod charge;
mod enrol;
mod escape;
mod exec;
mod file;
mod inner;
mod latency;
mod lineage;
mod maps;
mod members;
mod net;
mod offsets;
mod scratch;
mod select;
mod space;
mod subject;
mod visit;

/// The kernel accepts LSM programs under a GPL-compatible licence only.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
pub static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}
