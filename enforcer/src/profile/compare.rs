// SPDX-License-Identifier: MIT OR Apache-2.0

//! Two stages, of one profile or of two, compared by what they decide: is there a text of which the one says something
//! else than the other, and which is the shortest?
//!
//! Both automata are walked at once, breadth first, over bytes that stand for what neither tells apart, through texts
//! that the kernel can report (see [`super::shape`]). A text below an anchor is walked in all of its spellings, since
//! all decide. For that it lies below one anchor, or below two where that is usual (see [`super::places`]); what
//! differs only where anchors lie otherwise, such as the directory for temporary files below the workspace, is not
//! found. Hosts are not in the automata, see [`super::difference`].

use std::collections::HashSet;

use enforcer_common::{
    Kind,
    anchor::Anchors,
    argv::SEPARATOR,
    decide::{merge, resolve},
    table::STAY,
};

use super::{
    compile::Compiled,
    example::Example,
    familiar::familiar,
    places::{Place, Places, SPELLINGS},
    shape::Shape,
    walk::{Walk, ended},
};

/// Pairs of states that are looked at before a search is given up.
const PAIRS_MAX: usize = 200_000;

/// The rules of one kind in one stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) profile: &'a Compiled,
    pub(super) stage: u8,
    pub(super) kind: Kind,
}

/// What is said of a text: whether it is allowed, and the stage that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer<'a> {
    allows: bool,
    leads_to: Option<&'a str>,
}

impl<'a> View<'a> {
    /// The answer for a whole text.
    fn answer(&self, text: &[u8], anchors: &Anchors) -> Answer<'a> {
        let decision = self.profile.decide(self.stage, self.kind, text, anchors);
        self.named(decision.allows(), decision.stage)
    }

    fn named(&self, allows: bool, stage: u16) -> Answer<'a> {
        let stages = &self.profile.stages;
        let leads_to = stages.get(usize::from(stage)).filter(|_| stage != STAY).map(String::as_str);
        Answer { allows, leads_to }
    }

    /// Whether everything is allowed, whatever the text.
    pub(super) fn allows_everything(&self) -> bool {
        let walk = self.walk();
        let start = walk.start();
        ended(start) && self.says(&walk, [start; SPELLINGS]).allows
    }

    /// The automaton.
    fn walk(&self) -> Walk<'a> {
        Walk::new(&self.profile.table, self.stage, self.kind)
    }

    /// What a text is told that ends in these states, one for each of its spellings.
    fn says(&self, walk: &Walk<'_>, states: [u16; SPELLINGS]) -> Answer<'a> {
        let [first, others @ ..] = states;
        // Most texts have one spelling, and then the others are like it.
        let different = others.into_iter().filter(|&state| state != first);
        let found = different.fold(walk.outcome(first), |found, state| merge(found, walk.outcome(state)));
        let decision = resolve(found, self.profile.default_allows(self.stage, self.kind), || 0);
        self.named(decision.allows(), decision.stage)
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What the first denies and the second allows.
    Allowed,
    /// What both allow, but what leads to stages of different names.
    LeadsElsewhere,
}

impl Wanted {
    /// Whether these answers are wanted, or can become so. `None` is an answer that is still open.
    fn may_be(self, one: Option<Answer<'_>>, two: Option<Answer<'_>>) -> bool {
        let says = |answer: Option<Answer<'_>>, allows| answer.is_none_or(|a| a.allows == allows);
        match self {
            Self::Allowed => says(one, false) && says(two, true),
            Self::LeadsElsewhere => {
                let same = matches!((one, two), (Some(one), Some(two)) if one.leads_to == two.leads_to);
                says(one, true) && says(two, true) && !same
            }
        }
    }
}

/// What a search found.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// A text, decided about with [`Compiled::decide`] before it is told.
    Text(Example),
    /// There is none.
    Nothing,
    /// The automata are too large to look at all of it.
    GaveUp,
}

/// Looks for a text: first among those that everybody knows, then for a shortest one.
pub(super) fn search(wanted: Wanted, one: View<'_>, two: View<'_>) -> Found {
    let places = Places::new(one.kind, [one.profile, two.profile]);
    let real = |example: &Example| {
        let [one, two] = [(0, one), (1, two)]
            .map(|(side, view)| view.answer(&example.text, &places.anchors(example.place, side)));
        wanted.may_be(Some(one), Some(two))
    };
    let [simple, nested] = places.all();
    let mut known = familiar(&places, one.kind).filter(|example| simple.contains(&example.place));
    if let Some(example) = known.find(real) {
        return Found::Text(example);
    }
    for some in [simple, nested] {
        let mut pairs = Pairs::new(wanted, &places, one, two);
        some.into_iter().for_each(|place| pairs.begin(place));
        loop {
            match pairs.next() {
                Found::Nothing => break,
                Found::GaveUp => return Found::GaveUp,
                Found::Text(example) if real(&example) => {
                    let better = places.ports(&example).find(real);
                    return Found::Text(better.unwrap_or(example));
                }
                Found::Text(_) => {}
            }
        }
    }
    Found::Nothing
}

/// How far a text has come in both automata, in both spellings, and in its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair {
    place: Place,
    one: [u16; SPELLINGS],
    two: [u16; SPELLINGS],
    shape: Shape,
}

/// The search.
struct Pairs<'a> {
    wanted: Wanted,
    places: &'a Places,
    views: [View<'a>; 2],
    walks: [Walk<'a>; 2],
    bytes: Vec<u8>,
    /// What was found, in this order, each with what it was found from and the byte between.
    found: Vec<(Pair, usize, u8)>,
    known: HashSet<Pair>,
    /// How many of these were looked at.
    at: usize,
}

impl<'a> Pairs<'a> {
    fn new(wanted: Wanted, places: &'a Places, one: View<'a>, two: View<'a>) -> Self {
        let walks = [one, two].map(|view| view.walk());
        let bytes = representatives(one.kind, walks);
        Self {
            wanted,
            places,
            views: [one, two],
            walks,
            bytes,
            found: Vec::new(),
            known: HashSet::new(),
            at: 0,
        }
    }

    /// A place to begin at.
    fn begin(&mut self, place: Place) {
        let kind = self.views[0].kind;
        let [one, two] = [0, 1].map(|side| {
            let start = self.walks[side].start();
            self.places.spellings(place, side).map(|begin| self.walks[side].run(start, &begin))
        });
        let shape = match (kind, place) {
            (Kind::Socket, _) => Shape::Socket(0),
            (kind, _) if !kind.is_path() => Shape::ENDPOINT,
            (Kind::Unix, Place::PLAIN) => Shape::Local,
            (_, Place::PLAIN) => Shape::Path,
            _ => Shape::Anchor,
        };
        self.add(Pair { place, one, two, shape }, usize::MAX, 0);
    }

    fn add(&mut self, pair: Pair, from: usize, byte: u8) {
        let open = |side: usize, states: [u16; SPELLINGS]| {
            states.iter().all(|&s| ended(s)).then(|| self.views[side].says(&self.walks[side], states))
        };
        if self.wanted.may_be(open(0, pair.one), open(1, pair.two)) && self.known.insert(pair) {
            self.found.push((pair, from, byte));
        }
    }

    /// The next text that both automata answer as wanted.
    fn next(&mut self) -> Found {
        while let Some(&(pair, ..)) = self.found.get(self.at) {
            if self.at > PAIRS_MAX {
                return Found::GaveUp;
            }
            let here = self.at;
            self.at += 1;
            for i in 0..self.bytes.len() {
                let byte = self.bytes[i];
                let Some(shape) = pair.shape.next(byte) else { continue };
                let step = |side: usize, states: [u16; SPELLINGS]| {
                    states.map(|state| self.walks[side].next(state, byte))
                };
                let (one, two) = (step(0, pair.one), step(1, pair.two));
                self.add(Pair { shape, one, two, ..pair }, here, byte);
            }
            let [one, two] = [(0, pair.one), (1, pair.two)]
                .map(|(side, states)| Some(self.views[side].says(&self.walks[side], states)));
            if pair.shape.complete() && self.wanted.may_be(one, two) {
                return Found::Text(self.places.example(pair.place, self.views[0].kind, &self.text(here)));
            }
        }
        Found::Nothing
    }

    /// The bytes that led to what was found.
    fn text(&self, mut at: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while let Some(&(_, from, byte)) = self.found.get(at).filter(|(_, from, _)| *from != usize::MAX) {
            text.push(byte);
            at = from;
        }
        text.reverse();
        text
    }
}

/// Bytes that stand for all: of those that neither automaton takes apart, the most readable one.
fn representatives(kind: Kind, walks: [Walk<'_>; 2]) -> Vec<u8> {
    if !kind.is_path() {
        return b"0123456789abcdef:tux".to_vec();
    }
    let readable = b"xabcdefghijklmnopqrstuvwyz0123456789/.-_ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut seen = HashSet::new();
    let every = readable.iter().copied().chain(b' '..=u8::MAX);
    let mut bytes: Vec<u8> = every.filter(|&byte| seen.insert(walks.map(|walk| walk.class(byte)))).collect();
    // What the shapes of paths and of names take apart.
    for byte in *b"/.@" {
        if !bytes.contains(&byte) {
            bytes.push(byte);
        }
    }
    if kind == Kind::Argv {
        bytes.push(SEPARATOR);
    }
    bytes
}
