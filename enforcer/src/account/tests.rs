// SPDX-License-Identifier: MIT OR Apache-2.0

use serde_json::{Value, json};

use super::{
    Account, account,
    render::{html, junit, markdown, sarif, text},
};
use crate::recording::Reader;

/// What a package may call itself, its files and its arguments.
const HOSTILE: [&str; 8] = [
    "</code></pre></details></script><img src=x onerror=evil()><script>evil()</script>",
    "x\" onmouseover=\"evil()\" y='evil'",
    "` evil ```\n\n# evil | evil \\| evil ||\r\n[evil](http://evil.test) ![evil](http://evil.test) <b>evil</b>",
    "]]> --> &evil; <?evil?> <!ENTITY evil> {0} [evil](1) $evil$ @evil #1 http://evil.test www.evil.test",
    "\u{1b}[2J\u{1b}]0;evil\u{7}\u{9b}31m\u{202e}live\u{2066}\u{feff}\u{ffff}\u{fffe}\u{0085}\u{2028}",
    "evil\n\nstages:\n  evil: {}\n```\n~~~\n",
    "{{evil}} ${{ evil }} %0A::set-output name=evil::evil",
    "\\\\ evil \\` evil \\<evil>",
];

/// The header of a recording in which all texts are these.
fn header(text: &str) -> Value {
    let profile = "version: 1\nname: t\nowner: o\nstages:\n  one: {}\n";
    json!({
        "type": "recording", "version": 1, "enforcer": text, "started": "2026-03-31T00:00:00Z", "boottime_ns": 5,
        "mode": "enforce", "command": ["npm", text], "executable": text, "masked": true,
        "user": { "uid": 1, "gid": 1, "name": text }, "host": { "kernel": text, "version": text, "machine": text },
        "hooks": [], "variables": [{ "name": text, "value": "/w" }], "registries": [], "hosts": [],
        "profile": {
            "name": text, "file": text, "sha256": text, "text": profile, "stages": ["one", text],
            "rules": [[text, text]],
        },
    })
}

/// A recording in which all texts are these.
fn hostile(text: &str) -> String {
    let package = json!({ "name": text, "version": text, "script": text, "path": text });
    let mut lines = vec![
        header(text),
        json!({ "type": "image", "id": 1, "t": 0, "pid": 1, "exe": "/bin/npm", "argv": ["npm", text], "attribution": "outside" }),
        json!({ "type": "image", "id": 2, "parent": 1, "t": 1, "pid": 2, "exe": text, "argv": [text, text], "stage": text,
                "attribution": "package", "package": package }),
        json!({ "type": "led", "t": 2, "name": text, "address": "192.0.2.1" }),
    ];
    let kinds = [
        ("exec", text),
        ("read", text),
        ("write", text),
        ("unix", text),
        ("resolve", text),
        ("argv", text),
        ("escape", text),
        ("connect", "t4c0000201:01bb"),
        ("listen", text),
        ("socket", text),
    ];
    for (at, (kind, what)) in kinds.into_iter().enumerate() {
        for verdict in ["deny", "allow"] {
            for (image, reason, rule) in [(1, "default", 0), (2, "default", 0), (2, "rule", 1)] {
                let exception = u16::from(verdict == "allow" && reason == "rule");
                lines.push(json!({
                    "type": "event", "t": at, "image": image, "pid": 2, "tid": 2, "kind": kind, "text": what, "host": text,
                    "stage": text, "verdict": verdict, "reason": reason, "rule": rule, "exception": exception,
                }));
            }
        }
    }
    lines.push(json!({
        "type": "trailer", "ended": text, "exit": 1, "events": 1, "images": 2, "decisions": 1, "denied": { text: 1 },
        "lost_events": 1, "lost_images": 1, "refused_forks": 1, "malformed": 1, "remaining_tasks": 1,
        "budgets": { text: { "spent": 1, "limit": 2 } }, "tripped": text, "refused_since": 3,
    }));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn told(recording: &str) -> Account {
    let (account, fault) = account(Reader::new(recording.as_bytes()).unwrap());
    assert!(fault.is_none(), "{fault:?}");
    account
}

/// Accounts of recordings that somebody made up to do harm.
fn accounts() -> Vec<Account> {
    HOSTILE.iter().map(|text| told(&hostile(text))).collect()
}

/// Nothing in it but characters that show as themselves, and ends of lines.
fn harmless(text: &str) {
    let bad = text.lines().find(|line| !line.chars().all(crate::report::escape::is_harmless));
    assert_eq!(bad, None);
    assert!(!text.contains('\r'));
}

/// The names and attributes of tags.
fn tags(page: &str) -> Vec<String> {
    let mut reader = quick_xml::Reader::from_str(page);
    reader.config_mut().check_end_names = false;
    let mut tags = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => return tags,
            quick_xml::events::Event::Start(tag) => {
                let names = tag.html_attributes().map(|attribute| attribute.unwrap().key.0.to_owned());
                let names: Vec<_> = names.collect();
                tags.push(format!("{} {}", tag.name().0, names.join(" ")));
            }
            _ => {}
        }
    }
}

#[test]
fn a_page_has_no_tags_but_its_own() {
    let known: std::collections::BTreeSet<_> =
        tags(&html::page(&told(&hostile("plain/text")))).into_iter().collect();
    for account in accounts() {
        let page = html::page(&account);
        harmless(&page);
        let strange: Vec<_> = tags(&page).into_iter().filter(|tag| !known.contains(tag)).collect();
        assert!(strange.is_empty(), "{strange:?}");
    }
}

#[test]
fn a_page_asks_for_nothing() {
    for account in accounts() {
        let page = html::page(&account);
        assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"));
        for tag in tags(&page) {
            let (name, attributes) = tag.split_once(' ').unwrap();
            assert!(
                !matches!(name, "script" | "link" | "img" | "iframe" | "object" | "form" | "base"),
                "{tag}"
            );
            for attribute in attributes.split(' ') {
                assert!(
                    !attribute.starts_with("on") && !matches!(attribute, "src" | "style" | "srcset"),
                    "{tag}"
                );
            }
        }
        // Links lead to places of the page.
        assert_eq!(page.matches("href=").count(), page.matches("href=\"#").count());
        assert!(!page.contains("url(") && !page.contains("@import"));
    }
}

#[test]
fn markdown_from_outside_is_code() {
    for account in accounts() {
        let markdown = markdown::markdown(&account, usize::MAX);
        harmless(&markdown);
        let mut fence = None::<String>;
        for line in markdown.lines() {
            let ticks: String = line.chars().take_while(|character| *character == '`').collect();
            match &fence {
                Some(open) if line.trim_end() == open => fence = None,
                Some(_) => {}
                None if ticks.len() >= 3 => fence = Some(ticks),
                None => {
                    assert!(line.matches('`').count() % 2 == 0, "{line}");
                    let outside: String = line.split('`').step_by(2).collect();
                    assert!(!outside.contains("evil") && !outside.contains("set-output"), "{line}");
                    // A table has as many cells as its head.
                    assert!(
                        !line.starts_with('|') || line.matches('|').count() > 2 && !line.contains("||"),
                        "{line}"
                    );
                }
            }
        }
        assert_eq!(fence, None);
    }
}

#[test]
fn markdown_fits_where_it_is_to_go() {
    let account = told(&hostile("plain"));
    let whole = markdown::markdown(&account, usize::MAX);
    for room in (0..=whole.len() + 100).step_by(37) {
        let cut = markdown::markdown(&account, room);
        assert!(
            cut.len() <= room && (cut == whole || cut.is_empty() || cut.ends_with("does not fit here.*\n"))
        );
    }
}

#[test]
fn xml_is_well_formed_and_means_what_it_says() {
    for account in accounts() {
        let xml = junit::junit(&account);
        harmless(&xml);
        let mut reader = quick_xml::Reader::from_str(&xml);
        let (mut suites, mut failures) = (Vec::new(), 0);
        loop {
            match reader.read_event().unwrap() {
                quick_xml::events::Event::Eof => break,
                quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag) => {
                    let name = tag.name().0.to_owned();
                    failures += usize::from(name == "failure");
                    assert!(
                        ["testsuites", "testsuite", "testcase", "failure", "error"].contains(&name.as_str())
                    );
                    for attribute in tag.attributes() {
                        let attribute = attribute.unwrap();
                        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap();
                        if name == "testsuite" && attribute.key.0 == "name" {
                            suites.push(value.into_owned());
                        }
                    }
                }
                quick_xml::events::Event::PI(_)
                | quick_xml::events::Event::DocType(_)
                | quick_xml::events::Event::CData(_) => {
                    panic!("{xml}")
                }
                _ => {}
            }
        }
        assert_eq!(failures, account.denials.len());
        for actor in &account.actors {
            assert!(suites.contains(&actor.name), "{suites:?}");
        }
    }
}

#[test]
fn sarif_has_what_it_must() {
    for account in accounts() {
        let text = format!("{:#}", sarif::sarif(&account));
        harmless(&text);
        let value: Value = serde_json::from_str(&text).unwrap();
        let run = &value["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), account.denials.len() + account.exceptions.len());
        for result in results {
            assert_eq!(rules[result["ruleIndex"].as_u64().unwrap() as usize]["id"], result["ruleId"]);
            assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
            let message = result["message"]["text"].as_str().unwrap();
            assert!(!message.contains("](") && !message.contains("{0}"), "{message}");
            let physical = &result["locations"][0]["physicalLocation"];
            assert!(physical["region"]["startLine"].as_u64().unwrap() >= 1);
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert!(
                uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%:".contains(&byte)),
                "{uri}"
            );
            assert_eq!(result["partialFingerprints"]["denial/v1"].as_str().unwrap().len(), 32);
        }
        let invocation = &run["invocations"][0];
        assert_eq!(invocation["startTimeUtc"], "2026-03-31T00:00:00.000Z");
        assert_eq!(invocation.get("endTimeUtc"), None);
        assert_eq!(invocation["toolExecutionNotifications"].as_array().unwrap().len(), account.gaps.len());
    }
}

#[test]
fn what_is_on_a_terminal_controls_nothing() {
    for account in accounts() {
        let shown = text::text(&account);
        // Its own colours are all that there is.
        for behind in shown.split('\u{1b}').skip(1) {
            let own = behind.strip_prefix('[').and_then(|rest| rest.split_once('m')).map(|(style, _)| style);
            assert!(own.is_some_and(|style| style.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')));
        }
        harmless(&anstream::adapter::strip_str(&shown).to_string());
    }
}

#[test]
fn a_rule_to_add_is_one_item_whatever_the_names() {
    for account in accounts() {
        for refused in &account.denials {
            let Some(yaml) = account.remedy_of(refused) else { continue };
            assert_eq!(yaml.lines().filter(|line| line.trim_start().starts_with("- ")).count(), 1, "{yaml}");
            assert!(!yaml.lines().any(|line| line.starts_with("  evil:")), "{yaml}");
        }
    }
}

#[test]
fn what_can_be_told_of_a_damaged_recording_is() {
    let whole = hostile("plain");
    let account = told(&whole);
    let cut = told(&whole[..whole.len() - 20]);
    assert_eq!((cut.denials.len(), cut.count), (account.denials.len(), account.count));
    assert_eq!(cut.gaps, ["the recording was cut off: it is told up to its last whole line"]);
    assert!(cut.headline().ends_with(", as far as can be read") && !account.headline().contains("as far"));
    let damaged = whole.replace("\"kind\":\"write\"", "\"kind\":\"wr\\u001bite\"");
    let (account, fault) = super::account(Reader::new(damaged.as_bytes()).unwrap());
    assert!(fault.unwrap().to_string().starts_with("line 17: there is no such action"));
    assert!(
        account.count.events() == 12 && account.gaps[0].contains("damaged: line 17"),
        "{:?}",
        account.gaps
    );
    assert!(html::page(&account).contains("damaged: line 17"));
}

/// A run of very many programs, files and denials.
fn large(lines: usize) -> Account {
    let mut recording = format!("{}\n", header("plain"));
    for id in 1..=lines / 8 {
        let parent = if id == 1 { Value::Null } else { json!(id.saturating_sub(1 + id % 3).max(1)) };
        let line = json!({ "type": "image", "id": id, "parent": parent, "t": id * 1000, "pid": id, "stage": "one",
            "exe": format!("/usr/bin/p{}", id % 500), "argv": ["p", format!("{id}")], "attribution": "package",
            "package": { "name": format!("package-{}", id % 3000), "version": "1" } });
        recording += &format!("{line}\n");
        for event in 0..7 {
            let line = json!({ "type": "event", "t": id * 1_000_000, "image": id, "pid": id, "tid": id,
                "kind": if event == 0 { "write" } else { "read" }, "text": format!("/w/d{}/e{event}/f{id}", id % 100), "stage": "one",
                "verdict": if id % 10 == 0 { "deny" } else { "allow" }, "reason": "default" });
            recording += &format!("{line}\n");
        }
    }
    told(&recording)
}

#[test]
fn an_account_does_not_grow_with_the_recording() {
    let (one, four) = (large(160_000), large(640_000));
    assert!(four.count.events() > 3 * one.count.events());
    assert!(one.programs.len() <= 5000 && four.programs.len() <= 5000 && four.actors.len() <= 1001);
    let size = |account: &Account| html::page(account).len();
    assert!(size(&four) < size(&one) * 5 / 4, "{} and {}", size(&one), size(&four));
    assert!(size(&four) < 16 << 20);
    assert!(four.gaps.len() > one.gaps.len() || !one.gaps.is_empty());
}

#[test]
fn a_chain_of_programs_is_not_deeper_than_a_browser_can_show() {
    let mut recording = format!("{}\n", header("plain"));
    for id in 1..2000 {
        let parent = if id == 1 { Value::Null } else { json!(id - 1) };
        let line = json!({ "type": "image", "id": id, "parent": parent, "t": id, "pid": 1, "exe": format!("/bin/p{id}"),
            "argv": [], "attribution": "outside" });
        recording += &format!("{line}\n");
    }
    let account = told(&recording);
    assert_eq!(account.programs.len(), 1999);
    assert!(account.programs.iter().all(|program| program.depth <= 41));
    let page = html::page(&account);
    assert_eq!(page.matches("<li class=\"quiet\"").count(), 1999);
}

#[test]
fn what_is_the_same_is_told_once() {
    let mut recording = hostile("plain");
    recording.truncate(recording.rfind("{\"budgets\"").unwrap());
    for id in 3..103 {
        let line = json!({ "type": "image", "id": id, "parent": 1, "t": id, "pid": id, "exe": "/bin/git", "argv": ["git", "status"],
            "attribution": "outside" });
        recording += &format!("{line}\n");
    }
    let account = told(&recording);
    let git: Vec<_> = account.programs.iter().filter(|program| program.name == "git").collect();
    assert_eq!((git.len(), git[0].times, git[0].args.as_str()), (1, 100, "status"));
}
