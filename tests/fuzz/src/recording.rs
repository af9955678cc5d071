// SPDX-License-Identifier: MIT OR Apache-2.0

//! Any bytes as a recording: it is read, a profile is asked about what is in it, and reports tell of it.

use std::sync::{Arc, LazyLock};

use enforcer::{
    account::{
        account,
        render::{html, junit, markdown, sarif, text},
    },
    profile::{Compiled, Text},
    recording::Reader,
    replay::{Own, Question, replay_from},
};

/// Who is asked. Its name is no recording's, so that stages and open addresses are worked out.
static PROFILE: LazyLock<Arc<Compiled>> = LazyLock::new(|| {
    let text = include_str!("../../../profiles/npm-install.yaml");
    let compiled = Compiled::new(&Text::new("x.yaml", text.replace("name: npm-install", "name: x")));
    Arc::new(compiled.unwrap_or_else(|error| panic!("{error}")))
});
/// The beginning of a recording, in whose place an input may have a number: so that all of it is lines behind it.
const BEGINNING: &str = include_str!("recording.jsonl");

/// Reads a recording. The first byte says whether the input is a whole one, or lines behind a header that is right.
pub fn target(input: &[u8]) {
    let Some((&first, rest)) = input.split_first() else { return };
    if first == b'+' {
        read(&[BEGINNING.as_bytes(), rest].concat());
    } else {
        read(input);
    }
}

fn read(input: &[u8]) {
    report(input);
    let question = Question { profile: Some(Arc::clone(&PROFILE)), ..Question::default() };
    let replayed = Reader::new(input).and_then(|reader| replay_from(reader, &question, &Own::default()));
    match replayed {
        Err(fault) => harmless(&fault.to_string()),
        Ok(tally) => {
            assert!(tally.denied + tally.undecided <= tally.events && tally.own == 0);
            let told: u64 = tally.findings.values().sum();
            assert_eq!(told + tally.further, tally.denied);
            for finding in tally.findings.keys() {
                [&finding.who, &finding.target, &finding.stage].into_iter().for_each(|text| harmless(text));
            }
        }
    }
}

/// In every format, whatever can be read of it.
fn report(input: &[u8]) {
    let Ok(reader) = Reader::new(input) else { return };
    let (account, _) = account(reader);
    let (text, sarif) = (text::text(&account), sarif::sarif(&account).to_string());
    // Without its own colours.
    for part in text.split("\u{1b}[") {
        let own = part.trim_start_matches(|character: char| character.is_ascii_digit() || character == ';');
        own.lines().for_each(harmless);
    }
    for report in
        [html::page(&account), markdown::markdown(&account, usize::MAX), junit::junit(&account), sarif]
    {
        report.lines().for_each(harmless);
    }
}

/// Nothing that anybody wrote reaches a terminal as it is.
fn harmless(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
}
