// SPDX-License-Identifier: MIT OR Apache-2.0

//! Charges a run for what userspace refused it.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use enforcer_common::lookup::{Asker, Charge};

use super::sys;

/// Counts refused lookups where the kernel counts all denials.
#[derive(Debug)]
pub struct Charger {
    pub(super) program: OwnedFd,
}

impl Charger {
    /// Counts a refused lookup. One too many trips the run, as any denial does.
    ///
    /// # Errors
    ///
    /// The kernel's error: no memory.
    pub fn refused(&self, asker: &Asker) -> io::Result<()> {
        let charge = Charge { run: asker.run.into(), image: asker.image };
        sys::run_program(self.program.as_raw_fd(), &charge).map(drop)
    }
}
