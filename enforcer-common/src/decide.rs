// SPDX-License-Identifier: MIT OR Apache-2.0

//! The decision.

use crate::{
    action::{Kind, Reason, Verdict},
    anchor::{ANCHOR_MAX, ANCHORS, Anchors, symbol},
    run::STAGE_PROBE,
    table::{Cursor, Outcome, STAGES, STAY, Space, word},
};

/// A verdict and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// [`Verdict::Allow`] or [`Verdict::Deny`]; audit mode is the caller's matter.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The rule that decided, or 0.
    pub rule: u16,
    /// The stage that an allowed exec leads to, or [`STAY`].
    pub stage: u16,
}

impl Decision {
    /// Denied for a reason that is not a rule.
    #[must_use]
    #[inline(always)]
    pub const fn denied(reason: Reason) -> Self {
        Self { verdict: Verdict::Deny, reason, rule: 0, stage: STAY }
    }

    /// Whether the action may go ahead.
    #[must_use]
    #[inline(always)]
    pub const fn allows(&self) -> bool {
        matches!(self.verdict, Verdict::Allow)
    }
}

/// Decides whether a task in `stage` may do `kind` to the text in `space`.
///
/// `anchors` are the run's; `None` for texts that are no paths. `grant` is asked only when no rule of the profile
/// names the text: it returns the host rule that led the run to an address, or 0. Deny beats allow in whatever
/// spelling it was found; then allow; then a grant; then the stage's default.
#[inline(always)]
pub fn decide<S: Space>(
    space: S,
    stage: u8,
    kind: Kind,
    anchors: Option<&Anchors>,
    grant: impl FnOnce() -> u16,
) -> Decision {
    if stage == STAGE_PROBE {
        return Decision::denied(Reason::Probe);
    }
    if usize::from(stage) >= STAGES || u16::from(stage) >= space.word(word::STAGES_USED) {
        return Decision::denied(Reason::NoRun);
    }
    let start = space.start(stage, kind);
    let Some(mut found) = Cursor::new(space, start, 0).finish() else {
        return Decision::denied(Reason::TooLong);
    };
    if let Some(anchors) = anchors {
        let mut index = 0;
        while index < ANCHORS {
            if let Some(rest) = below(&space, anchors, index) {
                let mut cursor = Cursor::new(space, start, rest);
                cursor.take(symbol(index));
                let Some(outcome) = cursor.finish() else {
                    return Decision::denied(Reason::TooLong);
                };
                found = merge(found, outcome);
            }
            index += 1;
        }
    }
    resolve(found, space.default_allows(stage, kind), grant)
}

/// Where the text goes on behind anchor `index`, if the text is the anchor's value or lies below it.
#[inline(always)]
fn below<S: Space>(space: &S, anchors: &Anchors, index: usize) -> Option<u32> {
    let index = index & (ANCHORS - 1);
    let len = u32::from(anchors.len[index]);
    if len == 0 {
        return None;
    }
    let mut at = 0;
    while at < len && at < ANCHOR_MAX as u32 {
        if space.byte(at) != anchors.text[index][at as usize & ANCHOR_MAX] {
            return None;
        }
        at += 1;
    }
    matches!(space.byte(at), b'/' | 0).then_some(at)
}

/// What two spellings of one text say together. The rule with the lower number was written first.
#[inline(always)]
fn merge(a: Outcome, b: Outcome) -> Outcome {
    let deny_rule = first(a.deny_rule, b.deny_rule);
    let (allow_rule, stage) = if first(a.allow_rule, b.allow_rule) == a.allow_rule {
        (a.allow_rule, a.stage)
    } else {
        (b.allow_rule, b.stage)
    };
    Outcome { flags: a.flags | b.flags, deny_rule, allow_rule, stage }
}

/// The lower of two rule numbers, where 0 is no rule.
#[inline(always)]
const fn first(a: u16, b: u16) -> u16 {
    if a == 0 || (b != 0 && b < a) { b } else { a }
}

/// From what the rules say to a verdict.
#[inline(always)]
fn resolve(found: Outcome, default_allows: bool, grant: impl FnOnce() -> u16) -> Decision {
    if found.flags & Outcome::DENY != 0 && found.flags & Outcome::EXCEPT == 0 {
        return Decision { verdict: Verdict::Deny, reason: Reason::Rule, rule: found.deny_rule, stage: STAY };
    }
    if found.flags & Outcome::ALLOW != 0 {
        return Decision {
            verdict: Verdict::Allow,
            reason: Reason::Rule,
            rule: found.allow_rule,
            stage: found.stage,
        };
    }
    let rule = grant();
    if rule != 0 {
        return Decision { verdict: Verdict::Allow, reason: Reason::Rule, rule, stage: STAY };
    }
    let verdict = if default_allows { Verdict::Allow } else { Verdict::Deny };
    Decision { verdict, reason: Reason::Default, rule: 0, stage: STAY }
}
