// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tree of programs.
//!
//! Programs that are executed by the same program, with the same arguments and for the same package, are one here: what
//! is started a hundred times is read once.

use std::collections::HashMap;

use super::actors::Count;
use crate::{
    recording::format::Image,
    report::{escape::escape, target::arguments},
};

/// Programs that are told apart; of others it is only known whose they are.
const MOST: usize = 5000;
/// Levels of the tree. What lies deeper stands on the last one.
const DEEPEST: u16 = 40;
/// Denials that are kept of each program.
const DENIALS: usize = 40;

/// A program, or several that are the same.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The program that executed it.
    pub parent: Option<usize>,
    /// The programs that it executed.
    pub children: Vec<usize>,
    /// Programs above it.
    pub depth: u16,
    /// When it was executed, or the first of them was.
    pub t: i64,
    /// The process.
    pub pid: u32,
    /// The stage that it was executed into.
    pub stage: String,
    /// The last part of its path.
    pub name: String,
    /// Its path.
    pub exe: String,
    /// Its arguments, without its own name, as a shell would take them.
    pub args: String,
    /// For whom it acts.
    pub actor: usize,
    /// What was decided about it.
    pub count: Count,
    /// Denials of it and of all below it.
    pub denied_below: u64,
    /// The numbers of its denials.
    pub denials: Vec<usize>,
    /// How many there are.
    pub times: u64,
    /// Further programs that it executed, which are too many to be told apart.
    pub further: u64,
}

/// Where a program of a recording is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) program: usize,
    pub(super) actor: usize,
    /// Whether it is only the one that executed it.
    pub(super) is_other: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Programs {
    pub(super) list: Vec<Program>,
    /// By the numbers of the images.
    places: Vec<Place>,
    same: HashMap<(Option<usize>, usize, String, String), usize>,
}

impl Programs {
    /// A program was executed.
    pub(super) fn add(&mut self, image: &Image, actor: usize) {
        let mut parent = image.parent.and_then(|parent| self.place(parent)).map(|place| place.program);
        while let Some(at) = parent
            && self.list[at].depth >= DEEPEST
        {
            parent = self.list[at].parent;
        }
        let exe = image.exe.as_ref().map(|exe| escape(&exe.bytes().unwrap_or_default()));
        let exe =
            exe.unwrap_or_else(|| if image.lost { "(its record was lost)" } else { "(unnamed)" }.to_owned());
        let argv: Vec<_> = image.argv.iter().map(|arg| arg.bytes().unwrap_or_default()).collect();
        let mut args = arguments(argv.iter().skip(1).map(AsRef::as_ref)).trim_start().to_owned();
        if image.argv_cut {
            args += " …";
        }
        let key = (parent, actor, exe, args);
        let program = if let Some(&at) = self.same.get(&key) {
            self.list[at].times += 1;
            at
        } else if self.list.len() < MOST {
            let at = self.list.len();
            let (_, _, exe, args) = key.clone();
            self.list.push(Program {
                parent,
                depth: parent.map_or(0, |parent| self.list[parent].depth + 1),
                t: image.t,
                pid: image.pid,
                stage: escape(image.stage.as_bytes()),
                name: exe.rsplit('/').next().unwrap_or_default().to_owned(),
                exe,
                args,
                actor,
                times: 1,
                ..Program::default()
            });
            if let Some(parent) = parent {
                self.list[parent].children.push(at);
            }
            self.same.insert(key, at);
            at
        } else {
            let program = parent.unwrap_or(0);
            self.list[program].further += 1;
            self.places.push(Place { program, actor, is_other: true });
            return;
        };
        self.places.push(Place { program, actor, is_other: false });
    }

    /// Where an image is.
    pub(super) fn place(&self, image: u32) -> Option<Place> {
        self.places.get((image as usize).checked_sub(1)?).copied()
    }

    /// Something was decided about a program.
    pub(super) fn decided(&mut self, place: Place, denied: bool) {
        if let Some(program) = self.list.get_mut(place.program) {
            program.count.add(denied);
        }
    }

    /// It was denied something.
    pub(super) fn refused(&mut self, place: Place, denial: usize) {
        if let Some(program) = self.list.get_mut(place.program)
            && program.denials.len() < DENIALS
            && !program.denials.contains(&denial)
        {
            program.denials.push(denial);
        }
    }

    /// There are no more.
    pub(super) fn finish(mut self) -> Vec<Program> {
        for program in &mut self.list {
            program.denied_below = program.count.denied;
        }
        // Each stands behind its parent.
        for at in (0..self.list.len()).rev() {
            if let Some(parent) = self.list[at].parent {
                self.list[parent].denied_below += self.list[at].denied_below;
            }
        }
        self.list
    }

    /// Programs that are not told apart.
    pub(super) fn further(&self) -> u64 {
        self.list.iter().map(|program| program.further).sum()
    }
}
