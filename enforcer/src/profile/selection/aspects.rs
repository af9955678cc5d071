// SPDX-License-Identifier: MIT OR Apache-2.0

//! The automata of a selection: for each aspect of a command, what its text says of all items at once.

use enforcer_common::{
    Kind,
    argv::SEPARATOR,
    select::{Aspect, ITEMS, Set},
    table::Outcome,
};

use super::{
    super::{
        automaton::{Pattern, Raw, raw_of},
        document::Effect,
        glob::Glob,
        layout::limit,
        minimize::minimize,
        nfa::{Sequence, Step},
        select::Select,
    },
    Error, Sets,
};

/// Any number of arguments.
const ANY: &str = "**";
/// No argument but options.
const END: &str = "$";

/// The automaton of an aspect, and the sets that it names.
#[derive(Debug)]
pub(super) struct Automaton {
    pub(super) small: Raw,
    pub(super) sets: Vec<Set>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Aspects {
    pub(super) automata: Vec<Automaton>,
    pub(super) asks_cgroup: bool,
    /// By item: the conditions that it has, and the variables that they are about.
    conditions: Vec<(Set, Vec<String>)>,
}

/// What a pattern of an automaton says.
#[derive(Clone, Debug)]
enum Says {
    /// One of the things that an item asks of this aspect.
    Item(u32),
    /// A condition is met.
    Condition(u32),
    /// This is the variable with this number; its value begins so many bytes on.
    Variable(u16, u16),
}

impl Aspects {
    /// Of these items, and these variables of profiles.
    pub(super) fn of(selects: &[&Select], variables: &[String]) -> Result<Self, Error> {
        let asking = |texts: fn(&Select) -> Vec<Vec<Sequence>>, kind| {
            let asked: Vec<_> = selects.iter().map(|select| texts(select)).collect();
            items(&asked, kind)
        };
        let mut automata =
            vec![asking(command, Kind::Argv)?, asking(directory, Kind::Read)?, asking(cgroup, Kind::Read)?];
        let mut known: Vec<(&str, &str)> = Vec::new();
        let conditions = selects.iter().map(|select| {
            let mut set = Set::NONE;
            for (name, glob) in &select.env {
                let wanted = (name.as_str(), glob.as_str());
                let index = known.iter().position(|known| *known == wanted).unwrap_or_else(|| {
                    known.push(wanted);
                    known.len() - 1
                });
                if index < ITEMS {
                    set.insert(index as u32);
                }
            }
            (set, select.env.iter().map(|(name, _)| name.clone()).collect())
        });
        let conditions: Vec<_> = conditions.collect();
        limit("different conditions on variables", known.len(), ITEMS)?;
        automata.push(environment(&known, variables)?);
        let asks_cgroup = selects.iter().any(|select| select.cgroup.is_some() || select.unit.is_some());
        Ok(Self { automata, asks_cgroup, conditions })
    }

    /// The conditions of an item.
    pub(super) fn conditions(&self, item: usize) -> Set {
        self.conditions[item].0
    }

    /// Whether a command could fit two items, as far as the automata tell.
    pub(super) fn overlap(&self, first: u32, second: u32) -> bool {
        let both = |automaton: &Automaton| automaton.sets.iter().any(|set| set.has(first) && set.has(second));
        if !self.automata[..Aspect::Variable as usize].iter().all(both) {
            return false;
        }
        // A variable has one value: two conditions on it must be met by one.
        let [(a, names), (b, others)] = [first, second].map(|item| &self.conditions[item as usize]);
        let shared = names.iter().any(|name| others.contains(name));
        !shared || {
            let together = a.or(*b);
            self.automata[Aspect::Variable as usize]
                .sets
                .iter()
                .any(|set| set.and(together) == *set && !set.and(*a).is_empty() && !set.and(*b).is_empty())
        }
    }
}

/// The automaton for what items ask of an aspect: of each the things that must all be true of the text.
fn items(asked: &[Vec<Vec<Sequence>>], kind: Kind) -> Result<Automaton, Error> {
    let mut says = Vec::new();
    let mut texts = Vec::new();
    let mut wanted = vec![0; asked.len()];
    for (index, things) in asked.iter().enumerate() {
        for thing in things {
            wanted[index] += 1;
            says.push(Says::Item(index as u32));
            texts.push(thing.clone());
        }
    }
    build(kind, texts, |matching, sets| {
        let mut found = vec![0; wanted.len()];
        for &pattern in matching {
            if let Says::Item(item) = says[pattern] {
                found[item as usize] += 1;
            }
        }
        let mut set = Set::NONE;
        (0..)
            .zip(found.iter().zip(&wanted))
            .filter(|(_, (found, wanted))| found == wanted)
            .for_each(|(item, _)| set.insert(item));
        Outcome { allow_rule: sets.number(set), ..Outcome::NONE }
    })
}

/// The automaton for variables: conditions on their values, and those that profiles use.
fn environment(conditions: &[(&str, &str)], variables: &[String]) -> Result<Automaton, Error> {
    let mut says = Vec::new();
    let mut texts = Vec::new();
    for (index, (name, glob)) in (0..).zip(conditions) {
        says.push(Says::Condition(index));
        let begin: Sequence = format!("{name}=").bytes().map(Step::Byte).collect();
        texts.push(text(glob).into_iter().map(|value| [begin.clone(), value].concat()).collect());
    }
    for (number, name) in (0..).zip(variables) {
        let begin = format!("{name}=");
        says.push(Says::Variable(number, begin.len() as u16));
        texts.push(vec![begin.bytes().map(Step::Byte).chain([Step::Anything]).collect()]);
    }
    build(Kind::Read, texts, |matching, sets| {
        let mut outcome = Outcome::NONE;
        let mut set = Set::NONE;
        for &pattern in matching {
            match says[pattern] {
                Says::Variable(number, begins) => (outcome.stage, outcome.exception) = (number, begins),
                Says::Condition(index) => set.insert(index),
                Says::Item(_) => {}
            }
        }
        Outcome { allow_rule: sets.number(set), ..outcome }
    })
}

/// An automaton for these texts. What is said of a text that nothing matches is the first set.
fn build(
    kind: Kind,
    texts: Vec<Vec<Sequence>>,
    mut outcome: impl FnMut(&[usize], &mut Sets) -> Outcome,
) -> Result<Automaton, Error> {
    let patterns: Vec<_> = texts.into_iter().map(|texts| Pattern::new(0, Effect::Allow, texts)).collect();
    let mut sets = Sets::default();
    outcome(&[], &mut sets);
    let raw = raw_of(kind, &patterns, |matching| outcome(matching, &mut sets));
    let raw = raw.ok_or(Error::Excess { what: "states", found: usize::MAX, limit: usize::from(u16::MAX) })?;
    Ok(Automaton { small: minimize(&raw), sets: sets.order })
}

/// What an item asks of the command: of its words, and of the program.
fn command(select: &Select) -> Vec<Vec<Sequence>> {
    let mut asked = Vec::new();
    if let Some(glob) = &select.exe
        && let Ok(mut glob) = Glob::parse(glob)
    {
        glob.in_program_directories();
        let whole = |path: Sequence| [path, vec![Step::Arguments]].concat();
        asked.push(glob.sequences(false).into_iter().map(whole).collect());
    }
    if let [first, rest @ ..] = &*select.argv {
        let mut all = program(first);
        let ends = rest.last().is_some_and(|word| word == END);
        for word in rest.iter().map(String::as_str).chain((!ends).then_some(ANY)) {
            if let ANY | END = word {
                let more = if word == ANY { Step::Arguments } else { Step::Options };
                all.iter_mut().for_each(|before| before.push(more.clone()));
                continue;
            }
            let next = text(word);
            let both = |before: &Sequence, next: &Sequence| then(before, next);
            all = all.iter().flat_map(|before| next.iter().map(move |next| both(before, next))).collect();
        }
        asked.push(all);
    }
    asked
}

/// A word behind others, and behind options.
fn then(before: &Sequence, word: &Sequence) -> Sequence {
    [before, &[Step::Options, Step::Byte(SEPARATOR)][..], word].concat()
}

/// The beginnings of a command whose first word is this: the program itself, or a script that an interpreter runs.
fn program(word: &str) -> Vec<Sequence> {
    let typed = names(word);
    let by_interpreter = |name: &Sequence| [&[Step::Interpreter][..], name].concat();
    let direct = |name: &Sequence| match word.contains('/') {
        true => name.clone(),
        false => [&[Step::Byte(b'/'), Step::Directories][..], name].concat(),
    };
    typed.iter().map(direct).chain(typed.iter().map(by_interpreter)).collect()
}

/// What an item asks of the working directory.
fn directory(select: &Select) -> Vec<Vec<Sequence>> {
    select.cwd.iter().map(|glob| names(glob)).collect()
}

/// What an item asks of the control group: its path, and a unit in it.
fn cgroup(select: &Select) -> Vec<Vec<Sequence>> {
    let path = select.cgroup.iter().filter_map(|glob| Glob::parse(glob).ok()).map(|glob| glob.backwards());
    let unit = select.unit.iter().map(|glob| {
        let begin = |name: &Sequence| [&[Step::Byte(b'/'), Step::Directories][..], name].concat();
        let below = |name: &Sequence| [name, &[Step::Byte(b'/'), Step::Anything][..]].concat();
        names(glob).iter().map(begin).flat_map(|name| [below(&name), name]).collect()
    });
    path.chain(unit).collect()
}

/// The texts of a glob whose `*` stops at a slash. That it can be read was checked with the profile.
fn names(glob: &str) -> Vec<Sequence> {
    Glob::parse(glob).map(|glob| glob.sequences(false)).unwrap_or_default()
}

/// Those of a glob for text like any other.
fn text(glob: &str) -> Vec<Sequence> {
    Glob::of_argument(glob).map(|glob| glob.sequences(false)).unwrap_or_default()
}
