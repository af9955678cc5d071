// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run, and the label that makes a task part of it.

use crate::anchor::Anchors;

/// The stage of the start-up probe: everything is denied in it. Not a stage of any profile.
pub const STAGE_PROBE: u8 = 0xff;
/// [`Label::pending`] when the exec under way does not change the stage.
pub const NO_STAGE: u8 = 0xfe;

/// What makes a task part of a run. Copied to every child and thread before it first runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Label {
    /// The run; an index into the runs map.
    pub run: u32,
    /// The stage of the profile that the task is in.
    pub stage: u8,
    /// The stage that the exec under way leads to, or [`NO_STAGE`].
    pub pending: u8,
    /// [`Label::ENTRY`].
    pub flags: u8,
    /// Always 0.
    pub reserved: u8,
    /// The program image that the task runs: the number of the exec that loaded it.
    pub image: u64,
}

impl Label {
    /// The next exec is the command that the operator named: it is allowed and starts the run.
    pub const ENTRY: u8 = 1;
}

/// Denials are only reported.
pub const MODE_AUDIT: u32 = 0;
/// Denials are made.
pub const MODE_ENFORCE: u32 = 1;

/// What the kernel knows of a run, fixed when the run is set up.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Run {
    /// [`MODE_AUDIT`] or [`MODE_ENFORCE`].
    pub mode: u32,
    /// Always 0.
    pub reserved: u32,
    /// The values of the profile's variables.
    pub anchors: Anchors,
}

/// What the kernel counts for a run. Every field only grows, but for `tasks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// Tasks that carry the run's label now.
    pub tasks: u64,
    /// Verdicts made.
    pub decisions: u64,
    /// Denials (or, in audit mode, would-be denials) by [`crate::Kind`].
    pub denied: [u64; crate::table::KINDS],
    /// Denials whose event found the ring buffer full.
    pub lost_events: u64,
    /// Program images whose record found the ring buffer full.
    pub lost_images: u64,
    /// Children that could not be labelled and were therefore not created.
    pub refused_forks: u64,
}

/// What `enrol` is given: the label for the task that calls it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Enrolment {
    /// The run, as wide as the kernel passes it.
    pub run: u64,
    /// The stage.
    pub stage: u64,
    /// The flags.
    pub flags: u64,
}

const _: () = assert!(size_of::<Label>() == 16 && size_of::<Run>() == 8 + size_of::<Anchors>());
const _: () = assert!(size_of::<Counters>() == 8 * (5 + crate::table::KINDS));
