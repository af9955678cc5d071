// SPDX-License-Identifier: MIT OR Apache-2.0

//! Execs that are under way: which checks belong to the exec that loaded a program.

use std::collections::HashMap;

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
        allowed: bool,
        leads_to: Option<u8>,
    ) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let attempts = self.0.entry((image, pid)).or_default();
        let before = attempts.iter().position(|attempt| attempt.tid == tid).map(|at| attempts.remove(at));
        let before = before.filter(|_| step > 0);
        attempts.push(Attempt {
            tid,
            last: file.into(),
            leads_to: leads_to.or(before.as_ref().and_then(|before| before.leads_to)),
            denied: !allowed || before.is_some_and(|before| before.denied),
        });
    }

    /// The exec that loaded a program.
    pub(super) fn loaded(&mut self, image: u32, pid: u32, program: &[u8]) -> Option<Attempt> {
        let attempts = self.0.remove(&(image, pid))?;
        attempts.into_iter().rev().find(|attempt| *attempt.last == *program)
    }
}
