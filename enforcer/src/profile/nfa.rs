// SPDX-License-Identifier: MIT OR Apache-2.0

//! From what rules match to a nondeterministic automaton in which rules that begin alike share their beginning.
//!
//! regex-automata's own compiler gives every pattern an automaton of its own, so that a thousand rules that begin
//! with `**/` are a thousand loops that every deterministic state must carry. Shared, they are one.

use std::collections::HashMap;

use enforcer_common::{Kind, argv::SEPARATOR};
use regex_automata::{
    nfa::thompson::{Builder, NFA, Transition},
    util::primitives::StateID,
};

/// One step of what a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// This byte.
    Byte(u8),
    /// One byte of these ranges, which are sorted and do not touch.
    Class(Vec<(u8, u8)>),
    /// Any number of bytes that are not `/`.
    Name,
    /// Any number of directories, each with its `/`.
    Directories,
    /// One of the directories where the system keeps programs, with its `/`.
    ProgramDirectory,
    /// Anything.
    Anything,
    /// Any number of arguments, each with its separator before it.
    Arguments,
    /// The same of those that begin with `-`.
    Options,
    /// The path of a program that runs scripts, itself perhaps run by `env`, with options, and what is before a script's name:
    /// `/usr/bin/env node /usr/bin/`, say, with separators instead of the spaces.
    Interpreter,
}

/// What the wildcards of steps match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// Every byte.
    All,
    /// Every byte but [`SEPARATOR`], which is before an argument and nowhere else.
    Argument,
}

impl Alphabet {
    /// Of the texts of a kind.
    pub(super) fn of(kind: Kind) -> Self {
        if kind == Kind::Argv { Self::Argument } else { Self::All }
    }

    const fn any(self) -> &'static [(u8, u8)] {
        match self {
            Self::All => &[(0, u8::MAX)],
            Self::Argument => &[(0, SEPARATOR - 1), (SEPARATOR + 1, u8::MAX)],
        }
    }

    const fn not_slash(self) -> &'static [(u8, u8)] {
        match self {
            Self::All => &NOT_SLASH,
            Self::Argument => &[(1, SEPARATOR - 1), (SEPARATOR + 1, b'/' - 1), (b'/' + 1, u8::MAX)],
        }
    }

    /// These ranges without what it has not.
    fn within(self, ranges: &[(u8, u8)]) -> Vec<(u8, u8)> {
        let parts = ranges.iter().flat_map(|&(first, last)| {
            self.any().iter().map(move |&(least, most)| (first.max(least), last.min(most)))
        });
        parts.filter(|(first, last)| first <= last).collect()
    }
}

impl Step {
    /// One byte of these ranges.
    pub(super) fn class(ranges: impl IntoIterator<Item = (u8, u8)>) -> Self {
        let mut sorted: Vec<_> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut joined: Vec<(u8, u8)> = Vec::new();
        for (first, last) in sorted {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        match joined[..] {
            [(first, last)] if first == last => Self::Byte(first),
            _ => Self::Class(joined),
        }
    }
}

impl Step {
    /// Calls `see` with every range of bytes that this step tells from others.
    pub(super) fn ranges(&self, mut see: impl FnMut(u8, u8)) {
        match self {
            Self::Byte(byte) => see(*byte, *byte),
            Self::Class(ranges) => ranges.iter().for_each(|&(first, last)| see(first, last)),
            Self::Name | Self::Directories => see(b'/', b'/'),
            Self::ProgramDirectory => {
                PROGRAM_DIRECTORIES
                    .iter()
                    .flat_map(|directory| directory.bytes())
                    .for_each(|byte| see(byte, byte));
            }
            Self::Arguments => see(SEPARATOR, SEPARATOR),
            Self::Options => {
                see(SEPARATOR, SEPARATOR);
                see(b'-', b'-');
            }
            Self::Interpreter => {
                see(SEPARATOR, SEPARATOR);
                see(b'-', b'-');
                INTERPRETERS
                    .iter()
                    .flat_map(|name| name.bytes())
                    .chain(*b"/env")
                    .for_each(|byte| see(byte, byte));
            }
            Self::Anything => {}
        }
    }
}

/// What is not `/`. Texts have no NUL.
pub(super) const NOT_SLASH: [(u8, u8); 2] = [(1, b'/' - 1), (b'/' + 1, u8::MAX)];

/// Where programs are that are named without a path.
pub(super) const PROGRAM_DIRECTORIES: [&str; 6] =
    ["/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"];

/// Programs that run a script which is named by their first argument that is no option. A version may be behind the last one.
const INTERPRETERS: [&str; 12] =
    ["node", "nodejs", "bun", "deno", "sh", "bash", "dash", "ash", "zsh", "perl", "ruby", "python"];

/// Texts that a rule matches.
pub(super) type Sequence = Vec<Step>;

/// A place in the graph of all sequences.
#[derive(Debug, Default)]
struct Node {
    /// What may be repeated here: the bytes of [`Step::Name`] or [`Step::Anything`] that led here.
    again: &'static [(u8, u8)],
    /// What comes next.
    children: Vec<(Step, usize)>,
    /// The patterns that end here.
    ends: Vec<usize>,
}

/// Builds the automaton; pattern `i` matches any of the sequences `patterns[i]`. `None` if it is larger than the limit.
pub(super) fn nfa<'a>(
    patterns: impl Iterator<Item = &'a [Sequence]>,
    alphabet: Alphabet,
    size_limit: usize,
) -> Option<NFA> {
    let mut nodes = vec![Node::default()];
    let mut known: HashMap<(usize, &Step), usize> = HashMap::new();
    let mut count = 0;
    for (pattern, sequences) in patterns.enumerate() {
        count = pattern + 1;
        for sequence in sequences {
            let mut node = 0;
            for step in sequence {
                node = *known.entry((node, step)).or_insert_with(|| {
                    let next = nodes.len();
                    let again: &[(u8, u8)] = match step {
                        Step::Name => alphabet.not_slash(),
                        Step::Anything => alphabet.any(),
                        _ => &[],
                    };
                    nodes.push(Node { again, ..Node::default() });
                    nodes[node].children.push((step.clone(), next));
                    next
                });
            }
            if nodes[node].ends.last() != Some(&pattern) {
                nodes[node].ends.push(pattern);
            }
        }
    }
    let same = join(&mut nodes);
    build(&nodes, &same, count, alphabet, size_limit)
}

/// Joins places that are followed by the same, so that what ends alike shares its end: for each place the one that
/// stands for it. A child comes after its parent, hence the way back meets children first.
fn join(nodes: &mut [Node]) -> Vec<usize> {
    let mut same: Vec<usize> = (0..nodes.len()).collect();
    let mut known = HashMap::new();
    for at in (0..nodes.len()).rev() {
        let node = &mut nodes[at];
        for (_, child) in &mut node.children {
            *child = same[*child];
        }
        same[at] = *known.entry((node.again, node.children.clone(), node.ends.clone())).or_insert(at);
    }
    same
}

/// The graph as an automaton: each place is a union, patched together from the steps to its children.
fn build(
    nodes: &[Node],
    same: &[usize],
    patterns: usize,
    alphabet: Alphabet,
    size_limit: usize,
) -> Option<NFA> {
    let mut builder = Builder::new();
    builder.set_size_limit(Some(size_limit)).ok()?;
    let mut matches = Vec::with_capacity(patterns);
    for _ in 0..patterns {
        builder.start_pattern().ok()?;
        let id = builder.add_match().ok()?;
        builder.finish_pattern(id).ok()?;
        matches.push(id);
    }
    let ids: Vec<StateID> =
        nodes.iter().map(|_| builder.add_union(Vec::new()).ok()).collect::<Option<_>>()?;
    for (at, node) in nodes.iter().enumerate().filter(|(at, _)| same[*at] == *at) {
        let id = ids[at];
        let mut bytes = Vec::new();
        for (step, child) in &node.children {
            let child = ids[*child];
            match step {
                Step::Byte(byte) => bytes.push(Transition { start: *byte, end: *byte, next: child }),
                Step::Class(ranges) => {
                    let class = sparse(&mut builder, &alphabet.within(ranges), child)?;
                    builder.patch(id, class).ok()?;
                }
                Step::Name | Step::Anything => builder.patch(id, child).ok()?,
                Step::ProgramDirectory => {
                    for directory in PROGRAM_DIRECTORIES {
                        let mut next = child;
                        for byte in directory.bytes().rev() {
                            next = sparse(&mut builder, &[(byte, byte)], next)?;
                        }
                        builder.patch(id, next).ok()?;
                    }
                }
                Step::Directories => {
                    let inside = builder.add_union(Vec::new()).ok()?;
                    let again = sparse(&mut builder, alphabet.any(), inside)?;
                    let out = sparse(&mut builder, &[(b'/', b'/')], child)?;
                    builder.patch(inside, again).ok()?;
                    builder.patch(inside, out).ok()?;
                    builder.patch(id, inside).ok()?;
                    builder.patch(id, child).ok()?;
                }
                Step::Options => {
                    let options = options(&mut builder, child)?;
                    builder.patch(id, options).ok()?;
                }
                Step::Interpreter => {
                    let interpreter = interpreter(&mut builder, child)?;
                    builder.patch(id, interpreter).ok()?;
                }
                Step::Arguments => {
                    let inside = builder.add_union(Vec::new()).ok()?;
                    let again = sparse(&mut builder, &[(0, u8::MAX)], inside)?;
                    let first = sparse(&mut builder, &[(SEPARATOR, SEPARATOR)], inside)?;
                    builder.patch(inside, again).ok()?;
                    builder.patch(inside, child).ok()?;
                    builder.patch(id, first).ok()?;
                    builder.patch(id, child).ok()?;
                }
            }
        }
        if !bytes.is_empty() {
            bytes.sort_unstable_by_key(|t| t.start);
            let bytes = builder.add_sparse(bytes).ok()?;
            builder.patch(id, bytes).ok()?;
        }
        if !node.again.is_empty() {
            let again = sparse(&mut builder, node.again, id)?;
            builder.patch(id, again).ok()?;
        }
        for &pattern in &node.ends {
            builder.patch(id, matches[pattern]).ok()?;
        }
    }
    builder.build(ids[0], ids[0]).ok()
}

/// A state that takes one byte of some ranges.
fn sparse(builder: &mut Builder, ranges: &[(u8, u8)], next: StateID) -> Option<StateID> {
    builder.add_sparse(ranges.iter().map(|&(start, end)| Transition { start, end, next }).collect()).ok()
}

/// Any number of options, before what comes next.
fn options(builder: &mut Builder, next: StateID) -> Option<StateID> {
    let begin = builder.add_union(vec![next]).ok()?;
    let inside = builder.add_union(vec![next]).ok()?;
    let again = sparse(builder, Alphabet::Argument.any(), inside)?;
    let dash = sparse(builder, &[(b'-', b'-')], inside)?;
    let first = sparse(builder, &[(SEPARATOR, SEPARATOR)], dash)?;
    builder.patch(inside, again).ok()?;
    builder.patch(inside, first).ok()?;
    builder.patch(begin, first).ok()?;
    Some(begin)
}

/// [`Step::Interpreter`], before what comes next.
fn interpreter(builder: &mut Builder, next: StateID) -> Option<StateID> {
    let script = argument(builder, next)?;
    let behind = options(builder, script)?;
    let mut names = Vec::new();
    for name in INTERPRETERS {
        let end = if name == "python" {
            let version = builder.add_union(vec![behind]).ok()?;
            let again = sparse(builder, Alphabet::Argument.not_slash(), version)?;
            builder.patch(version, again).ok()?;
            version
        } else {
            behind
        };
        names.push(word(builder, name, end)?);
    }
    let interpreter = builder.add_union(names).ok()?;
    let run = argument(builder, interpreter)?;
    let by_env = options(builder, run)?;
    let env = word(builder, "env", by_env)?;
    let either = builder.add_union(vec![interpreter, env]).ok()?;
    let path = directories(builder, either)?;
    sparse(builder, &[(b'/', b'/')], path)
}

/// A separator, and before what comes next perhaps directories; of what begins as an option does, it is one.
fn argument(builder: &mut Builder, next: StateID) -> Option<StateID> {
    let path = within(builder, next)?;
    let begins = [(1, SEPARATOR - 1), (SEPARATOR + 1, b'-' - 1), (b'-' + 1, b'/' - 1), (b'/' + 1, u8::MAX)];
    let relative = sparse(builder, &begins, path)?;
    let root = builder.add_union(vec![next, path]).ok()?;
    let absolute = sparse(builder, &[(b'/', b'/')], root)?;
    let begin = builder.add_union(vec![next, relative, absolute]).ok()?;
    sparse(builder, &[(SEPARATOR, SEPARATOR)], begin)
}

/// Directories, or none, of a path.
fn directories(builder: &mut Builder, next: StateID) -> Option<StateID> {
    let inside = within(builder, next)?;
    builder.add_union(vec![next, inside]).ok()
}

/// The rest of directories, up to a slash.
fn within(builder: &mut Builder, next: StateID) -> Option<StateID> {
    let inside = builder.add_union(Vec::new()).ok()?;
    let again = sparse(builder, Alphabet::Argument.any(), inside)?;
    let out = sparse(builder, &[(b'/', b'/')], next)?;
    builder.patch(inside, again).ok()?;
    builder.patch(inside, out).ok()?;
    Some(inside)
}

/// These bytes.
fn word(builder: &mut Builder, word: &str, next: StateID) -> Option<StateID> {
    word.bytes().rev().try_fold(next, |next, byte| sparse(builder, &[(byte, byte)], next))
}
