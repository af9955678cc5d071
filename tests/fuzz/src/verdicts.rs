// SPDX-License-Identifier: MIT OR Apache-2.0

//! What holds of every verdict, and what holds of those of a compiled profile.

use enforcer::profile::{Compiled, Effect};
use enforcer_common::{
    Arguments, Decision, Kind, Reason, Verdict,
    anchor::Anchors,
    decide,
    table::{STAY, Slices, TEXT_MAX},
};

use crate::watched::{Seen, WORDS_MAX, Watched};

/// Decides by any table. The verdict is made in bounded time; what it is depends on the table alone.
pub fn by_table(table: &[u16], stage: u8, kind: Kind, text: &[u8], anchors: &Anchors) -> (Decision, Seen) {
    let anchors = kind.is_path().then_some(anchors);
    let (slices, seen) = (Slices { table, text }, Seen::default());
    let decision = decide(Watched::new(slices, &seen), stage, kind, anchors, || 0);
    assert!(seen.words.get() <= WORDS_MAX, "{} words were read", seen.words.get());
    assert_ne!(decision.verdict, Verdict::WouldDeny);
    assert_ne!((decision.verdict, decision.reason), (Verdict::Allow, Reason::NoRun));
    assert_ne!((decision.verdict, decision.reason), (Verdict::Allow, Reason::TooLong));
    (decision, seen)
}

/// Decides by a profile, for a stage that it has. What decides is one of its rules, or its default.
pub fn by_profile(profile: &Compiled, stage: u8, kind: Kind, text: &[u8], anchors: &Anchors) -> Decision {
    let (decision, seen) = by_table(&profile.table, stage, kind, text, anchors);
    assert!(!seen.outside.get(), "words beyond the table were read");
    let Decision { verdict, reason, rule, stage: next, exception, arguments } = decision;
    if kind == Kind::Argv && !profile.judges_arguments(stage) {
        // The kernel does not ask, and a profile answers by the path.
        let _ = profile.decide(stage, kind, text, anchors);
        return decision;
    }
    if text.len() <= TEXT_MAX {
        assert_eq!(decision, profile.decide(stage, kind, text, anchors));
        assert!(matches!(reason, Reason::Rule | Reason::Default), "{reason:?}");
    }
    match (reason, profile.rule(rule)) {
        (Reason::Rule, Some(rule)) => {
            assert_eq!((rule.stage, rule.kind.action()), (stage, kind.action()));
            assert_eq!(rule.effect == Effect::Deny, verdict == Verdict::Deny, "{rule:?}");
            assert_eq!(rule.leads_to.map_or(STAY, u16::from), next, "{rule:?}");
        }
        (Reason::Rule, None) if arguments == Arguments::Required => assert_eq!((rule, next), (0, STAY)),
        (Reason::Rule, None) => panic!("there is no rule {rule}"),
        _ => assert_eq!((rule, next), (0, STAY)),
    }
    assert!(exception == 0 || profile.rule(exception).is_some_and(|rule| rule.exception.is_some()));
    decision
}
