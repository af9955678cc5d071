// SPDX-License-Identifier: MIT OR Apache-2.0

//! What exceptions mean, and when.

use enforcer_common::{
    Decision, Kind, Verdict,
    anchor::Anchors,
    table::{Slices, Space as _, block},
};

use super::super::{Compiled, Date, Text, leads_to};

/// A profile with two stages and an exception of the first.
fn profile(rules: &str, exception: &str) -> String {
    format!(
        "version: 1\nname: t\nowner: o\nstages:\n  one:\n    {rules}\n  two: {{}}\nexceptions:\n  - id: EX-1\n    stage: one\n    \
         {exception}\n    reason: because\n    owner: team@example.com\n    expires: 2027-01-31\n"
    )
}

fn on(text: &str, day: &str) -> Compiled {
    let day = Date::parse(day).unwrap();
    Compiled::on(&Text::new("test.yaml", text.to_owned()), day)
        .unwrap_or_else(|error| panic!("{}\n{text}", error.render(false)))
}

fn decide(profile: &Compiled, kind: Kind, path: &str) -> Decision {
    let mut anchors = Anchors::NONE;
    anchors.set(1, b"/home/u").unwrap();
    profile.decide(0, kind, path.as_bytes(), &anchors)
}

/// How many outcomes of a table say that a use is to be recorded.
fn recorded(profile: &Compiled) -> usize {
    let header = Slices { table: &profile.table, text: &[] };
    let slots = Kind::ALL.iter().map(|&kind| header.slot(0, kind).block);
    let blocks: std::collections::BTreeSet<u32> = slots.collect();
    let recorded = |block: u32| {
        let used = header.word(block + block::OUTCOMES_USED);
        (0..used).filter(|&index| header.outcome(block, index).exception != 0).count()
    };
    blocks.into_iter().map(recorded).sum()
}

#[test]
fn an_exception_beats_a_deny_until_its_day() {
    let text = profile("files: { read: { deny: ['@credentials'] } }", "read: ~/.netrc");
    let before = on(&text, "2027-01-30");
    let decision = decide(&before, Kind::Read, "/home/u/.netrc");
    assert_eq!((decision.verdict, decision.rule), (Verdict::Allow, 2));
    assert_eq!(before.rule(2).unwrap().exception.as_deref(), Some("EX-1"));
    assert_eq!(before.rule(1).unwrap().exception, None);
    assert!(recorded(&before) > 0);
    assert!(!decide(&before, Kind::Read, "/home/u/.npmrc").allows());
    let [listed] = &before.exceptions[..] else { panic!("{:?}", before.exceptions) };
    assert_eq!((listed.id.as_str(), listed.stage, listed.rule, listed.line), ("EX-1", 0, Some(2), 9));
    assert_eq!((listed.reason.as_str(), listed.owner.as_str()), ("because", "team@example.com"));
    assert_eq!((listed.expires.to_string().as_str(), listed.expired), ("2027-01-31", false));
    let after = on(&text, "2027-01-31");
    assert!(!decide(&after, Kind::Read, "/home/u/.netrc").allows());
    assert_eq!((after.exceptions[0].expired, after.exceptions[0].rule), (true, None));
    assert_eq!((recorded(&after), after.rules.len()), (0, before.rules.len() - 1));
    assert_ne!(before.digest, after.digest);
}

#[test]
fn an_exception_allows_what_is_not_allowed() {
    let write = on(&profile("files: {}", "write: /srv/**"), "2026-01-01");
    assert!(decide(&write, Kind::Write, "/srv/x").allows());
    assert!(!decide(&write, Kind::Write, "/etc/x").allows());
    let exec = on(&profile("exec: { deny: [curl] }", "exec: '{curl,wget}'"), "2026-01-01");
    assert!(decide(&exec, Kind::Exec, "/usr/bin/curl").allows());
    assert!(decide(&exec, Kind::Exec, "/bin/wget").allows());
    assert!(!decide(&exec, Kind::Exec, "/srv/curl").allows());
    // Only in its stage.
    let decision = exec.decide(1, Kind::Exec, b"/usr/bin/curl", &Anchors::NONE);
    assert!(!decision.allows());
}

#[test]
fn what_another_rule_allows_keeps_its_stage_and_is_recorded() {
    let rules = "exec: { allow: [{ path: '/opt/**', stage: two }], deny: ['/opt/x'] }";
    let exec = on(&profile(rules, "exec: /opt/x"), "2026-01-01");
    for path in ["/opt/x", "/opt/y"] {
        let decision = decide(&exec, Kind::Exec, path);
        assert_eq!((decision.verdict, decision.rule, leads_to(&decision)), (Verdict::Allow, 1, Some(1)));
        assert_eq!(decision.exception, if path == "/opt/x" { 3 } else { 0 });
    }
    assert!(recorded(&exec) > 0);
}

#[test]
fn an_exception_that_only_takes_a_denial_back_is_recorded() {
    let gone = on(&profile("files: { read: { deny: ['/srv/x'] } }", "read: /srv/x"), "2026-01-01");
    let decision = decide(&gone, Kind::Read, "/srv/x (deleted)");
    assert_eq!((decision.verdict, decision.rule, decision.exception), (Verdict::Allow, 0, 2));
}

#[test]
fn memory_files_are_executed_only_if_a_rule_names_them() {
    let allowed = |exception: &str| {
        let exec = on(&profile("exec: { default: allow }", &format!("exec: '{exception}'")), "2026-01-01");
        decide(&exec, Kind::Exec, "/memfd:x/esbuild (deleted)").allows()
    };
    assert!(!allowed("**/esbuild") && !allowed("/**") && !allowed("/memfd:runc*"));
    assert!(allowed("/memfd:x/*"));
}

#[test]
fn network_exceptions() {
    let address = on(&profile("network: {}", "network: { address: 192.0.2.1, ports: [443] }"), "2026-01-01");
    assert!(decide(&address, Kind::Connect, "t4c0000201:01bb").allows());
    assert!(recorded(&address) > 0);
    let host = "network: { host: mirror.example, ports: [443] }";
    let text = profile("network: { allow: [{ host: a.example, ports: [1] }] }", host);
    let rules: Vec<_> = on(&text, "2026-01-01").hosts.iter().map(|h| (h.rule, h.recorded)).collect();
    assert_eq!(rules, [(1, false), (2, true)]);
    assert_eq!(on(&text, "2028-01-01").hosts.len(), 1);
}

#[test]
fn an_expired_exception_is_looked_into_all_the_same() {
    let text = profile("files: {}", "write: srv/x").replace("stage: one", "stage: oen");
    let error = Compiled::on(&Text::new("t.yaml", text), Date::parse("2030-01-01").unwrap()).unwrap_err();
    assert_eq!(error.problems()[0].help.as_deref(), Some("did you mean `one`?"));
    let text = profile("files: {}", "write: srv/x");
    assert!(Compiled::on(&Text::new("t.yaml", text), Date::parse("2030-01-01").unwrap()).is_err());
}
