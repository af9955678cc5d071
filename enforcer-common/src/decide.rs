// SPDX-License-Identifier: MIT OR Apache-2.0

//! The decision.

use crate::{
    action::{Kind, Reason, Verdict},
    address::GRANT_RECORDED,
    anchor::{ANCHOR_WORDS, ANCHORS, Anchors, symbol},
    run::STAGE_PROBE,
    table::{Cursor, Outcome, STAGES, STAY, Space, Step, header},
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
    /// The exception that was used, which is recorded though it is allowed, or 0.
    pub exception: u16,
}

impl Decision {
    /// Denied for a reason that is not a rule.
    #[must_use]
    #[inline(always)]
    pub const fn denied(reason: Reason) -> Self {
        Self { verdict: Verdict::Deny, reason, rule: 0, stage: STAY, exception: 0 }
    }

    /// Allowed for a reason that is not a rule.
    #[must_use]
    #[inline(always)]
    pub const fn allowed(reason: Reason) -> Self {
        Self { verdict: Verdict::Allow, ..Self::denied(reason) }
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
    if usize::from(stage) >= STAGES || u16::from(stage) >= space.word(header::STAGES_USED) {
        return Decision::denied(Reason::NoRun);
    }
    let slot = space.slot(stage, kind);
    let Some((space, block)) = space.enter(slot.block) else {
        return Decision::denied(Reason::NoRun);
    };
    // Outcome 0 says nothing. It is read and not written here, see `Space::repeat`.
    let found = space.outcome(block, 0);
    let mut spellings = Spellings { space, block, anchors, start: slot.start, found, too_long: false };
    S::repeat(1 + ANCHORS as u32, &mut spellings);
    if spellings.too_long {
        return Decision::denied(Reason::TooLong);
    }
    resolve(spellings.found, slot.default_allows, grant)
}

/// The spellings of a text: first as it is, then from each anchor that it lies below.
struct Spellings<'a, S> {
    space: S,
    block: u32,
    anchors: Option<&'a Anchors>,
    start: u16,
    found: Outcome,
    too_long: bool,
}

impl<S: Space> Step for Spellings<'_, S> {
    /// Judges one spelling; true when the text has no end.
    #[inline(always)]
    fn step(&mut self, index: u32) -> bool {
        let mut cursor = Cursor::new(self.space, self.block, self.start, 0);
        if index > 0 {
            let anchor = index as usize - 1;
            let Some(rest) = self.anchors.and_then(|anchors| below(&self.space, anchors, anchor)) else {
                return false;
            };
            cursor = Cursor::new(self.space, self.block, self.start, rest);
            cursor.take(symbol(anchor));
        }
        let Some(outcome) = cursor.finish() else {
            self.too_long = true;
            return true;
        };
        self.found = merge(self.found, outcome);
        false
    }
}

/// Where the text goes on behind anchor `index`, if the text is the anchor's value or lies below it.
#[inline(always)]
#[must_use]
pub fn below<S: Space>(space: &S, anchors: &Anchors, index: usize) -> Option<u32> {
    let index = index & (ANCHORS - 1);
    let len = u32::from(anchors.len[index]);
    if len == 0 {
        return None;
    }
    let mut word = 0;
    while word < ANCHOR_WORDS && (word as u32) * 8 < len {
        let left = len - word as u32 * 8;
        let mask = if left < 8 { u64::MAX >> (64 - left * 8) } else { u64::MAX };
        if (space.eight(word as u32 * 8) ^ anchors.words[index][word]) & mask != 0 {
            return None;
        }
        word += 1;
    }
    // Read again, so that the verifier knows nothing of it: it would follow the walk once for each way out of the loop.
    // SAFETY: a field of a reference.
    let len = u32::from(unsafe { core::ptr::read_volatile(&raw const anchors.len[index]) });
    matches!(space.byte(len), b'/' | 0).then_some(len)
}

/// What two spellings of one text say together. The rule with the lower number was written first.
#[inline(always)]
#[must_use]
pub fn merge(a: Outcome, b: Outcome) -> Outcome {
    let deny_rule = first(a.deny_rule, b.deny_rule);
    let allowed = if first(a.allow_rule, b.allow_rule) == a.allow_rule { a } else { b };
    let exception = first(a.exception, b.exception);
    Outcome {
        flags: a.flags | b.flags,
        deny_rule,
        allow_rule: allowed.allow_rule,
        stage: allowed.stage,
        exception,
    }
}

/// The lower of two rule numbers, where 0 is no rule.
#[inline(always)]
const fn first(a: u16, b: u16) -> u16 {
    if a == 0 || (b != 0 && b < a) { b } else { a }
}

/// From what the rules say to a verdict.
#[inline(always)]
#[must_use]
pub fn resolve(found: Outcome, default_allows: bool, grant: impl FnOnce() -> u16) -> Decision {
    if found.flags & Outcome::DENY != 0 && found.flags & Outcome::EXCEPT == 0 {
        return Decision { rule: found.deny_rule, ..Decision::denied(Reason::Rule) };
    }
    if found.flags & Outcome::ALLOW != 0 {
        return Decision {
            verdict: Verdict::Allow,
            reason: Reason::Rule,
            rule: found.allow_rule,
            stage: found.stage,
            exception: found.exception,
        };
    }
    let granted = grant();
    if granted != 0 {
        let rule = granted & !GRANT_RECORDED;
        let exception = if granted == rule { 0 } else { rule };
        return Decision { verdict: Verdict::Allow, reason: Reason::Rule, rule, stage: STAY, exception };
    }
    if default_allows {
        // An exception that only takes a denial back leaves the text to the default.
        let denied = Decision::denied(Reason::Default);
        return Decision { verdict: Verdict::Allow, exception: found.exception, ..denied };
    }
    Decision::denied(Reason::Default)
}
