// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the kernel programs tell the agent.

/// A verdict, followed in the ring buffer by `text_len` bytes of the text that was judged.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Event {
    /// Nanoseconds since boot, suspend included.
    pub time: u64,
    /// The program image of the task (see [`ImagePart::image`]).
    pub image: u64,
    /// The run.
    pub run: u32,
    /// The process, as the initial pid namespace numbers it.
    pub tgid: u32,
    /// The thread.
    pub tid: u32,
    /// The rule that decided, or 0.
    pub rule: u16,
    /// Bytes of text that follow.
    pub text_len: u16,
    /// [`crate::Kind`].
    pub kind: u8,
    /// [`crate::Verdict`].
    pub verdict: u8,
    /// [`crate::Reason`].
    pub reason: u8,
    /// The stage that the task was in.
    pub stage: u8,
    /// The exception that was used, or 0.
    pub exception: u16,
    /// Of an exec: how many checks of the same exec came before. A script's interpreter is checked after the script.
    pub step: u16,
}

/// A part of what an exec loaded, followed in the ring buffer by `len` bytes. The program's path comes first, then
/// its arguments and environment, NUL after each, in as many parts as they need.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ImagePart {
    /// Nanoseconds since boot, suspend included.
    pub time: u64,
    /// The number of this exec: unique while the machine is up.
    pub image: u64,
    /// The image that did the exec, or 0.
    pub parent: u64,
    /// The run.
    pub run: u32,
    /// The process.
    pub tgid: u32,
    /// How many of the strings are arguments.
    pub argc: u32,
    /// Where these bytes belong among the strings. [`ImagePart::PATH`] says that they are the path.
    pub offset: u32,
    /// Bytes that follow.
    pub len: u32,
    /// All bytes of the strings.
    pub total: u32,
    /// The stage after the exec.
    pub stage: u8,
    /// Always 0.
    pub reserved: [u8; 7],
}

impl ImagePart {
    /// The offset that says: this is the path.
    pub const PATH: u32 = u32::MAX;
    /// Bytes of strings in one part.
    pub const BYTES: usize = 2048;
    /// Parts that an exec may send; what is longer is cut, and `total` tells.
    pub const PARTS: usize = 64;
}

const _: () = assert!(size_of::<Event>() == 40 && size_of::<ImagePart>() == 56);
