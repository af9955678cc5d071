// SPDX-License-Identifier: MIT OR Apache-2.0

//! Any text as a profile: it is read, compiled, checked, and what is wrong with it is told in every way.

use std::str;

use enforcer::{
    profile::{Compiled, Error, Text, check::check, diff::Diff, explain::Explanation},
    report::{problems, sarif::sarif},
};
use enforcer_common::{Kind, anchor::Anchors};

use crate::verdicts;

/// Texts that profiles are asked about: paths and objects that people write rules for, endpoints, sockets, names.
const TEXTS: [&str; 21] = [
    "/",
    "/usr/bin/node",
    "/bin/sh",
    "/w/home/work/node_modules/a/b.js",
    "/w/home/work/.git/config",
    "/w/home/.ssh/id_rsa",
    "/w/home/.npmrc (deleted)",
    "/tmp/x/y",
    "/x/cache/a.map",
    "/memfd:a/b (deleted)",
    "/proc/self/environ",
    "pipe:[4026]",
    "t4c0000201:01bb",
    "u620010db8000000000000000000000001:0035",
    "t47f000001:0050",
    "/run/user/1000/bus",
    "@abstract",
    "02:1:0006",
    "a.mirror.example",
    "/usr/bin/node\u{1f}-e\u{1f}f()",
    "/w/home/work/node_modules/a/b.js\u{1f}",
];
/// The directories of a run, as anchors.
const DIRECTORIES: [&str; 5] = ["/w/home/work", "/w/home", "/tmp", "/x/cache", "/x"];
/// Rules whose texts are judged like paths, so that some of what is judged is what the profile is about.
const RULES: usize = 8;
/// States up to which a profile is compared with itself: more takes too long to do for every input.
const COMPARED: usize = 3000;

/// Reads a profile.
pub fn target(input: &[u8]) {
    let Some(text) = str::from_utf8(input).ok().filter(|text| !leaves(text)) else { return };
    let source = Text::new("profile.yaml", text.to_owned());
    match check(&source) {
        Err(error) => tell(&error),
        Ok(checked) => {
            checked.warnings.iter().for_each(tell);
            let differences = checked.edges.iter().flat_map(|edge| edge.more.iter().chain(&edge.less));
            differences.for_each(|difference| assert!(!difference.to_string().is_empty()));
            judge(&source, &checked.profile);
        }
    }
}

/// Whether a text may name a file of this machine as its base: that is no matter of the input alone.
fn leaves(text: &str) -> bool {
    text.match_indices("extends").any(|(at, _)| text[at..].chars().take(20).any(|c| c == '/' || c == '\\'))
}

/// Tells what is wrong, in every way that there is.
fn tell(error: &Error) {
    assert!(!error.problems().is_empty());
    assert!(!error.to_string().is_empty());
    assert!(error.render(false).ends_with('\n') && error.render(true).ends_with('\n'));
    assert!(sarif(error.problems().iter()).is_object());
    for problem in error.problems() {
        assert!(problems::problem(problem).is_object());
        let Some(region) = problems::region(problem) else { continue };
        assert!((1, 1) <= region.begin && region.begin <= region.end, "{region:?}");
        assert!(!problem.message.is_empty());
    }
}

/// Asks a profile about some texts, and whether it compiles to the same again.
fn judge(source: &std::sync::Arc<Text>, profile: &Compiled) {
    let again = Compiled::new(source).unwrap_or_else(|error| panic!("refused when read again: {error}"));
    assert_eq!(profile.digest, again.digest);
    assert!(profile.table == again.table && profile.rules == again.rules);
    if profile.states < COMPARED {
        let diff = Diff::new(profile, &again);
        assert!(diff.is_empty(), "{diff:?}");
    }
    let anchors = anchors();
    let rules = profile.rules.iter().take(RULES).map(|rule| rule.text.as_str());
    for text in TEXTS.into_iter().chain(rules) {
        // The kernel's texts have no NUL but the one at their end.
        let text = text.split('\0').next().unwrap_or_default().as_bytes();
        for stage in 0..profile.stages.len() as u8 {
            for &kind in Kind::ALL {
                verdicts::by_profile(profile, stage, kind, text, &anchors);
            }
        }
    }
    explain(source, profile, &anchors);
}

/// Has one verdict explained; which one depends on the profile.
fn explain(source: &std::sync::Arc<Text>, profile: &Compiled, anchors: &Anchors) {
    let pick = usize::from(profile.digest[0]);
    let stage = (pick % profile.stages.len()) as u8;
    let kind = Kind::ALL[pick / 16 % Kind::ALL.len()];
    let text = TEXTS[pick % TEXTS.len()].as_bytes();
    let explained = Explanation::new(source, profile, stage, kind, text, anchors);
    let explained = explained.unwrap_or_else(|error| panic!("refused when explained: {error}"));
    let decision = explained.decision;
    // Names are decided about without the table.
    assert!(kind == Kind::Resolve || decision == profile.decide(stage, kind, text, anchors));
    assert!(decision.rule == 0 || explained.rules.contains(&decision.rule), "{explained:?}");
    assert!(explained.rules.iter().all(|&rule| profile.rule(rule).is_some()));
}

fn anchors() -> Anchors {
    let mut anchors = Anchors::NONE;
    for (index, directory) in DIRECTORIES.iter().enumerate() {
        assert!(anchors.set(index, directory.as_bytes()).is_ok());
    }
    anchors
}
