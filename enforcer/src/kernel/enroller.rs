// SPDX-License-Identifier: MIT OR Apache-2.0

//! Puts the calling task under a run.

use std::{io, os::fd::RawFd};

use enforcer_common::run::Enrolment;

use super::sys;

/// Enrols the task that calls it. Made for `Command::pre_exec`: it only makes a system call.
#[derive(Clone, Copy, Debug)]
pub struct Enroller {
    pub(super) program: RawFd,
    pub(super) run: u32,
}

impl Enroller {
    /// Labels the calling task; from here on it and everything that descends from it are held to the profile.
    ///
    /// # Errors
    ///
    /// The kernel's error: no privileges, no room for another label, or it has one (`EEXIST`).
    pub fn enrol(&self, stage: u8, flags: u8) -> io::Result<()> {
        let enrolment = Enrolment { run: self.run.into(), stage: stage.into(), flags: flags.into() };
        match sys::run_program(self.program, &enrolment)? {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error as i32)),
        }
    }
}
