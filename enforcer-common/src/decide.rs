// SPDX-License-Identifier: MIT OR Apache-2.0

//! The decision.

use crate::{
    action::{Kind, Reason, Verdict},
    address::GRANT_RECORDED,
    anchor::{ANCHOR_WORDS, ANCHORS, Anchors, symbol},
    argv::SEPARATOR,
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
    /// Whether the arguments are to be judged too. Only of [`Kind::Exec`], and only where the verdict is to allow.
    pub arguments: Arguments,
}

/// Whether an exec that its path allows is decided about once more, as [`Kind::Argv`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Arguments {
    /// No rule about arguments matches the path.
    Ignored = 0,
    /// One does. A script, whose arguments are its interpreter's, is allowed as it is.
    Judged = 1,
    /// One does, and no other rule allows the path: not for a script.
    Required = 2,
}

impl Decision {
    /// Denied for a reason that is not a rule.
    #[must_use]
    #[inline(always)]
    pub const fn denied(reason: Reason) -> Self {
        Self {
            verdict: Verdict::Deny,
            reason,
            rule: 0,
            stage: STAY,
            exception: 0,
            arguments: Arguments::Ignored,
        }
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
    if matches!(kind, Kind::Unix) && is_service(&space) {
        return Decision::denied(Reason::Service);
    }
    let slot = space.slot(stage, kind);
    let Some((space, block)) = space.enter(slot.block) else {
        return Decision::denied(Reason::NoRun);
    };
    // Outcome 0 says nothing. It is read and not written here, see `Space::repeat`.
    let found = space.outcome(block, 0);
    let end = if matches!(kind, Kind::Argv) { SEPARATOR } else { 0 };
    let mut spellings = Spellings { space, block, anchors, start: slot.start, end, found, too_long: false };
    S::repeat(1 + ANCHORS as u32, &mut spellings);
    if spellings.too_long {
        return Decision::denied(Reason::TooLong);
    }
    let decision = resolve(spellings.found, slot.default_allows, grant);
    if matches!(kind, Kind::Exec) {
        with_arguments(decision, spellings.found, slot.default_allows)
    } else {
        decision
    }
}

/// Whether the text lies below `/run/enforcer`, where the service listens. No rule has it otherwise.
#[inline(always)]
fn is_service<S: Space>(space: &S) -> bool {
    let [begin, end] = [*b"/run/enf", *b"orcer/\0\0"].map(u64::from_le_bytes);
    space.eight(0) == begin && space.eight(8) & (u64::MAX >> 16) == end
}

/// The spellings of a text: first as it is, then from each anchor that it lies below.
struct Spellings<'a, S> {
    space: S,
    block: u32,
    anchors: Option<&'a Anchors>,
    start: u16,
    /// What a path ends with, but for NUL.
    end: u8,
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
            let Some(rest) = self.anchors.and_then(|anchors| below(&self.space, anchors, anchor, self.end))
            else {
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

/// Where the text goes on behind anchor `index`, if the text is the anchor's value or lies below it. A path ends with a
/// NUL, or with `end`.
#[inline(always)]
#[must_use]
pub fn below<S: Space>(space: &S, anchors: &Anchors, index: usize, end: u8) -> Option<u32> {
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
    let next = space.byte(len);
    (matches!(next, b'/' | 0) || next == end).then_some(len)
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
            arguments: Arguments::Ignored,
        };
    }
    let granted = grant();
    if granted != 0 {
        let rule = granted & !GRANT_RECORDED;
        let exception = if granted == rule { 0 } else { rule };
        return Decision {
            verdict: Verdict::Allow,
            reason: Reason::Rule,
            rule,
            exception,
            ..Decision::denied(Reason::Rule)
        };
    }
    if default_allows {
        // An exception that only takes a denial back leaves the text to the default.
        let denied = Decision::denied(Reason::Default);
        return Decision { verdict: Verdict::Allow, exception: found.exception, ..denied };
    }
    Decision::denied(Reason::Default)
}

/// What the rules about arguments change in a verdict about a path: what they could allow goes ahead until its
/// arguments are judged.
#[inline(always)]
#[must_use]
pub fn with_arguments(decision: Decision, found: Outcome, default_allows: bool) -> Decision {
    if found.flags & Outcome::ARGUMENTS == 0 {
        return decision;
    }
    if decision.allows() {
        return Decision { arguments: Arguments::Judged, ..decision };
    }
    let denied = found.flags & (Outcome::DENY | Outcome::EXCEPT | Outcome::ARGUMENTS_EXCEPT) == Outcome::DENY;
    let allowed = default_allows || found.flags & (Outcome::ALLOW | Outcome::ARGUMENTS_ALLOW) != 0;
    if denied || !allowed {
        return decision;
    }
    Decision { arguments: Arguments::Required, ..Decision::allowed(Reason::Rule) }
}
