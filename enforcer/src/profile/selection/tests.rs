// SPDX-License-Identifier: MIT OR Apache-2.0

use std::sync::Arc;

use super::{super::Text, *};

/// A profile with these items.
fn profile(name: &str, select: &str) -> Compiled {
    let text = format!(
        "version: 1\nname: {name}\nowner: someone@example.com\nselect:\n{select}\nstages:\n  all:\n    exec: {{ default: allow }}\n"
    );
    let source: Arc<Text> = Text::new(name, text);
    Compiled::new(&source).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

fn selection(profiles: &[&Compiled]) -> Result<Selection, Error> {
    let numbered: Vec<_> = (0..).zip(profiles).map(|(index, profile)| (*profile, index)).collect();
    Selection::new(&numbered, |name| (name == "builder").then_some(1000))
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut text = Vec::new();
    let rest = words[1..].iter().map(|word| word.as_bytes());
    enforcer_common::argv::write(words[0].as_bytes(), rest, |byte| text.push(byte));
    text
}

/// Asks about a command, in a job of a runner's.
fn ask(selection: &Selection, words: &[&str]) -> Option<u16> {
    ask_with(selection, words, "/builds/app", &["GITHUB_REPOSITORY=org/app"], 1000)
}

fn ask_with(selection: &Selection, words: &[&str], cwd: &str, environment: &[&str], uid: u32) -> Option<u16> {
    let environment: Vec<&[u8]> = environment.iter().map(|variable| variable.as_bytes()).collect();
    selection.choose(&Asked {
        command: &command(words),
        directory: cwd.as_bytes(),
        cgroup: b"/actions.runner.org.service/system.slice",
        uid,
        environment: &environment,
    })
}

#[test]
fn a_command_is_known_however_it_is_run() {
    let npm = profile("npm", "  - argv: [npm, '{ci,install}']");
    let selection = selection(&[&npm]).unwrap();
    for words in [
        &["/usr/bin/npm", "ci"][..],
        &["/usr/bin/env", "node", "/usr/bin/npm", "ci"],
        &["/usr/bin/node", "/usr/bin/npm", "install", "left-pad"],
        &["/usr/bin/node", "--no-warnings", "./node_modules/.bin/npm", "ci"],
        &["/bin/sh", "npm", "ci"],
    ] {
        assert_eq!(ask(&selection, words), Some(0), "{words:?}");
    }
    for words in [
        &["/usr/bin/npm"][..],
        &["/usr/bin/npm", "run", "ci"],
        &["/usr/bin/npm", "cix"],
        &["/usr/bin/xnpm", "ci"],
        &["/usr/bin/node", "/usr/bin/other", "npm", "ci"],
        &["/bin/sh", "-c", "npm ci"],
        &["/usr/bin/echo", "npm", "ci"],
        &["/usr/bin/node", "xnpm", "ci"],
        &["/usr/bin/node", "-/npm", "ci"],
        &["/usr/bin/node", "-/npm", "-/pip", "ci"],
    ] {
        assert_eq!(ask(&selection, words), None, "{words:?}");
    }
}

#[test]
fn options_do_not_count_and_a_command_may_end() {
    let yarn =
        profile("yarn", "  - argv: [yarn, '$']\n  - argv: [cargo, '+*', build]\n  - argv: [go, '**', x]");
    let selection = selection(&[&yarn]).unwrap();
    for words in [
        &["/usr/bin/yarn"][..],
        &["/usr/bin/yarn", "--frozen-lockfile", "-s"],
        &["/usr/bin/env", "node", "/usr/bin/yarn", "--silent"],
        &["/usr/bin/cargo", "-q", "+1.85", "--offline", "build", "--release", "x"],
        &["/usr/bin/go", "a", "b", "x"],
        &["/usr/bin/go", "x"],
    ] {
        assert_eq!(ask(&selection, words), Some(0), "{words:?}");
    }
    for words in [&["/usr/bin/yarn", "build"][..], &["/usr/bin/cargo", "build"], &["/usr/bin/go", "a"]] {
        assert_eq!(ask(&selection, words), None, "{words:?}");
    }
}

#[test]
fn the_shipped_profiles_select_together() {
    let names = ["cargo-build", "npm-install", "npm-publish", "pip-install", "pnpm-install", "yarn-install"];
    let shipped = names.map(|name| super::super::load(name).unwrap());
    let selection = selection(&shipped.each_ref()).unwrap();
    for (index, words) in [
        &["/usr/bin/cargo", "+nightly", "check"][..],
        &["/usr/bin/env", "node", "/usr/bin/npm", "ci"],
        &["/usr/bin/npm", "publish", "--tag", "next"],
        &["/usr/bin/python3.11", "/usr/bin/pip3", "--no-input", "install", "x"],
        &["/usr/bin/pnpm", "i"],
        &["/usr/bin/yarn"],
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(ask(&selection, words), Some(index as u16), "{words:?}");
    }
    for words in [&["/usr/bin/npm", "run", "ci"][..], &["/usr/bin/npm", "test"], &["/usr/bin/yarn", "build"]]
    {
        assert_eq!(ask(&selection, words), None, "{words:?}");
    }
}

#[test]
fn all_that_an_item_says_must_be_true() {
    let one = profile(
        "one",
        "  - exe: /usr/bin/node\n    cwd: /builds/**\n    uid: builder\n    unit: 'actions.runner.*.service'\n    cgroup: /system.slice/**\n    env: { GITHUB_REPOSITORY: 'org/*' }",
    );
    let selection = selection(&[&one]).unwrap();
    let node = &["/usr/bin/node", "x.js"][..];
    let job = &["A=1", "GITHUB_REPOSITORY=org/app"][..];
    assert_eq!(ask_with(&selection, node, "/builds/a", job, 1000), Some(0));
    assert_eq!(ask_with(&selection, node, "/builds", job, 1000), Some(0));
    assert_eq!(ask_with(&selection, &["/usr/bin/nodejs"], "/builds/a", job, 1000), None);
    assert_eq!(ask_with(&selection, node, "/home/a", job, 1000), None);
    assert_eq!(ask_with(&selection, node, "/builds/a", job, 0), None);
    assert_eq!(ask_with(&selection, node, "/builds/a", &["GITHUB_REPOSITORY=other/app"], 1000), None);
    assert_eq!(ask_with(&selection, node, "/builds/a", &[], 1000), None);
    let of = |cgroup: &[u8]| {
        selection.choose(&Asked {
            command: &command(node),
            directory: b"/builds",
            cgroup,
            uid: 1000,
            environment: &[b"GITHUB_REPOSITORY=org/app"],
        })
    };
    assert_eq!(of(b"/job-7/actions.runner.x.service/system.slice"), Some(0));
    assert_eq!(of(b"/actions.runner.x.service/user.slice"), None);
    assert_eq!(of(b"/ssh.service/system.slice"), None);
}

#[test]
fn the_most_specific_item_is_chosen() {
    let all = profile("all", "  - argv: [npm]");
    let ci = profile("ci", "  - argv: [npm, ci]");
    let ours = profile("ours", "  - argv: [npm]\n    env: { GITHUB_REPOSITORY: org/app }");
    let selection = selection(&[&all, &ci, &ours]).unwrap();
    let other = &["GITHUB_REPOSITORY=org/other"][..];
    assert_eq!(ask(&selection, &["/usr/bin/npm", "ci"]), Some(2));
    assert_eq!(ask_with(&selection, &["/usr/bin/npm", "ci"], "/", other, 0), Some(1));
    assert_eq!(ask_with(&selection, &["/usr/bin/npm", "x"], "/", other, 0), Some(0));
}

#[test]
fn what_could_be_meant_by_two_profiles_is_an_error() {
    let tie = |one: &str, other: &str| selection(&[&profile("one", one), &profile("two", other)]).err();
    let both = Some(Error::Tie { first: "one:5".to_owned(), second: "two:5".to_owned() });
    assert_eq!(tie("  - argv: [npm, ci]", "  - argv: [npm, '{ci,install}']"), both);
    assert_eq!(tie("  - argv: [npm, ci]", "  - argv: [npm, install]"), None);
    assert_eq!(tie("  - cwd: /a/**", "  - cwd: /b/**"), None);
    assert_eq!(tie("  - cwd: /a/**", "  - cwd: '/*/b'"), both);
    assert_eq!(tie("  - uid: 1", "  - uid: 2"), None);
    assert_eq!(tie("  - env: { A: x }", "  - env: { A: y }"), None);
    assert_eq!(tie("  - env: { A: 'x*' }", "  - env: { A: '*y' }"), both);
    assert_eq!(tie("  - env: { A: x }", "  - env: { B: x }"), both);
    assert_eq!(
        tie("  - uid: nobody-known", "  - uid: 2"),
        Some(Error::NoUser { place: "one:5".to_owned(), name: "nobody-known".to_owned() })
    );
}

#[test]
fn values_of_anchors_come_from_variables_and_defaults() {
    let text = "version: 1\nname: a\nowner: a@example.com\nselect:\n  - argv: [a]\nstages:\n  all:\n    files: { read: { deny: ['${env.CACHE:-~/.cache}/**', '${env.OTHER}/x'] } }\n";
    let profile = Compiled::new(&Text::new("a", text.to_owned())).unwrap();
    let selection = selection(&[&profile]).unwrap();
    let sources = selection.sources(&profile);
    let text = |source: &Source| {
        let bytes: Vec<u8> = source.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        String::from_utf8(bytes[..source.len as usize].to_vec()).unwrap()
    };
    assert_eq!((sources[0].variable, sources[0].base), (Source::NONE, Source::NONE));
    assert_eq!((sources[1].variable, sources[1].base), (0, Source::NONE));
    assert_eq!((sources[2].variable, text(&sources[2])), (1, "/tmp".to_owned()));
    assert_eq!((sources[3].variable, sources[3].base, text(&sources[3])), (2, 1, "/.cache".to_owned()));
    assert_eq!((sources[4].variable, sources[4].len), (3, 0));
}
