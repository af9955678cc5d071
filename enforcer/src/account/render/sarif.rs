// SPDX-License-Identifier: MIT OR Apache-2.0

//! SARIF 2.1.0, which code scanning shows: a result for each denial, at the line of the profile that decided, or below which
//! a rule about it would stand.

use enforcer_common::{Kind, Verdict};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::KINDS;
use crate::{
    account::{Account, Refused},
    report::{
        escape::escape,
        sarif::{log, uri},
    },
};

/// The account.
#[must_use]
pub fn sarif(account: &Account) -> Value {
    let run = &account.run;
    let mut invocation = json!({
        "executionSuccessful": run.exit == Some(0),
        "commandLine": run.command,
        "toolExecutionNotifications": account.gaps.iter().map(|gap| json!({
            "level": "warning",
            "message": { "text": plain(gap) },
        })).collect::<Vec<_>>(),
    });
    for (key, time) in [("startTimeUtc", Some(&run.started)), ("endTimeUtc", run.ended.as_ref())] {
        if let Some(time) = time.and_then(|time| utc(time)) {
            invocation[key] = time.into();
        }
    }
    if let Some(exit) = run.exit {
        invocation["exitCode"] = exit.into();
    }
    let results = account.denials.iter().chain(&account.exceptions).map(|refused| result(account, refused));
    let mut sarif = log(KINDS.map(rule).into(), results.collect());
    let about = &mut sarif["runs"][0];
    about["automationDetails"] = json!({ "id": format!("enforcer/{}/", account.legend.name) });
    about["invocations"] = json!([invocation]);
    about["properties"] = json!({
        "profile": account.legend.name,
        "sha256": account.legend.digest,
        "mode": if run.enforced { "enforce" } else { "audit" },
        "decisions": account.count.events(),
        "denied": account.count.denied,
    });
    sarif
}

fn rule(kind: Kind) -> Value {
    let (name, what) = match kind {
        Kind::Exec => ("exec", "A program that the profile does not allow"),
        Kind::Argv => ("argv", "Arguments that the profile does not allow"),
        Kind::Read => ("read", "A file that the profile does not allow to be read"),
        Kind::Write => ("write", "A file that the profile does not allow to be written"),
        Kind::Connect => ("connect", "An address that the profile does not allow to be reached"),
        Kind::Unix => ("unix", "A local socket that the profile does not allow to be reached"),
        Kind::Listen => ("listen", "An address that the profile does not allow to be listened on"),
        Kind::Socket => ("socket", "A kind of socket that the profile does not allow"),
        Kind::Resolve => ("resolve", "A name that the profile does not allow to be looked up"),
        Kind::Escape => ("escape", "A way out of the run"),
    };
    json!({
        "id": format!("enforcer/{name}"),
        "name": name,
        "shortDescription": { "text": what },
        "fullDescription": { "text": format!("{what} was attempted while packages were installed or built.") },
        "defaultConfiguration": { "level": "error" },
        "properties": { "tags": ["security"], "security-severity": "8.0" },
    })
}

fn result(account: &Account, refused: &Refused) -> Value {
    let Refused { denial, events, first, .. } = refused;
    let who = account.actors.get(refused.actor).map_or("", |actor| &actor.name);
    let (what, why) = (denial.what(), account.why(refused));
    let mut text = format!("{who}: {what} ({}; {why})", refused.word());
    if let Some(yaml) = account.remedy_of(refused).filter(|_| denial.verdict != Verdict::Allow) {
        text += &format!(". If this was right to do, add to {}:\n{yaml}", account.legend.file);
    }
    let (file, line) = account.place(refused);
    let program = account.programs.get(refused.program);
    json!({
        "ruleId": format!("enforcer/{}", denial.kind.name()),
        "ruleIndex": KINDS.iter().position(|&kind| kind == denial.kind),
        "level": match denial.verdict {
            Verdict::Deny => "error",
            Verdict::WouldDeny => "warning",
            Verdict::Allow => "note",
        },
        "message": { "text": plain(&text) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": uri(relative(account, &file)) },
                "region": { "startLine": line.unwrap_or(1) },
            },
            "logicalLocations": [{ "name": who, "kind": "package" }],
        }],
        "partialFingerprints": { "denial/v1": fingerprint(account, refused) },
        "occurrenceCount": (*events).max(1),
        "properties": {
            "stage": account.legend.stage(denial.stage),
            "action": denial.kind.action(),
            "target": denial.target.to_string(),
            "verdict": denial.verdict.name(),
            "seconds": *first as f64 / 1e9,
            "program": program.map(|program| &program.exe),
        },
    })
}

/// A file, as the repository names it, if it is in it: code hosts know no other files.
fn relative<'f>(account: &Account, file: &'f str) -> &'f str {
    let workspace = account.legend.anchors.iter().find(|(name, _)| name == "${workspace}");
    let workspace = workspace.map(|(_, value)| escape(value)).unwrap_or_default();
    file.strip_prefix(&*workspace).and_then(|rest| rest.strip_prefix('/')).unwrap_or(file)
}

/// What is the same when it happens again: not the version of the package.
fn fingerprint(account: &Account, refused: &Refused) -> String {
    let Refused { denial, .. } = refused;
    let (name, script) = match denial.attribution.package() {
        Some(package) => (&*package.name, package.script.as_deref().unwrap_or_default()),
        None => (denial.program.as_deref().unwrap_or_default(), &b""[..]),
    };
    let target = denial.target.to_string();
    let stage = account.legend.stage(denial.stage);
    let mut hash = Sha256::new();
    for part in [name, script, denial.kind.name().as_bytes(), target.as_bytes(), stage.as_bytes()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A time, if it is one.
fn utc(time: &str) -> Option<String> {
    humantime::parse_rfc3339(time).ok().map(|time| humantime::format_rfc3339_millis(time).to_string())
}

/// Text of a message in which nothing is a link to somewhere or the place of an argument.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for character in text.chars() {
        match (before, character) {
            (']', '(') => out.push_str("\\u{28}"),
            ('{', '0'..='9') => {
                out.pop();
                out.push_str("\\u{7b}");
                out.push(character);
            }
            _ => out.push(character),
        }
        before = character;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_no_links_and_no_places_of_arguments() {
        assert_eq!(plain("[a](http://x) {0} [1] {path}"), "[a]\\u{28}http://x) \\u{7b}0} [1] {path}");
    }
}
