// SPDX-License-Identifier: MIT OR Apache-2.0

//! Execs that are under way: which checks belong to the exec that loaded a program.

use std::collections::HashMap;

use enforcer_common::{Arguments, Decision};

use crate::profile::leads_to;

/// Processes with execs that came to nothing so far. Beyond that the oldest are nobody's.
const MOST: usize = 1 << 16;

/// The execs of all processes, by image and process.
#[derive(Debug, Default)]
pub(super) struct Attempts(HashMap<(u32, u32), Vec<Attempt>>);

/// An exec.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    tid: u32,
    /// The file that was checked last: at the end it is the program.
    last: Box<[u8]>,
    /// The stage that it leads to, if it leads to another.
    pub(super) leads_to: Option<u8>,
    /// Whether its arguments are still to be judged.
    pub(super) arguments: bool,
    /// The stage that it leads to instead if the file is a script, whose arguments are judged as the interpreter's.
    script: Option<u8>,
    /// Whether one of its checks was denied.
    pub(super) denied: bool,
}

impl Attempts {
    /// A check of an exec.
    pub(super) fn check(
        &mut self,
        image: u32,
        (pid, tid): (u32, u32),
        step: u16,
        file: &[u8],
        decision: &Decision,
    ) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let attempts = self.0.entry((image, pid)).or_default();
        let before = attempts.iter().position(|attempt| attempt.tid == tid).map(|at| attempts.remove(at));
        let before = before.filter(|_| step > 0);
        let (led, denied) =
            before.map_or((None, false), |before| (before.script.or(before.leads_to), before.denied));
        let next = leads_to(decision);
        let arguments = decision.arguments != Arguments::Ignored;
        attempts.push(Attempt {
            tid,
            last: file.into(),
            leads_to: if arguments { led } else { next.or(led) },
            arguments,
            script: next.filter(|_| arguments),
            denied: denied || !decision.allows(),
        });
    }

    /// The arguments of an exec whose file was the last that was checked.
    pub(super) fn arguments(&mut self, image: u32, (pid, tid): (u32, u32), decision: &Decision) {
        let attempts = self.0.entry((image, pid)).or_default();
        if let Some(attempt) = attempts.iter_mut().find(|attempt| attempt.tid == tid) {
            attempt.arguments = false;
            attempt.leads_to = leads_to(decision).or(attempt.leads_to);
            attempt.denied |= !decision.allows();
        }
    }

    /// The exec that loaded a program.
    pub(super) fn loaded(&mut self, image: u32, pid: u32, program: &[u8]) -> Option<Attempt> {
        let attempts = self.0.remove(&(image, pid))?;
        attempts.into_iter().rev().find(|attempt| *attempt.last == *program)
    }
}
