// SPDX-License-Identifier: MIT OR Apache-2.0

//! What kind of runs were recorded: which stages their programs were in and how they came there, and how much they did.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use enforcer_common::{Budget, Kind, Reason, Verdict, budget::FILES_MAX};

use super::{
    globs,
    named::NamedSets,
    who::{self, Who},
};
use crate::{
    behaviour::general::Places,
    recording::{
        Fault, Reader, Record,
        format::{Header, Image},
    },
    report::{escape::escape, json::Text},
};

/// Different execs that are kept.
pub(super) const MOST: usize = 1 << 18;
/// Processes with execs under way that are kept, and checks of each.
const UNDER_WAY: (usize, usize) = (1 << 16, 64);
/// Longest command that is shown, in characters.
const COMMAND: usize = 60;

/// The stage of a program in its recording.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// The one that runs start in.
    First,
    /// Another one.
    Named(String),
}

/// Programs that are checked to load one, the last of which it is: as rules name them.
pub(super) type Chain = Vec<String>;

/// What recordings say about themselves.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How many there are.
    pub recordings: u64,
    /// Their events.
    pub events: u64,
    /// Events that were denied, or in audit mode would have been.
    pub denied: u64,
    /// Events that they lost.
    pub lost: u64,
    /// Those that were cut off.
    pub cut: BTreeSet<PathBuf>,
    /// What was run.
    pub commands: BTreeSet<String>,
    /// The profiles that they were made under.
    pub profiles: BTreeSet<String>,
    /// The days on which they were made.
    pub days: BTreeSet<String>,
    /// The most that one of them did, by [`Budget`].
    pub most: [u64; Budget::ALL.len()],
    /// Whether packages had scripts.
    pub packages: bool,
}

/// What was found out about recordings.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    pub(super) facts: Facts,
    /// Shipped profiles for the commands.
    pub(super) shipped: BTreeSet<&'static str>,
    /// The programs that are the commands.
    pub(super) programs: BTreeSet<String>,
    /// Names of the stages that runs start in, where their profiles have more than one.
    pub(super) first: BTreeSet<String>,
    /// What leads from stage to stage, or does not, and for whom.
    pub(super) execs: BTreeMap<(Label, Chain, Label), Who>,
    /// The sets that all programs of a glob are in.
    pub(super) sets: BTreeMap<String, u32>,
}

impl Survey {
    /// Looks at a recording.
    pub(super) fn read(path: &Path, sets: &NamedSets) -> Result<Self, Fault> {
        let mut reader = Reader::open(path)?;
        let mut one = One::new(reader.header(), sets);
        while let Some(record) = reader.read()? {
            match record {
                Record::Image(image) => one.image(&image),
                Record::Led(_) => {}
                Record::Event(event, words) => {
                    one.out.facts.events += 1;
                    one.pids.insert(event.pid);
                    let happened = words.verdict != Verdict::Deny;
                    one.out.facts.denied += u64::from(words.verdict != Verdict::Allow);
                    match words.kind {
                        Kind::Exec => {
                            one.check(event.image, (event.pid, event.tid), event.step, &words.text, happened);
                        }
                        Kind::Read if happened => one.opened(Budget::FilesRead, &words.text),
                        Kind::Write if happened => one.opened(Budget::FilesWritten, &words.text),
                        Kind::Connect if happened && words.reason != Reason::Resolver => {
                            one.out.facts.most[Budget::Connections as usize] += 1;
                        }
                        _ => {}
                    }
                }
                Record::Trailer(trailer) => {
                    one.out.facts.lost += trailer.lost_events + trailer.lost_images;
                    for (budget, spent) in Budget::ALL.iter().zip(&mut one.out.facts.most) {
                        let counted = trailer.budgets.get(budget.name()).map_or(0, |spent| spent.spent);
                        *spent = (*spent).max(counted);
                    }
                }
            }
        }
        let mut out = one.finish();
        if reader.is_cut() {
            out.facts.cut.insert(path.to_owned());
        }
        Ok(out)
    }

    /// Both together.
    pub(super) fn and(mut self, other: Self) -> Self {
        let (facts, more) = (&mut self.facts, other.facts);
        facts.recordings += more.recordings;
        facts.events += more.events;
        facts.denied += more.denied;
        facts.lost += more.lost;
        facts.cut.extend(more.cut);
        facts.commands.extend(more.commands);
        facts.profiles.extend(more.profiles);
        facts.days.extend(more.days);
        facts.packages |= more.packages;
        for (most, more) in facts.most.iter_mut().zip(more.most) {
            *most = (*most).max(more);
        }
        self.shipped.extend(other.shipped);
        self.programs.extend(other.programs);
        self.first.extend(other.first);
        for (exec, who) in other.execs {
            self.execs.entry(exec).or_default().add(who);
        }
        for (glob, mask) in other.sets {
            self.sets.entry(glob).and_modify(|known| *known &= mask).or_insert(mask);
        }
        self
    }

    pub(super) fn is_full(&self) -> bool {
        self.execs.len() >= MOST
    }
}

/// A thread, and what was checked of the exec that it has under way.
type Checks = (u32, Vec<Vec<u8>>);

/// A recording that is looked at.
struct One<'s> {
    out: Survey,
    sets: &'s NamedSets,
    anchors: enforcer_common::anchor::Anchors,
    places: Places,
    /// Whether its stages are those of a profile, and not to be told from who acts.
    staged: bool,
    /// By the numbers of the images: the stage, and the directory of the package.
    images: Vec<(Label, Option<Vec<u8>>)>,
    /// Checks of execs that have loaded no program yet, by image, process and thread.
    under_way: HashMap<(u32, u32), Vec<Checks>>,
    pids: HashSet<u32>,
    files: HashSet<u64>,
}

impl<'s> One<'s> {
    fn new(header: &Header, sets: &'s NamedSets) -> Self {
        let mut out = Survey::default();
        let shown = |text: &Text| escape(&text.bytes().unwrap_or_default());
        let command: Vec<String> = header.command.iter().map(shown).collect();
        let command = command.join(" ");
        out.facts.recordings = 1;
        out.facts.commands.insert(command.chars().take(COMMAND).collect());
        out.facts.profiles.insert(escape(header.profile.name.as_bytes()));
        out.facts.days.insert(escape(header.started.chars().take(10).collect::<String>().as_bytes()));
        let words = super::stages::words(header);
        out.shipped.extend(crate::run::choose::by_command(&words));
        let program = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        out.programs.insert(program.rsplit('/').next().unwrap_or_default().to_owned());
        let stages = &header.profile.stages;
        let staged = stages.len() > 1 && stages.iter().all(|stage| super::stages::is_name(stage));
        out.first.extend(stages.first().filter(|_| staged).cloned());
        Self {
            out,
            sets,
            anchors: sets.anchors(header),
            places: Places::of(header),
            staged,
            images: Vec::new(),
            under_way: HashMap::new(),
            pids: HashSet::new(),
            files: HashSet::new(),
        }
    }

    fn image(&mut self, image: &Image) {
        self.pids.insert(image.pid);
        let parent = image.parent.and_then(|parent| self.images.get(parent as usize - 1)).cloned();
        let from = parent.map(|(label, _)| label);
        let first = self.out.first.first();
        let to = match (&image.package, &from) {
            (_, None) => Label::First,
            (_, Some(from)) if image.lost => from.clone(),
            _ if self.staged && (image.stage.is_empty() || Some(&image.stage) == first) => Label::First,
            _ if self.staged => Label::Named(image.stage.clone()),
            (Some(_), _) => Label::Named(super::stages::SCRIPT.to_owned()),
            (None, Some(from)) => from.clone(),
        };
        self.out.facts.packages |= image.package.is_some();
        let own = globs::own(image);
        let exe = image.exe.as_ref().and_then(Text::bytes).unwrap_or_default();
        let attempts = self.under_way.remove(&(image.parent.unwrap_or(0), image.pid));
        let loaded = |(_, checks): &Checks| checks.last().is_some_and(|last| *last == *exe);
        let found = attempts.into_iter().flatten().rev().find(loaded);
        if let (Some(from), Some((_, checks))) = (from, found)
            && self.out.execs.len() < MOST
        {
            let own = own.as_deref();
            let rule = |program: &Vec<u8>| {
                let glob = globs::glob(&self.places, Kind::Exec, program, own, false)?;
                Some((glob, self.sets.of(program, &self.anchors)))
            };
            let rules: Option<Vec<_>> = checks.iter().map(rule).collect();
            for (glob, mask) in rules.iter().flatten() {
                self.out.sets.entry(glob.clone()).and_modify(|known| *known &= mask).or_insert(*mask);
            }
            let chain = rules.map(|rules| rules.into_iter().map(|(glob, _)| glob).collect());
            let who = Who::of(who::name(image).as_str().into());
            if let Some(chain) = chain {
                self.out.execs.entry((from, chain, to.clone())).or_default().add(who);
            }
        }
        self.images.push((to, own));
    }

    fn check(&mut self, image: u32, (pid, tid): (u32, u32), step: u16, file: &[u8], happened: bool) {
        if self.under_way.len() >= UNDER_WAY.0 {
            self.under_way.clear();
        }
        let attempts = self.under_way.entry((image, pid)).or_default();
        let before = attempts.iter().position(|(of, _)| *of == tid).map(|at| attempts.remove(at).1);
        let mut checks = before.filter(|_| step > 0).unwrap_or_default();
        if happened && checks.len() < UNDER_WAY.1 && attempts.len() < UNDER_WAY.1 {
            checks.push(file.to_vec());
            attempts.push((tid, checks));
        }
    }

    /// Counts different files.
    fn opened(&mut self, budget: Budget, path: &[u8]) {
        let mut hash = DefaultHasher::new();
        (budget as u8, path).hash(&mut hash);
        let most = &mut self.out.facts.most[budget as usize];
        if *most < FILES_MAX && self.files.insert(hash.finish()) {
            *most += 1;
        }
    }

    fn finish(mut self) -> Survey {
        let processes = &mut self.out.facts.most[Budget::Processes as usize];
        *processes = (*processes).max(self.pids.len() as u64);
        self.out
    }
}
