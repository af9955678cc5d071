// SPDX-License-Identifier: MIT OR Apache-2.0

//! The check that counts: a run is set up, and what it must be denied is attempted in it.

use super::{
    Finding,
    State::{Failed, Ok as Good},
};
use crate::{
    kernel::{Enforcement, Error, Setup},
    profile::{Compiled, Text},
};

/// Its name.
pub(super) const CHECK: &str = "proof";

const PROFILE: &str = "version: 1\nname: doctor\nowner: enforcer\nstages: { only: {} }\n";

/// Sets a run up, proves that it denies, and takes it down again.
pub(super) fn prove() -> Finding {
    let Ok(profile) = Compiled::new(&Text::new("doctor", PROFILE.to_owned())) else {
        return Finding::new(CHECK, Failed, "the profile for it does not compile: the build is broken");
    };
    let attempt = || -> Result<(), Error> {
        let run = Enforcement::start(&profile.table, &Setup::of(&profile, 0))?;
        let proven = run.probe();
        run.finish()?;
        proven
    };
    match attempt() {
        Ok(()) => Finding::new(CHECK, Good, "what a probe in a run attempted was denied, by these programs"),
        Err(error) => Finding::new(CHECK, Failed, error.to_string()),
    }
}
