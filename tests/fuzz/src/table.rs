// SPDX-License-Identifier: MIT OR Apache-2.0

//! Any words as a compiled profile: the reader that the kernel runs comes to a verdict about any text.
//!
//! An input is: which table, the text and how often it is repeated, the anchors, and then the words of the table or, for
//! a compiled one, pairs of places and words to put there. Without any, what holds of compiled profiles must hold.

use std::sync::LazyLock;

use enforcer::profile::{Compiled, Text};
use enforcer_common::{
    Kind, Reason, Verdict,
    anchor::{ANCHORS, Anchors},
    run::STAGE_PROBE,
    table::{STAGES, header},
};

use crate::{input::Input, verdicts};

/// Compiled profiles to begin with: a shipped one, and small ones in which a changed word counts for more.
static PROFILES: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    let small = |lines: &str| format!("version: 1\nname: x\nowner: o\nstages:\n{lines}");
    let texts = [
        include_str!("../../../profiles/npm-install.yaml").to_owned(),
        small("  a: { files: { read: { deny: [\"~/*\", \"/x/**/y\"], except: [\"~/a\"] } } }"),
        small(
            "  a: { exec: { allow: [{ path: \"/b/?\", stage: b, widen: true }] } }\n  b: { network: { default: allow } }",
        ),
    ];
    let compile = |text| Compiled::new(&Text::new("x.yaml", text));
    texts.into_iter().map(compile).collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}"))
});

/// Decides by a table.
pub fn target(input: &[u8]) {
    let mut input = Input(input);
    let choice = usize::from(input.byte());
    let profile = choice.checked_sub(128).map(|choice| &PROFILES[choice % PROFILES.len()]);
    let text = text(&mut input);
    let anchors = anchors(&mut input, &text);
    let table = match profile {
        Some(profile) if input.0.is_empty() => return judge(profile, &text, &anchors),
        Some(profile) => patched(&profile.table, input),
        None => input.words(),
    };
    for stage in (0..=STAGES as u8).chain([STAGE_PROBE]) {
        for &kind in Kind::ALL {
            let (decision, _) = verdicts::by_table(&table, stage, kind, &text, &anchors);
            let used = table.get(header::STAGES_USED as usize).is_some_and(|&used| used > u16::from(stage));
            if usize::from(stage) >= STAGES || !used {
                let reason = if stage == STAGE_PROBE { Reason::Probe } else { Reason::NoRun };
                assert_eq!((decision.verdict, decision.reason), (Verdict::Deny, reason));
            }
        }
    }
}

/// Asks a compiled profile.
fn judge(profile: &Compiled, text: &[u8], anchors: &Anchors) {
    for stage in 0..profile.stages.len() as u8 {
        for &kind in Kind::ALL {
            verdicts::by_profile(profile, stage, kind, text, anchors);
        }
    }
}

/// Some bytes, up to 255 times: what is longer than the kernel's longest text counts too.
fn text(input: &mut Input<'_>) -> Vec<u8> {
    let (times, len) = (input.byte(), input.byte());
    input.bytes(usize::from(len)).repeat(usize::from(times).max(1))
}

/// For each bit of a byte an anchor: the beginning of the text, or a length of its own and nothing like the text.
fn anchors(input: &mut Input<'_>, text: &[u8]) -> Anchors {
    let mut anchors = Anchors::NONE;
    let given = input.byte();
    for index in (0..ANCHORS).filter(|index| given >> index & 1 == 1) {
        let len = input.byte();
        let value = &text[..usize::from(len).min(text.len())];
        for (word, bytes) in anchors.words[index].iter_mut().zip(value.chunks(8)) {
            *word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        }
        // Runs have no longer ones than fit; the reader must not rely on that.
        anchors.len[index] = if len == u8::MAX { input.word() } else { u16::from(len) };
    }
    anchors
}

/// A table with words put into it. Half of the places are in its header, or soon behind that.
fn patched(table: &[u16], mut input: Input<'_>) -> Vec<u16> {
    let mut words = table.to_vec();
    while !input.0.is_empty() {
        let place = usize::from(input.byte()) << 16 | usize::from(input.word());
        let within = if place & 1 == 0 { words.len().min(2048) } else { words.len() };
        words[place / 2 % within] = input.word();
    }
    words
}
