// SPDX-License-Identifier: MIT OR Apache-2.0

//! Minimisation: states that no text tells apart become one state, classes that no state tells apart one class.
//!
//! The algorithm is Valmari's refinement of Hopcroft's for partial automata: blocks of states and bundles of
//! transitions are refined in turn, and the smaller half of what was split is always the one that is looked at. Its
//! time is that of sorting the transitions that lead anywhere, whatever the shape of the rules.

use std::collections::HashMap;

use super::automaton::Raw;

/// The smallest automaton that says the same.
pub(super) fn minimize(raw: &Raw) -> Raw {
    // Before, so that there is less to do; and after, because equal states had hidden equal columns.
    let narrow = join_classes(raw);
    join_classes(&quotient(&narrow, &blocks(&narrow)))
}

/// Joins classes whose columns are equal. NUL keeps its own.
fn join_classes(raw: &Raw) -> Raw {
    let states = raw.outcome_of.len();
    let mut columns: HashMap<Vec<u32>, u8> = HashMap::new();
    let mut kept = vec![0];
    let mut new_class = vec![0_u8];
    for class in 1..raw.stride {
        let column: Vec<u32> = (0..states).map(|state| raw.rows[state * raw.stride + class]).collect();
        let next = kept.len() as u8;
        new_class.push(*columns.entry(column).or_insert_with(|| {
            kept.push(class);
            next
        }));
    }
    let mut rows = Vec::with_capacity(states * kept.len());
    for row in raw.rows.chunks_exact(raw.stride) {
        rows.extend(kept.iter().map(|&class| row[class]));
    }
    Raw {
        classes: raw.classes.map(|class| new_class[usize::from(class)]),
        stride: kept.len(),
        rows,
        outcome_of: raw.outcome_of.clone(),
        outcomes: raw.outcomes.clone(),
        start: raw.start,
    }
}

/// A partition that can be refined: sets of elements, some of them marked.
struct Partition {
    /// The elements, those of a set next to each other, the marked ones first.
    elements: Vec<u32>,
    /// Where each element is.
    place: Vec<u32>,
    /// The set of each element.
    set: Vec<u32>,
    /// First element of each set.
    first: Vec<u32>,
    /// One behind the last element of each set.
    past: Vec<u32>,
    /// How many elements of each set are marked.
    marked: Vec<u32>,
    /// Sets with marked elements.
    touched: Vec<u32>,
}

impl Partition {
    /// Elements with equal keys are in one set.
    fn new(keys: &[u32]) -> Self {
        let elements = sorted(keys);
        let mut this = Self {
            place: vec![0; keys.len()],
            set: vec![0; keys.len()],
            first: Vec::new(),
            past: Vec::new(),
            marked: Vec::new(),
            touched: Vec::new(),
            elements,
        };
        let mut last = None;
        for (at, &element) in this.elements.iter().enumerate() {
            let key = keys[element as usize];
            if last != Some(key) {
                last = Some(key);
                this.first.push(at as u32);
                this.past.push(at as u32);
                this.marked.push(0);
            }
            let set = this.first.len() - 1;
            this.past[set] += 1;
            this.place[element as usize] = at as u32;
            this.set[element as usize] = set as u32;
        }
        this
    }

    /// The elements of a set.
    fn members(&self, set: usize) -> std::ops::Range<usize> {
        self.first[set] as usize..self.past[set] as usize
    }

    /// Marks an element.
    fn mark(&mut self, element: u32) {
        let set = self.set[element as usize] as usize;
        let from = self.place[element as usize];
        let to = self.first[set] + self.marked[set];
        if from < to {
            return;
        }
        let other = self.elements[to as usize];
        self.elements[from as usize] = other;
        self.place[other as usize] = from;
        self.elements[to as usize] = element;
        self.place[element as usize] = to;
        if self.marked[set] == 0 {
            self.touched.push(set as u32);
        }
        self.marked[set] += 1;
    }

    /// Splits every set whose elements are marked in part; the smaller part becomes the new set.
    fn split(&mut self) {
        while let Some(set) = self.touched.pop() {
            let set = set as usize;
            let middle = self.first[set] + std::mem::take(&mut self.marked[set]);
            if middle == self.past[set] {
                continue;
            }
            if middle - self.first[set] <= self.past[set] - middle {
                self.first.push(self.first[set]);
                self.past.push(middle);
                self.first[set] = middle;
            } else {
                self.first.push(middle);
                self.past.push(self.past[set]);
                self.past[set] = middle;
            }
            self.marked.push(0);
            let new = self.first.len() - 1;
            for at in self.members(new) {
                self.set[self.elements[at] as usize] = new as u32;
            }
        }
    }
}

/// Where in a sorted list the elements with each key below `count` begin, and where the list ends.
fn begins(keys: &[u32], count: usize) -> Vec<u32> {
    let mut begin = vec![0; count + 1];
    for &key in keys {
        begin[key as usize + 1] += 1;
    }
    for key in 0..count {
        begin[key + 1] += begin[key];
    }
    begin
}

/// The indices of keys in the order of the keys: a counting sort.
fn sorted(keys: &[u32]) -> Vec<u32> {
    let mut next = begins(keys, keys.iter().max().map_or(0, |&max| max as usize + 1));
    let mut sorted = vec![0; keys.len()];
    for (index, &key) in keys.iter().enumerate() {
        sorted[next[key as usize] as usize] = index as u32;
        next[key as usize] += 1;
    }
    sorted
}

/// The block of each state.
fn blocks(raw: &Raw) -> Vec<u32> {
    let states = raw.outcome_of.len();
    // Transitions into state 0, the one that nothing comes after, are left out: an automaton may be partial.
    let (mut tails, mut heads, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for (state, row) in raw.rows.chunks_exact(raw.stride).enumerate() {
        for (class, &next) in row.iter().enumerate().skip(1) {
            if next != 0 {
                tails.push(state as u32);
                heads.push(next);
                labels.push(class as u32);
            }
        }
    }
    // Transitions by the state that they lead to.
    let (begin, into) = (begins(&heads, states), sorted(&heads));

    let mut blocks = Partition::new(&raw.outcome_of);
    let mut bundles = Partition::new(&labels);
    let (mut block, mut bundle) = (1, 0);
    while bundle < bundles.first.len() {
        for at in bundles.members(bundle) {
            blocks.mark(tails[bundles.elements[at] as usize]);
        }
        blocks.split();
        bundle += 1;
        while block < blocks.first.len() {
            for at in blocks.members(block) {
                let state = blocks.elements[at] as usize;
                for i in begin[state]..begin[state + 1] {
                    bundles.mark(into[i as usize]);
                }
            }
            bundles.split();
            block += 1;
        }
    }
    blocks.set
}

/// One state for each block; the block of state 0 comes first.
fn quotient(raw: &Raw, block_of: &[u32]) -> Raw {
    let blocks = block_of.iter().max().map_or(0, |&b| b as usize + 1);
    let dead = block_of[0];
    let number = |block: u32| match block {
        b if b == dead => 0,
        0 => dead,
        b => b,
    };
    let mut rows = vec![0; blocks * raw.stride];
    let mut outcome_of = vec![0; blocks];
    let mut done = vec![false; blocks];
    for (state, row) in raw.rows.chunks_exact(raw.stride).enumerate() {
        let new = number(block_of[state]) as usize;
        if std::mem::replace(&mut done[new], true) {
            continue;
        }
        outcome_of[new] = raw.outcome_of[state];
        for (class, &next) in row.iter().enumerate().skip(1) {
            rows[new * raw.stride + class] = number(block_of[next as usize]);
        }
    }
    Raw {
        classes: raw.classes,
        stride: raw.stride,
        rows,
        outcome_of,
        outcomes: raw.outcomes.clone(),
        start: number(block_of[raw.start as usize]),
    }
}
