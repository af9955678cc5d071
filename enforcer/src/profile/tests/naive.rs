// SPDX-License-Identifier: MIT OR Apache-2.0

//! The automaton against an evaluation that looks at every rule and knows nothing of automata.

use enforcer_common::{Decision, Kind, Reason, Verdict, anchor::Anchors, table::STAY};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::RngSeed};

use super::super::{Code, Compiled, Date, Text};

/// Whether a glob matches a text, the slow way. `whole` says that nothing of the text was taken yet.
fn matches(glob: &[u8], text: &[u8], whole: bool) -> bool {
    match glob {
        [] => text.is_empty(),
        [b'/', b'*', b'*'] => (text.is_empty() && !whole) || text.starts_with(b"/"),
        [b'/', b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| {
            let directories = at == 0 || text[0] == b'/' && text.get(at).is_none_or(|&b| b == b'/');
            directories && matches(rest, &text[at..], whole && at == 0)
        }),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| matches(rest, &text[at..], false)),
        [b'*', rest @ ..] => {
            let end = text.iter().position(|&b| b == b'/').unwrap_or(text.len());
            (0..=end).any(|at| matches(rest, &text[at..], false))
        }
        [b'?', rest @ ..] => text.first().is_some_and(|&b| b != b'/') && matches(rest, &text[1..], false),
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|&b| b == b']').unwrap();
            let (negated, set) = match &rest[..end] {
                [b'!', set @ ..] => (true, set),
                set => (false, set),
            };
            text.first().is_some_and(|b| !matches!(*b, b'/' | SLASH) && set.contains(b) != negated)
                && matches(&rest[end + 1..], &text[1..], false)
        }
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
            text.first() == Some(byte) && matches(rest, &text[1..], false)
        }
    }
}

/// The globs that a glob with `{…}` stands for.
fn written_out(glob: &str) -> Vec<String> {
    // The last `{` has no other within.
    let Some(open) = glob.rfind('{').filter(|&at| !glob[..at].ends_with('$')) else {
        return vec![glob.to_owned()];
    };
    let close = open + glob[open..].find('}').unwrap();
    glob[open + 1..close]
        .split(',')
        .flat_map(|choice| written_out(&format!("{}{choice}{}", &glob[..open], &glob[close + 1..])))
        .collect()
}

/// Whether globs match a list of arguments, the slow way.
fn arguments_match(globs: &[String], args: &[&str]) -> bool {
    match globs {
        [] => args.is_empty(),
        [any, rest @ ..] if any == "**" => (0..=args.len()).any(|at| arguments_match(rest, &args[at..])),
        [glob, rest @ ..] => {
            // In an argument a slash is a character like others, but for classes, so it becomes one for the matcher of paths.
            let one = |arg: &str| {
                let plain = |text: &str| text.replace('/', &char::from(SLASH).to_string()).into_bytes();
                written_out(glob).iter().any(|glob| matches(&plain(glob), &plain(arg), false))
            };
            args.split_first().is_some_and(|(arg, others)| one(arg) && arguments_match(rest, others))
        }
    }
}

/// What stands for a slash in arguments.
const SLASH: u8 = 1;

const WORKSPACE: &str = "/h/u/w";
const HOME: &str = "/h/u";
const CACHE: &str = "/h/u/a";

/// Whether a glob matches a path, in one of the path's spellings. `deleted` says that deleted files count too.
fn applies(glob: &str, path: &str, deleted: bool) -> bool {
    let ends = if deleted { &["", " (deleted)"] } else { &[""][..] };
    written_out(glob).iter().any(|one| {
        let anchors = [("~", HOME), ("${workspace}", WORKSPACE), ("${env.CACHE}", CACHE)];
        let anchor = anchors.iter().find_map(|(name, value)| Some((one.strip_prefix(name)?, value)));
        let (one, path) = match anchor {
            Some((rest, value)) => (rest, below(path, value)),
            None => (one.as_str(), Some(path)),
        };
        let Some(path) = path else { return false };
        ends.iter().any(|end| {
            let one = if one.ends_with("**") { one.to_owned() } else { format!("{one}{end}") };
            // What an anchor stands for was taken already.
            matches(one.as_bytes(), path.as_bytes(), anchor.is_none())
        })
    })
}

/// The rest of a path behind a directory.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    path.strip_prefix(directory).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What a rule is about.
#[derive(Clone, Debug)]
enum What {
    Glob(String),
    Types(Vec<&'static str>),
    /// Index of a label.
    Label(usize),
}

#[derive(Clone, Debug)]
struct Written {
    effect: &'static str,
    what: What,
    leads: bool,
    /// What it says of arguments.
    args: Option<Vec<String>>,
}

impl Written {
    fn text(&self) -> String {
        match &self.what {
            What::Glob(glob) if self.leads || self.args.is_some() => {
                let args = self.args.as_ref().map(|args| match args.is_empty() {
                    true => ", args: []".to_owned(),
                    false => format!(", args: ['{}']", args.join("', '")),
                });
                let stage = if self.leads { ", stage: two" } else { "" };
                format!("{{ path: '{glob}'{}{stage} }}", args.unwrap_or_default())
            }
            What::Glob(glob) => format!("'{glob}'"),
            What::Types(types) => match types[..] {
                [one] => format!("{{ type: {one} }}"),
                _ => format!("{{ types: [{}] }}", types.join(", ")),
            },
            What::Label(label) => format!("{{ label: l{label} }}"),
        }
    }
}

/// An exception: what it is about, and whether it still applies.
#[derive(Clone, Debug)]
struct Exempt {
    glob: String,
    applies: bool,
}

/// A profile's rules for writing, executing or local sockets.
#[derive(Clone, Debug)]
struct Rules {
    kind: Kind,
    default_allows: bool,
    rules: Vec<Written>,
    labels: Vec<Vec<String>>,
    exceptions: Vec<Exempt>,
}

/// The verdict, why, the rule, the stage, and the exception that is recorded.
type Answer = (Verdict, Reason, u16, u16, u16);

impl Rules {
    fn text(&self) -> String {
        let mut text = String::from("version: 1\nname: t\nowner: o\nclassify:\n");
        for (index, globs) in self.labels.iter().enumerate() {
            text += &format!("  l{index}: ['{}']\n", globs.join("', '"));
        }
        let (keys, key) = match self.kind {
            Kind::Exec => ("    exec:\n", "exec"),
            Kind::Unix => ("    network:\n", "network"),
            _ => ("    files:\n     write:\n", "write"),
        };
        let rule = |text: String| if key == "network" { format!("{{ unix: {text} }}") } else { text };
        text += &format!("stages:\n  one:\n{keys}");
        text += if self.default_allows { "      default: allow\n" } else { "      default: deny\n" };
        for effect in ["allow", "deny", "except"] {
            if self.rules.iter().any(|rule| rule.effect == effect) {
                text += &format!("      {effect}:\n");
            }
            for written in self.rules.iter().filter(|rule| rule.effect == effect) {
                text += &format!("        - {}\n", rule(written.text()));
            }
        }
        text += "  two: {}\nexceptions:\n";
        for (index, Exempt { glob, applies }) in self.exceptions.iter().enumerate() {
            let expires = if *applies { "2026-06-02" } else { "2026-06-01" };
            text += &format!("  - {{ id: E{index}, stage: one, {key}: {}, ", rule(format!("'{glob}'")));
            text += &format!("reason: r, owner: o, expires: {expires} }}\n");
        }
        text
    }

    fn applies(&self, rule: &Written, path: &str) -> bool {
        let deleted = rule.effect != "allow";
        match &rule.what {
            What::Glob(glob) => applies(glob, path, deleted),
            What::Types(types) => types.iter().any(|end| applies(&format!("**/*{end}"), path, deleted)),
            What::Label(label) => self.labels[*label].iter().any(|glob| applies(glob, path, deleted)),
        }
    }

    fn evaluate(&self, path: &str, args: &[&str]) -> Answer {
        let number = |index: usize| index as u16 + 1;
        let found = |effect: &str| {
            let rules = self.rules.iter().enumerate();
            rules.filter(|(_, rule)| rule.effect == effect).find(|(_, rule)| {
                self.applies(rule, path)
                    && rule.args.as_ref().is_none_or(|globs| arguments_match(globs, args))
            })
        };
        let exceptions = || self.exceptions.iter().filter(|exception| exception.applies).enumerate();
        let mut excepting = exceptions().filter(|(_, exception)| applies(&exception.glob, path, true));
        let used = excepting.next().map_or(0, |(index, _)| number(self.rules.len() + index));
        if let (Some((rule, _)), None, 0) = (found("deny"), found("except"), used) {
            return (Verdict::Deny, Reason::Rule, number(rule), STAY, 0);
        }
        if let Some((rule, written)) = found("allow") {
            let stage = if written.leads { 1 } else { STAY };
            return (Verdict::Allow, Reason::Rule, number(rule), stage, used);
        }
        if let Some((index, _)) = exceptions().find(|(_, exception)| applies(&exception.glob, path, false)) {
            return (Verdict::Allow, Reason::Rule, number(self.rules.len() + index), STAY, used);
        }
        match self.default_allows {
            true => (Verdict::Allow, Reason::Default, 0, STAY, used),
            false => (Verdict::Deny, Reason::Default, 0, STAY, 0),
        }
    }
}

/// A component of a glob, out of few pieces, so that globs and paths meet.
fn component() -> impl Strategy<Value = String> {
    let piece =
        select(vec!["a", "b", "ab", "*", "?", "[ab]", "[!a]", "{a,b}", "{,a}", "{a/b,b}", r"\*", "."]);
    prop_oneof![
        4 => vec(piece, 1..4).prop_map(|p| p.concat()),
        1 => Just("**".to_owned()),
    ]
    .prop_filter("no component that is never", |c| {
        // Two stars that meet, and components that may be empty or dots, are refused by the compiler.
        (c == "**" || !c.contains("**"))
            && !c.contains("*{,a}*")
            && written_out(c).iter().all(|c| c.split('/').all(|c| !c.is_empty() && c != "." && c != ".."))
    })
}

fn glob() -> impl Strategy<Value = String> {
    let root = select(vec!["/", "/", "/h/u/", "~/", "${workspace}/", "${env.CACHE}/", "/h/*/", "**/"]);
    (root, vec(component(), 1..4)).prop_map(|(root, components)| format!("{root}{}", components.join("/")))
}

fn rule(kind: Kind, labels: usize) -> impl Strategy<Value = Written> {
    let effects = &["allow", "allow", "deny", "except"][..];
    // The language has no except rules for the network.
    let effect = select(if kind == Kind::Unix { &effects[..3] } else { effects });
    let types = vec(select(vec![".b", ".a", ".b.a"]), 1..3);
    let what = if kind != Kind::Write {
        glob().prop_map(What::Glob).boxed()
    } else {
        let label = (0..labels).prop_map(What::Label);
        prop_oneof![4 => glob().prop_map(What::Glob), 1 => types.prop_map(What::Types), 1 => label].boxed()
    };
    let args = prop_oneof![2 => Just(None), 1 => vec(argument_glob(), 0..4).prop_map(Some)];
    (effect, what, any::<bool>(), args).prop_map(move |(effect, what, leads, args)| {
        let leads = leads && kind == Kind::Exec && effect == "allow";
        let args = args.filter(|_| kind == Kind::Exec);
        Written { effect, what, leads, args }
    })
}

/// A glob for one argument, or for any number of them.
fn argument_glob() -> impl Strategy<Value = String> {
    let piece = select(vec!["a", "b", "-e", "*", "?", "[ab]", "[!a]", "{a,b}", "{,a}", "/"]);
    prop_oneof![
        3 => vec(piece, 1..4).prop_map(|p| p.concat()),
        1 => Just("**".to_owned()),
    ]
    .prop_filter("no stars that meet", |glob| {
        glob == "**" || written_out(glob).iter().all(|one| !one.contains("**") && !one.is_empty())
    })
}

fn argument() -> impl Strategy<Value = &'static str> {
    select(vec!["", "a", "b", "ab", "-e", "a/b", "/", "-ea", "ba"])
}

fn rules() -> impl Strategy<Value = Rules> {
    let labels = vec(vec(glob(), 1..3), 1..4);
    let exception = (glob(), any::<bool>()).prop_map(|(glob, applies)| Exempt { glob, applies });
    let kind = select(vec![Kind::Exec, Kind::Write, Kind::Unix]);
    (kind, any::<bool>(), labels, vec(exception, 0..4)).prop_flat_map(
        |(kind, default_allows, labels, exceptions)| {
            vec(rule(kind, labels.len()), 1..12).prop_map(move |mut rules| {
                // By effect, so that the order in the file is the order here.
                rules.sort_by_key(|rule| rule.effect);
                let (labels, exceptions) = (labels.clone(), exceptions.clone());
                Rules { kind, default_allows, rules, labels, exceptions }
            })
        },
    )
}

fn path() -> impl Strategy<Value = String> {
    let root = select(vec!["", "/h/u", "/h/u", WORKSPACE, WORKSPACE, "/h/uu", "/h/u/ww"]);
    let component = select(vec![
        "a",
        "b",
        "ab",
        "ba",
        "aa",
        "abb",
        "*",
        ".",
        "a.b",
        "w",
        "ä",
        "b (deleted)",
        "a (deleted)",
    ]);
    (root, vec(component, 0..5)).prop_map(|(root, components)| {
        let path: String = components.iter().map(|c| format!("/{c}")).collect();
        if root.is_empty() && path.is_empty() { "/".to_owned() } else { format!("{root}{path}") }
    })
}

/// So many cases. The seed is printed where a test fails, and `PROPTEST_RNG_SEED` takes it.
pub(super) fn config(cases: u32) -> ProptestConfig {
    let given = std::env::var("PROPTEST_RNG_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64
    });
    println!("PROPTEST_RNG_SEED={seed}");
    let rng_seed = RngSeed::Fixed(seed);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(420))]

    /// 420 sets of rules, 250 paths each: 105,000.
    #[test]
    fn the_automaton_says_what_the_rules_say(rules in rules(), paths in vec((path(), vec(argument(), 0..4)), 250)) {
        let text = rules.text();
        let day = Date::parse("2026-06-01").unwrap();
        let profile = match Compiled::on(&Text::new("t.yaml", text.clone()), day) {
            Ok(profile) => profile,
            // A transition that never happens is refused; that is another test's matter.
            Err(error) if error.problems().iter().all(|p| p.code == Code::ShadowedStage) => {
                return Err(TestCaseError::reject("a transition that never happens"));
            }
            Err(error) => panic!("{}\n{text}", error.render(false)),
        };
        let mut anchors = Anchors::NONE;
        for (index, value) in [(0, WORKSPACE), (1, HOME), (3, CACHE)] {
            anchors.set(index, value.as_bytes()).unwrap();
        }
        for (path, args) in &paths {
            let by_path = profile.decide(0, rules.kind, path.as_bytes(), &anchors);
            let bytes: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
            let decision = match rules.kind {
                Kind::Exec => profile.decide_exec(0, path.as_bytes(), &bytes, &anchors),
                _ => by_path,
            };
            let Decision { verdict, reason, rule, stage, exception, .. } = decision;
            let expected = rules.evaluate(path, args);
            prop_assert_eq!(verdict, expected.0, "{} {:?}\n{}", path, args, text);
            // Where the path alone is denied already, a rule about arguments is not asked, though it may be the first.
            if by_path.allows() || profile.judged(0, rules.kind) == rules.kind {
                prop_assert_eq!((verdict, reason, rule, stage, exception), expected, "{} {:?}\n{}", path, args, text);
            }
        }
    }
}
