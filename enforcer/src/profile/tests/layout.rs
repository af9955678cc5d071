// SPDX-License-Identifier: MIT OR Apache-2.0

//! The table is what `enforcer_common::table` says it is, and always the same.

use enforcer_common::{
    Kind,
    anchor::Anchors,
    table::{ABSORBING, MAGIC, TABLE_WORDS, VERSION, slot, word},
};

use super::{
    super::{Compiled, find},
    compile, stage,
};

/// Checks every word.
fn check(profile: &Compiled) {
    let table = &profile.table;
    let at = |index: u32| u32::from(table[index as usize]);
    assert_eq!((table[0], table[1]), (MAGIC, VERSION));
    assert_eq!(at(word::STAGES_USED) as usize, profile.stages.len());
    let (stride, outcomes) = (at(word::STRIDE), at(word::OUTCOMES_USED));
    let rows = at(word::ROWS) | at(word::ROWS + 1) << 16;
    assert_eq!(rows, word::OUTCOMES + outcomes * 4);
    let states = (table.len() as u32 - rows) / stride;
    assert_eq!(rows + states * stride, table.len() as u32);
    assert_eq!(states as usize, profile.states);
    assert!(table.len() <= TABLE_WORDS);
    let valid = |code: u32| {
        let absorbing = u32::from(ABSORBING);
        if code >= absorbing { code - absorbing < outcomes } else { code < states }
    };
    assert!((0..256).all(|byte| at(word::CLASSES + byte) < stride));
    let nul = at(word::CLASSES);
    assert_eq!((0..256).filter(|byte| at(word::CLASSES + byte) == nul).count(), 1, "NUL shares its class");
    assert!((0..128).all(|index| valid(at(word::STARTS + index))));
    for outcome in 0..outcomes {
        let at = |i| at(word::OUTCOMES + outcome * 4 + i);
        let known = |rule: u32| rule as usize <= profile.rules.len();
        assert!(at(0) < 8 && known(at(1)) && known(at(2)));
        assert!(at(3) == 0xffff || (at(3) as usize) < profile.stages.len());
    }
    let mut seen = std::collections::HashSet::new();
    for state in 0..states {
        let row: Vec<u32> = (0..stride).map(|class| at(rows + state * stride + class)).collect();
        assert!(row.iter().all(|&code| valid(code)));
        assert!(row[nul as usize] >= u32::from(ABSORBING), "NUL does not end the walk");
        let rest: Vec<u32> = (0..stride).filter(|&c| c != nul).map(|c| row[c as usize]).collect();
        assert!(rest.iter().any(|&code| code != state), "state {state} should be absorbing");
        assert!(rest.iter().any(|&code| code != row[nul as usize]), "state {state} is its outcome");
        assert!(seen.insert(row), "two states are equal");
    }
}

#[test]
fn tables_are_as_documented() {
    for name in ["npm-install", "node-build"] {
        check(&Compiled::new(&find(name).unwrap()).unwrap());
    }
    check(&compile(&stage("{}")));
    check(&compile(&stage("files: { read: { deny: ['**'] }, write: { allow: ['/**'] } }")));
    check(&compile(&stage("network: { allow: [{ address: any }] }")));
}

#[test]
fn walks_end_as_soon_as_nothing_can_change() {
    let profile = compile(&stage("files: { write: { allow: ['/a/**'] } }"));
    let start = profile.table[(word::STARTS + slot(0, Kind::Write)) as usize];
    let rows = u32::from(profile.table[word::ROWS as usize]);
    let stride = u32::from(profile.table[word::STRIDE as usize]);
    let mut state = u32::from(start);
    for byte in b"/a/" {
        assert!(state < u32::from(ABSORBING));
        let class = u32::from(profile.table[word::CLASSES as usize + usize::from(*byte)]);
        state = u32::from(profile.table[(rows + state * stride + class) as usize]);
    }
    assert_eq!(state, u32::from(ABSORBING) + 1);
    // No rule of this kind at all: not a single step.
    assert_eq!(profile.table[(word::STARTS + slot(0, Kind::Read)) as usize], ABSORBING);
}

#[test]
fn the_same_rules_give_the_same_bytes() {
    let lines =
        "exec: { allow: [node, '@shells'] }\nfiles: { write: { allow: ['${tmp}/*.{a,b}', '~/x/**'] } }";
    let (one, two) = (compile(&stage(lines)), compile(&format!("# A comment.\n\n{}", stage(lines))));
    assert_eq!(one.table, two.table);
    assert_eq!(one.digest, two.digest);
    assert_ne!(one.rules[0].line, two.rules[0].line);
    assert_eq!(one.digest_text().len(), 64);
    let other = compile(&stage(&lines.replace("node", "nodejs")));
    assert_ne!(one.digest, other.digest);
    let audit = compile(&format!("mode: audit\n{}", stage(lines)));
    assert_ne!(one.digest, audit.digest);
}

#[test]
fn anchors_in_use_are_known() {
    let profile = compile(&stage("files: { write: { allow: ['${tmp}/**', '{~,/root}/x'] } }"));
    assert_eq!(profile.anchors, [1, 2]);
}

#[test]
fn a_thousand_globs_fit() {
    let rules: String =
        (0..1000).map(|i| format!("      - '${{workspace}}/packages/p{i}/dist/**'\n")).collect();
    let profile = compile(&stage(&format!("files:\n  write:\n    allow:\n{rules}")));
    let mut anchors = Anchors::NONE;
    anchors.set(0, b"/project").unwrap();
    let decision = profile.decide(0, Kind::Write, b"/project/packages/p777/dist/x/y", &anchors);
    assert_eq!(decision.rule, 778);
}
