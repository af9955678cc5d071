// SPDX-License-Identifier: MIT OR Apache-2.0

//! The table is what `enforcer_common::table` says it is, and always the same.

use enforcer_common::{
    Kind,
    anchor::Anchors,
    table::{
        ABSORBING, CHUNK_WORDS, CHUNKS, MAGIC, Outcome, STAGES, Slices, Slot, Space as _, VERSION, block,
        header,
    },
};

use super::{
    super::{Compiled, find},
    compile, stage,
};

/// The words of a block, from its first on.
fn block_of(profile: &Compiled, place: u32, kind: Kind) -> (Slot, &[u16]) {
    let header = Slices { table: &profile.table, text: &[] };
    let slot = header.slot(place as u8, kind);
    (slot, &profile.table[slot.block as usize..])
}

/// Checks every word.
fn check(profile: &Compiled) {
    let table = &profile.table;
    assert_eq!(table[..3], [MAGIC, VERSION, profile.stages.len() as u16]);
    assert!(table.len() <= CHUNKS * CHUNK_WORDS);
    let mut blocks = std::collections::BTreeMap::new();
    for stage in 0..STAGES as u32 {
        for &kind in Kind::ALL {
            let (slot, block) = block_of(profile, stage, kind);
            blocks.entry(slot.block).or_insert_with(|| check_block(profile, block));
            let absorbing = u32::from(ABSORBING);
            assert!(u32::from(slot.start) < blocks[&slot.block].1 || u32::from(slot.start) >= absorbing);
        }
    }
    // One behind the other, and nothing else.
    let mut end = header::END;
    for (begin, (length, _)) in &blocks {
        assert_eq!(*begin, end);
        end += length;
    }
    assert_eq!(end as usize, table.len());
    assert_eq!(profile.states as u32, blocks.values().map(|(_, states)| states).sum::<u32>());
}

/// Checks a block; returns its words and states.
fn check_block(profile: &Compiled, words: &[u16]) -> (u32, u32) {
    let at = |index: u32| u32::from(words[index as usize]);
    let (stride, outcomes) = (at(block::STRIDE), at(block::OUTCOMES_USED));
    let rows = block::rows(outcomes);
    assert!((0..256).all(|byte| at(rows - block::CLASSES + byte) < stride));
    let nul = at(rows - block::CLASSES);
    assert_eq!(
        (0..256).filter(|byte| at(rows - block::CLASSES + byte) == nul).count(),
        1,
        "NUL shares its class"
    );
    for outcome in 0..outcomes {
        let at = |i| at(block::OUTCOMES + outcome * Outcome::WORDS + i);
        let known = |rule: u32| rule as usize <= profile.rules.len();
        assert!(at(0) < 8 && known(at(1)) && known(at(2)) && known(at(4)));
        assert!(at(3) == 0xffff || (at(3) as usize) < profile.stages.len());
    }
    // States are those that can be reached, in the order in which they are found; the last is the last that is named.
    let mut states = 0;
    let mut state = 0;
    let mut seen = std::collections::HashSet::new();
    let starts = |code: u32| if code < u32::from(ABSORBING) { code + 1 } else { 0 };
    while state < states || state == 0 && profile_starts(profile, words) {
        let row: Vec<u32> = (0..stride).map(|class| at(rows + state * stride + class)).collect();
        let valid = |&code: &u32| code < u32::from(ABSORBING) || code - u32::from(ABSORBING) < outcomes;
        assert!(row.iter().all(valid));
        assert!(row[nul as usize] >= u32::from(ABSORBING), "NUL does not end the walk");
        let rest: Vec<u32> = (0..stride).filter(|&c| c != nul).map(|c| row[c as usize]).collect();
        assert!(rest.iter().any(|&code| code != state), "state {state} should be absorbing");
        assert!(rest.iter().any(|&code| code != row[nul as usize]), "state {state} is its outcome");
        states = row.iter().map(|&code| starts(code)).max().unwrap_or(0).max(states).max(1);
        assert!(seen.insert(row), "two states are equal");
        state += 1;
    }
    (rows + states * stride, states)
}

/// Whether a slot's walks begin in a state of this block, rather than end at once.
fn profile_starts(profile: &Compiled, words: &[u16]) -> bool {
    let slots = (0..STAGES as u32).flat_map(|stage| Kind::ALL.iter().map(move |&kind| (stage, kind)));
    slots
        .map(|(stage, kind)| block_of(profile, stage, kind))
        .any(|(slot, block)| std::ptr::eq(block, words) && slot.start < ABSORBING)
}

#[test]
fn tables_are_as_documented() {
    for name in ["npm-install", "node-build", "pnpm-install", "cargo-build"] {
        check(&Compiled::new(&find(name).unwrap()).unwrap());
    }
    check(&compile(&stage("{}")));
    check(&compile(&stage("files: { read: { deny: ['**'] }, write: { allow: ['/**'] } }")));
    check(&compile(&stage("network: { allow: [{ address: any }] }")));
}

#[test]
fn walks_end_as_soon_as_nothing_can_change() {
    let profile = compile(&stage("files: { write: { allow: ['/a/**'] } }"));
    let (slot, words) = block_of(&profile, 0, Kind::Write);
    let rows = block::rows(u32::from(words[block::OUTCOMES_USED as usize]));
    let stride = u32::from(words[block::STRIDE as usize]);
    let mut state = u32::from(slot.start);
    for byte in b"/a/" {
        assert!(state < u32::from(ABSORBING));
        let class = u32::from(words[(rows - block::CLASSES) as usize + usize::from(*byte)]);
        state = u32::from(words[(rows + state * stride + class) as usize]);
    }
    assert_eq!(state, u32::from(ABSORBING) + 1);
    // No rule of this kind at all: not a single step.
    assert_eq!(block_of(&profile, 0, Kind::Read).0.start, ABSORBING);
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

/// The limits that are stated: 16 stages, each with 1,000 globs.
#[test]
fn sixteen_stages_of_a_thousand_globs_fit() {
    let mut text = String::from("version: 1\nname: large\nowner: a@example.com\nstages:\n");
    for stage in 0..16 {
        text.push_str(&format!("  s{stage}:\n    files:\n      write:\n        allow:\n"));
        for glob in 0..1000 {
            let (team, place) = (glob * 7919 % 1000, glob * 31 % 97);
            text.push_str(&format!("          - '/srv/s{stage}/team-{team}/**/place-{place}*/x{glob}.?s'\n"));
        }
    }
    let profile = compile(&text);
    assert!(profile.table.len() > CHUNK_WORDS, "{} words", profile.table.len());
    let path = format!("/srv/s15/team-{}/a/b/place-{}y/x500.js", 500 * 7919 % 1000, 500 * 31 % 97);
    let decide = |stage| profile.decide(stage, Kind::Write, path.as_bytes(), &Anchors::NONE);
    assert_eq!(decide(15).rule, 15 * 1000 + 501);
    assert!(!decide(14).allows());
}
