// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rules about arguments, as they are decided about, checked, compared and explained.

use enforcer_common::{Arguments, Decision, Kind, Reason, anchor::Anchors};

use super::{
    super::{Code, Compiled, Date, Text, check::check_on, diff::Diff, leads_to},
    compile, stage,
};

/// A stage with these exec rules.
fn exec(rules: &str) -> Compiled {
    compile(&stage(&format!("exec: {{ {rules} }}")))
}

fn decide(profile: &Compiled, command: &str) -> Decision {
    let mut words = command.split(' ').map(str::as_bytes);
    let path = words.next().unwrap();
    profile.decide_exec(0, path, &words.collect::<Vec<_>>(), &Anchors::NONE)
}

/// Which of these may be executed under one allow rule.
fn allowed<'a>(args: &str, commands: &[&'a str]) -> Vec<&'a str> {
    let profile = exec(&format!("allow: [{{ path: node, args: {args} }}]"));
    let allows = |command: &str| decide(&profile, &format!("/usr/bin/node{command}")).allows();
    commands.iter().copied().filter(|command| allows(command)).collect()
}

#[test]
fn globs() {
    let commands = ["", " ", " -e", " -e f()", " -e f() g", " x/y.js", " x.js -e", " a -e b"];
    assert_eq!(allowed("[]", &commands), [""]);
    assert_eq!(allowed("['**']", &commands), commands);
    assert_eq!(allowed("['*']", &commands), [" ", " -e", " x/y.js"]);
    assert_eq!(allowed("['-e', '**']", &commands), [" -e", " -e f()", " -e f() g"]);
    assert_eq!(
        allowed("['**', '-e', '**']", &commands),
        [" -e", " -e f()", " -e f() g", " x.js -e", " a -e b"]
    );
    assert_eq!(allowed("['*.js', '**']", &commands), [" x/y.js", " x.js -e"]);
    assert_eq!(allowed("['?', '{-e,-p}', '[!a]']", &commands), [" a -e b"]);
}

#[test]
fn no_argument_looks_like_two() {
    let profile = exec("allow: [{ path: node, args: ['a', 'b'] }]");
    let says = |args: &[&[u8]]| profile.decide_exec(0, b"/usr/bin/node", args, &Anchors::NONE).allows();
    assert!(says(&[b"a", b"b"]));
    assert!(!says(&[b"a\x1fb"]) && !says(&[b"a\x1eb"]));
    // Nor does a path look like a program and its arguments.
    let profile = exec(
        "allow: ['/usr/bin/*', { path: '/usr/bin/*', args: [a] }], deny: [{ path: '/usr/bin/x', args: [a] }]",
    );
    assert!(!decide(&profile, "/usr/bin/x a").allows() && decide(&profile, "/usr/bin/x\x1fa").allows());
}

#[test]
fn a_path_alone_says_whether_arguments_matter() {
    let profile = exec(
        "allow: [cat, sh, { path: node, args: [x] }, '/w/*'], deny: [{ path: sh, args: ['-c', '**'] }, '/w/y'], \
         except: [{ path: '/w/y', args: [z] }]",
    );
    let arguments = |path: &str| {
        let decision = profile.decide(0, Kind::Exec, path.as_bytes(), &Anchors::NONE);
        decision.allows().then_some(decision.arguments)
    };
    assert_eq!(arguments("/bin/cat"), Some(Arguments::Ignored));
    assert_eq!(arguments("/bin/sh"), Some(Arguments::Judged));
    assert_eq!(arguments("/bin/node"), Some(Arguments::Required));
    assert_eq!(arguments("/w/y"), Some(Arguments::Required));
    assert_eq!(arguments("/bin/ls"), None);
    for (command, allows) in [
        ("/bin/sh x", true),
        ("/bin/sh -c x", false),
        ("/bin/node x", true),
        ("/bin/node y", false),
        ("/w/y z", true),
        ("/w/y", false),
        ("/w/x", true),
    ] {
        assert_eq!(decide(&profile, command).allows(), allows, "{command}");
    }
    let long = "a".repeat(5000);
    assert_eq!(decide(&profile, &format!("/bin/sh {long}")).reason, Reason::TooLong);
    assert!(decide(&profile, &format!("/bin/cat {long}")).allows());
}

const STAGES: &str = "version: 1
name: t
owner: o
stages:
  one:
    exec:
      allow:
        - { path: sh, args: ['-c', '**'], stage: two }
        - { path: sh, args: ['-c', 'x'] }
        - { path: sh, stage: three }
      deny: [{ path: sh, args: ['-i'] }, { path: cat, args: ['x'] }]
  two: {}
  three: {}
";

#[test]
fn arguments_lead_to_stages_and_can_be_shadowed() {
    let profile = compile(STAGES);
    assert_eq!(leads_to(&decide(&profile, "/bin/sh -c x")), Some(1));
    assert_eq!(leads_to(&decide(&profile, "/bin/sh x")), Some(2));
    let checked =
        check_on(&Text::new("t.yaml", STAGES.to_owned()), Date::parse("2027-01-01").unwrap()).unwrap();
    let warnings = checked.warnings.unwrap().to_string();
    let [shadowed] = &warnings.lines().collect::<Vec<_>>()[..] else { panic!("{warnings}") };
    assert!(shadowed.starts_with("t.yaml:9:19: W002: this rule never decides: allow"), "{shadowed}");

    let text = STAGES.replace(", args: ['-c', '**'], stage: two", ", stage: two");
    let error = Compiled::new(&Text::new("t.yaml", text)).err().unwrap();
    assert_eq!(error.problems().iter().map(|p| p.code).collect::<Vec<_>>(), [Code::ShadowedStage]);
}

#[test]
fn profiles_are_compared_by_arguments_too() {
    let shown = |one: &str, two: &str| {
        let diff = Diff::new(&exec(one), &exec(two));
        diff.stages
            .iter()
            .flat_map(|stage| stage.allowed.iter().chain(&stage.denied).map(ToString::to_string))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown("allow: [node]", "allow: [{ path: node, args: ['**'] }]"), [""; 0]);
    assert_eq!(
        shown("allow: [node]", "allow: [node], deny: [{ path: node, args: ['-e', '**'] }]"),
        ["exec, such as /usr/bin/node -e x"]
    );
    assert_eq!(
        shown(
            "allow: [{ path: node, args: [a] }]",
            "allow: [{ path: node, args: [a] }, { path: node, args: [b] }]"
        ),
        ["exec, such as /bin/node b"]
    );
    assert_eq!(shown("allow: ['~/x']", "allow: [{ path: '~/x', args: ['y z'] }]"), ["exec, such as ~/x"]);
}
