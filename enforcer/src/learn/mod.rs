// SPDX-License-Identifier: MIT OR Apache-2.0

//! The smallest readable profile that recorded runs need.
//!
//! Recordings are read several times, so memory does not grow with them. First it is found out what kind of runs they are
//! and in which stages their programs were ([`survey`]). A profile that has these stages and allows next to nothing, or the
//! one that is built on, is then asked about every event, by `decide()` as in replay: what it denies is what is lacking
//! ([`lacks`]). That becomes rules ([`rules`]), by the generalisation of [`crate::behaviour`]; and what comes of it is asked
//! in turn, so that what is written is known to suffice. Where it does not, what is still lacking is added as it is.

mod budgets;
mod directories;
mod globs;
mod lacks;
mod named;
mod rules;
mod stages;
mod survey;
#[cfg(test)]
mod tests;
mod tidy;
mod who;
mod write;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rayon::prelude::*;

pub use lacks::Never;
pub use survey::Facts;

use self::{
    lacks::{Asked, Lacks},
    named::NamedSets,
    rules::Model,
    survey::Survey,
};
use crate::{
    profile::{self, Compiled, Text},
    recording::Fault,
};

/// How often what is written is asked, at most.
const ROUNDS: usize = 3;

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The name of the profile.
    pub name: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The profile to build on, as `extends` is to name it, and as it is found.
    pub base: Option<(String, String)>,
    /// Where the profile will be.
    pub directory: PathBuf,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Recordings that cannot be read.
    #[error("recordings cannot be read")]
    Recordings(Vec<(PathBuf, Fault)>),
    /// The base has errors; or what was learnt is too much for one profile.
    #[error(transparent)]
    Profile(#[from] profile::Error),
    /// There is too much in the recordings.
    #[error("the recordings have more than {0} different actions: learn from fewer at a time")]
    TooMuch(usize),
    /// There are too many stages in the recordings.
    #[error("the recordings have {0} stages, and a profile at most {max}", max = enforcer_common::table::STAGES)]
    Stages(usize),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Learnt {
    /// The profile.
    pub text: String,
    /// The same, compiled.
    pub profile: Compiled,
    /// What it was learnt from.
    pub facts: Facts,
    /// The rules that were learnt.
    pub rules: usize,
    /// What was not learnt, and how often it occurs.
    pub never: BTreeMap<Never, u64>,
    /// Events of processes whose stage nobody can know.
    pub undecided: u64,
    /// Actions that the profile lacks all the same.
    pub lacking: usize,
}

/// Learns. `tick` is called whenever a recording was read; each is read at most [`readings`] times.
///
/// # Errors
///
/// Why there is no profile.
pub fn learn(files: &[PathBuf], options: &Options, tick: &(dyn Fn() + Sync)) -> Result<Learnt, Error> {
    let sets = NamedSets::new()?;
    let survey = all(files, tick, |path| Survey::read(path, &sets), Survey::and)?;
    if survey.is_full() {
        return Err(Error::TooMuch(survey::MOST));
    }
    let base = options.base.as_ref().map(|(_, base)| profile::load(base)).transpose()?;
    let stages = stages::Stages::new(&survey, &sets, base.as_ref())?;
    let shipped = stages::shipped(&survey)?;
    let mut model = Model::new(stages, base.as_ref());
    let skeleton = write::skeleton(&model, options);
    let mut profile = Compiled::new(&text(options, skeleton))?;
    let mut written = None;
    for round in 0..=ROUNDS {
        let asked = Asked {
            profile: &profile,
            base: base.is_some(),
            sets: &sets,
            shipped: &shipped,
            exact: round > 0,
        };
        let lacks = all(files, tick, |path| lacks::read(path, &asked), Lacks::and)?;
        if lacks.is_full() {
            return Err(Error::TooMuch(lacks::MOST));
        }
        let done = lacks.needs.is_empty() || round == ROUNDS;
        if let (true, Some((text, rules))) = (done, written.take()) {
            return Ok(Learnt {
                text,
                profile,
                rules,
                never: lacks.never,
                undecided: lacks.undecided,
                lacking: lacks.needs.len(),
                facts: survey.facts,
            });
        }
        model.add(lacks.needs);
        let (text, compiled, rules) = tidy::tidy(&model, &sets, options, &survey)?;
        profile = compiled;
        written = Some((text, rules));
    }
    // The last round has returned.
    Err(Error::TooMuch(ROUNDS))
}

/// How often each recording is read, at most.
#[must_use]
pub const fn readings() -> usize {
    ROUNDS + 2
}

/// Reads all recordings, as many at a time as there are processors.
fn all<T: Default + Send>(
    files: &[PathBuf],
    tick: &(dyn Fn() + Sync),
    read: impl Fn(&Path) -> Result<T, Fault> + Sync,
    and: impl Fn(T, T) -> T + Sync + Send,
) -> Result<T, Error> {
    let each = |path: &PathBuf| {
        let result = read(path).map_err(|fault| vec![(path.clone(), fault)]);
        tick();
        result
    };
    let join = |one: Result<T, Vec<_>>, other: Result<T, Vec<_>>| match (one, other) {
        (Ok(one), Ok(other)) => Ok(and(one, other)),
        (Err(mut faults), Err(more)) => {
            faults.extend(more);
            Err(faults)
        }
        (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(faults),
    };
    files.par_iter().map(each).reduce(|| Ok(T::default()), join).map_err(Error::Recordings)
}

/// The profile as a text, which is where it will be.
fn text(options: &Options, text: String) -> Arc<Text> {
    let name = format!("{}.yaml", options.name);
    Text::of_file(&name, text, &options.directory.join(&name))
}
