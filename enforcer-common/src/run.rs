// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run, and the label that makes a task part of it.

use crate::{
    anchor::Anchors,
    budget::{BUDGETS, Budget},
};

/// Tasks that may be in runs at a time.
pub const TASKS: u32 = 1 << 16;
/// Runs that may be under way at a time, on one machine. A power of two.
pub const RUNS: u32 = 512;
/// The first place that the kernel gives to what it enrols itself. Those before are given by wrappers.
pub const ENROLLED: u32 = 256;
/// Different compiled profiles that may be loaded at a time.
pub const PROFILES: u32 = 64;

/// Tasks that a run may have at a time: so that one alone does not take the labels of all.
pub const TASKS_OF_RUN: u64 = TASKS as u64 / 8;

/// The place of a run in the maps that have one for each. The rest of its number tells it from those that had the place
/// before.
#[inline(always)]
#[must_use]
pub const fn place(run: u32) -> u32 {
    run & (RUNS - 1)
}

/// The stage of the start-up probe: everything is denied in it. Not a stage of any profile.
pub const STAGE_PROBE: u8 = 0xff;
/// [`Label::pending`] when the exec under way does not change the stage.
pub const NO_STAGE: u8 = 0xfe;

/// What makes a task part of a run. Copied to every child and thread before it first runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Label {
    /// The run's number; see [`place`].
    pub run: u32,
    /// The stage of the profile that the task is in.
    pub stage: u8,
    /// The stage that the exec under way leads to, or [`NO_STAGE`].
    pub pending: u8,
    /// [`Label::ENTRY`], and [`Label::ARGUMENTS`] of the file that the exec under way is about.
    pub flags: u8,
    /// How many checks the exec under way, or the last one, has had.
    pub checks: u8,
    /// The program image that the task runs: the number of the exec that loaded it.
    pub image: u64,
    /// The stage that this file leads to if it is a script, or [`NO_STAGE`]; where [`Label::ARGUMENTS`] is set.
    pub script: u8,
    /// Always 0.
    pub reserved: [u8; 7],
}

impl Label {
    /// The next exec is the command that the operator named: it is allowed and starts the run.
    pub const ENTRY: u8 = 1;
    /// Its arguments are to be judged.
    pub const ARGUMENTS: u8 = 2;
    /// They are, and it is no script.
    pub const REQUIRED: u8 = 4;

    /// That of a task which comes into a run and has executed nothing in it.
    #[inline(always)]
    #[must_use]
    pub const fn new(run: u32, stage: u8, flags: u8) -> Self {
        let (pending, script) = (NO_STAGE, NO_STAGE);
        Self { run, stage, pending, flags, checks: 0, script, image: 0, reserved: [0; 7] }
    }
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
    /// [`Run::KILL`], [`Run::FREEZE`], [`Run::RECORD`] and [`Run::ENCRYPTED_HELLO`].
    pub flags: u32,
    /// The port of the loopback that its questions to name servers go to instead.
    pub resolver: u32,
    /// Its number: a label that says another is of a run that is over.
    pub id: u32,
    /// The place of its compiled profile, which other runs may share.
    pub profile: u32,
    /// The process that the kernel enrolled, and its user; 0 in a wrapper's run.
    pub leader: u32,
    /// As above.
    pub uid: u32,
    /// The process that asked the service for it, and whose child was enrolled; 0 if nobody asked.
    pub claimant: u32,
    /// [`Run::TAKEN`] as long as the place is; before that the kernel has it [`Run::TAKING`]; otherwise 0.
    pub live: u64,
    /// What tells its compiled profile from others: a SHA-256 digest.
    pub digest: [u8; 32],
    /// How much it may do, by [`Budget`]; [`crate::budget::UNLIMITED`] where nothing is said.
    pub limits: [u64; BUDGETS],
    /// The values of the profile's variables.
    pub anchors: Anchors,
}

impl Run {
    /// There is a run at the place.
    pub const TAKEN: u64 = 1;
    /// The kernel is about to begin one there: nothing of it can be seen, and it is not to be given back.
    pub const TAKING: u64 = 2;

    /// A process whose action is denied is killed.
    pub const KILL: u32 = 1;
    /// When the run is tripped its processes are stopped instead of killed.
    pub const FREEZE: u32 = 2;
    /// What is allowed has an event, too.
    pub const RECORD: u32 = 4;
    /// A TLS hello may have an encrypted one within.
    pub const ENCRYPTED_HELLO: u32 = 8;
    /// It is counted how long decisions take.
    pub const TIMED: u32 = 16;

    /// The limit of a budget.
    #[inline(always)]
    #[must_use]
    pub const fn limit(&self, budget: Budget) -> u64 {
        self.limits[budget as usize]
    }
}

/// What the kernel counts for a run. Every field only grows, but for `tasks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counters {
    /// Tasks that carry the run's label now.
    pub tasks: u64,
    /// Verdicts made, by [`crate::Kind`]. Of lookups, which are not decided here, only those that were refused.
    pub decided: [u64; crate::table::KINDS],
    /// Denials (or, in audit mode, would-be denials) by [`crate::Kind`].
    pub denied: [u64; crate::table::KINDS],
    /// Denials whose event found the ring buffer full.
    pub lost_events: u64,
    /// Program images whose record found the ring buffer full.
    pub lost_images: u64,
    /// Children that could not be labelled and were therefore not created.
    pub refused_forks: u64,
    /// What was spent, by [`Budget`]; only what has a limit is counted.
    pub spent: [u64; BUDGETS],
    /// The [`Budget`] that the run was tripped by, plus one; 0 as long as it is not.
    pub tripped: u64,
    /// The program image of the task that tripped it.
    pub tripped_by: u64,
    /// What was attempted, and refused, since.
    pub refused_since: u64,
}

impl Counters {
    /// Verdicts made.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.decided.iter().sum()
    }
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

const _: () =
    assert!(size_of::<Label>() == 24 && size_of::<Run>() == 72 + 8 * BUDGETS + size_of::<Anchors>());
const _: () = assert!(size_of::<Counters>() == 8 * (7 + 2 * crate::table::KINDS + BUDGETS));
