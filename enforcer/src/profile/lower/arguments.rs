// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rules about arguments.

use std::sync::Arc;

use enforcer_common::{Kind, argv::SEPARATOR};

use super::{
    super::{
        automaton::Pattern,
        document::At,
        error::{Code, Problem, Text},
        glob::{ALTERNATIVES_MAX, Glob},
        nfa::{Sequence, Step},
    },
    Lowering,
};

/// What stands for any number of arguments.
const ANY: &str = "**";

impl Lowering<'_> {
    /// What must be behind the path for a rule about these arguments.
    pub(super) fn arguments(
        &mut self,
        source: &Arc<Text>,
        args: &At<Vec<At<String>>>,
    ) -> Option<Vec<Sequence>> {
        let mut all: Vec<Sequence> = vec![Vec::new()];
        let mut complete = true;
        for item in &args.value {
            if item.value == ANY {
                all.iter_mut().for_each(|before| before.push(Step::Arguments));
                continue;
            }
            let Some(glob) = self.keep(Glob::of_argument(&item.value), source, item.span) else {
                complete = false;
                continue;
            };
            let next = glob.sequences(false);
            if all.len() * next.len() > ALTERNATIVES_MAX {
                let message = format!(
                    "these arguments stand for more than {ALTERNATIVES_MAX} lists of them when their `{{…}}` are written out"
                );
                let problem =
                    Problem::new(Code::Alternatives, message).help("write them as several rules, or use `*`");
                self.fault(problem, source, args.span);
                return None;
            }
            let both =
                |before: &Sequence, next: &Sequence| [before, &[Step::Byte(SEPARATOR)][..], next].concat();
            all = all.iter().flat_map(|before| next.iter().map(move |next| both(before, next))).collect();
        }
        complete.then_some(all)
    }

    /// Where a stage has a rule about arguments, all of its rules for executing decide about them, too: those that say
    /// nothing of arguments match whatever they are.
    pub(super) fn with_arguments(&mut self) {
        for stage in 0..self.document.stages.len() {
            let at = |kind: Kind| stage * Kind::ALL.len() + kind as usize;
            let rules = &self.out.automata[at(Kind::Exec)].patterns;
            if rules.iter().all(|pattern| pattern.arguments.is_none()) {
                continue;
            }
            self.characters += rules.iter().map(length).sum::<usize>();
            let place = rules.iter().find(|pattern| pattern.arguments.is_some());
            let place = place.and_then(|pattern| self.out.place(pattern.rule));
            if let Some((source, span)) = place.map(|(source, span)| (Arc::clone(source), span))
                && self.too_long(&source, span)
            {
                return;
            }
            let patterns = self.out.automata[at(Kind::Exec)].patterns.iter().map(whole).collect();
            self.out.automata[at(Kind::Argv)].patterns = patterns;
        }
    }
}

/// Characters of a rule for executing as one for paths with their arguments.
fn length(pattern: &Pattern) -> usize {
    let sum = |texts: &[Sequence]| texts.iter().map(Vec::len).sum::<usize>();
    let behind = pattern.arguments.as_deref().unwrap_or_default();
    sum(&pattern.texts) * behind.len().max(1) + sum(behind) * pattern.texts.len()
}

/// A rule for executing as one for paths with their arguments.
fn whole(pattern: &Pattern) -> Pattern {
    let any = vec![vec![Step::Arguments]];
    let behind = pattern.arguments.as_ref().unwrap_or(&any);
    let both = |path: &Sequence| behind.iter().map(|behind| [&path[..], behind].concat()).collect::<Vec<_>>();
    let texts = pattern.texts.iter().flat_map(both).collect();
    Pattern { texts, arguments: None, ..pattern.clone() }
}
