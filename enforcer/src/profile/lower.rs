// SPDX-License-Identifier: MIT OR Apache-2.0

//! From rules as written to rules as the automaton takes them: globs, sets, addresses and stages are looked into.

use std::{collections::BTreeSet, sync::Arc};

use enforcer_common::{
    Kind,
    table::{RULES, STAY},
};

use super::{
    address::{self, Block, HOST_PORTS_MAX, Host, PortRange},
    automaton::{DFA_BYTES, Pattern, Rules, TooLarge, determinize},
    compile::{HostRule, Rule},
    document::{self, At, Document, Effect, Target},
    error::{Code, Error, Problem, Span, Text, count, suggest},
    glob::Glob,
    nfa::Sequence,
    sets::Sets,
};

/// What the kernel reports for a memory file. Its name is chosen by whoever made it, and may have slashes.
const MEMORY_FILES: &str = "/memfd:*/**";

/// Characters of all globs together, alternatives and sets written out.
const CHARACTERS_MAX: usize = 2_000_000;

/// The rules, ready for the automaton.
#[derive(Debug)]
pub(super) struct Lowered {
    /// For reports.
    pub(super) rules: Vec<Rule>,
    /// By stage and kind.
    pub(super) automata: Vec<Rules>,
    /// Rules that name hosts.
    pub(super) hosts: Vec<HostRule>,
    /// The anchors in use.
    pub(super) anchors: Vec<usize>,
    /// How many wildcards each rule has, by number from 1.
    wildcards: Vec<usize>,
}

/// Looks into every rule; what is wrong goes to `problems`.
pub(super) fn lower(
    source: &Arc<Text>,
    document: &Document,
    sets: &Sets,
    problems: &mut Vec<Problem>,
) -> Lowered {
    let automata = (0..document.stages.len())
        .flat_map(|stage| Kind::ALL.iter().map(move |&kind| (stage, kind)))
        .map(|(stage, kind)| Rules {
            stage: stage as u8,
            kind,
            default_allows: document.stages[stage].defaults[kind as usize],
            patterns: Vec::new(),
        })
        .collect();
    let mut lowering = Lowering {
        source,
        document,
        sets,
        problems,
        used: BTreeSet::new(),
        characters: 0,
        out: Lowered {
            rules: Vec::new(),
            automata,
            hosts: Vec::new(),
            anchors: Vec::new(),
            wildcards: Vec::new(),
        },
    };
    for rule in &document.rules {
        lowering.rule(rule);
        if lowering.characters > CHARACTERS_MAX {
            let message =
                format!("written out, the rules up to here have more than {CHARACTERS_MAX} characters");
            lowering.fault(Problem::new(Code::Alternatives, message), rule.place());
            break;
        }
    }
    lowering.own_rules();
    let mut out = lowering.out;
    out.anchors = lowering.used.into_iter().collect();
    if out.rules.len() > RULES {
        let message = format!("a profile has at most {RULES} rules; this one has {}", out.rules.len());
        let place = document.rules.last().map_or(Span::default(), document::Rule::place);
        problems.push(Problem::new(Code::RuleCount, message).at(source, place, ""));
    }
    out
}

struct Lowering<'a> {
    source: &'a Arc<Text>,
    document: &'a Document,
    sets: &'a Sets,
    problems: &'a mut Vec<Problem>,
    used: BTreeSet<usize>,
    characters: usize,
    out: Lowered,
}

impl Lowering<'_> {
    fn fault(&mut self, problem: Problem, span: Span) {
        self.problems.push(problem.at(self.source, span, ""));
    }

    /// Keeps a value, or the problem with its place.
    fn keep<T>(&mut self, result: Result<T, Problem>, span: Span) -> Option<T> {
        result.map_err(|problem| self.fault(problem, span)).ok()
    }

    fn rule(&mut self, rule: &document::Rule) {
        let number = u16::try_from(self.out.rules.len() + 1).unwrap_or(u16::MAX);
        let place = rule.place();
        let (line, column) = self.source.position(place.start);
        self.out.rules.push(Rule {
            number,
            stage: rule.stage,
            kind: rule.kind,
            effect: rule.effect,
            text: rule.target.text(),
            file: self.source.name().into(),
            line,
            column,
        });
        let (texts, stage, wildcards) = match &rule.target {
            Target::Glob { glob, leads_to } => {
                let stage = leads_to.as_ref().map_or(STAY, |stage| self.stage(stage));
                let Some((texts, wildcards)) = self.globs(glob, rule.kind, rule.effect) else { return };
                (texts, stage, wildcards)
            }
            Target::Net { address, host, ports, protocol } => {
                let ports = self.ports(ports.as_ref());
                let protocol = protocol.as_ref().and_then(|p| self.keep(address::protocol(&p.value), p.span));
                if let Some(host) = host {
                    self.host(rule, number, host, ports, protocol);
                    self.out.wildcards.push(0);
                    return;
                }
                let Some(address) = address else { return };
                let Some(block) = self.keep(Block::parse(&address.value), address.span) else { return };
                (block.sequences(&ports.unwrap_or_default(), protocol, rule.effect), STAY, 0)
            }
        };
        self.out.wildcards.push(wildcards);
        self.pattern(rule.stage, rule.kind, Pattern { rule: number, effect: rule.effect, stage, texts });
    }

    fn pattern(&mut self, stage: u8, kind: Kind, pattern: Pattern) {
        let index = usize::from(stage) * Kind::ALL.len() + kind as usize;
        if let Some(rules) = self.out.automata.get_mut(index) {
            rules.patterns.push(pattern);
        }
    }

    /// The index of a stage that a rule leads to.
    fn stage(&mut self, name: &At<String>) -> u16 {
        let stages = &self.document.stages;
        if let Some(index) = stages.iter().position(|stage| stage.name.value == name.value) {
            return index as u16;
        }
        let names: Vec<&str> = stages.iter().map(|stage| stage.name.value.as_str()).collect();
        let message = format!("there is no stage `{}`", name.value);
        let problem = Problem::new(Code::UnknownStage, message).help(suggest(&name.value, &names));
        self.fault(problem, name.span);
        STAY
    }

    /// What a glob or a set matches, and how many wildcards it has.
    fn globs(&mut self, glob: &At<String>, kind: Kind, effect: Effect) -> Option<(Vec<Sequence>, usize)> {
        let globs = if let Some(name) = glob.value.strip_prefix('@') {
            let Some(set) = self.sets.get(name) else {
                let names: Vec<String> = self.sets.iter().map(|set| format!("@{}", set.name)).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let problem = Problem::new(Code::UnknownSet, format!("there is no set `{}`", glob.value));
                self.fault(problem.help(suggest(&glob.value, &names)), glob.span);
                return None;
            };
            set.globs.clone()
        } else {
            vec![self.keep(Glob::parse(&glob.value), glob.span)?]
        };
        let set = glob.value.starts_with('@');
        let mut texts = Vec::with_capacity(globs.len());
        let mut wildcards = 0;
        for mut one in globs {
            if kind == Kind::Exec {
                one = one.in_program_directories();
            } else if set && one.names_program() {
                let message = format!("`{}` is a set of programs, for rules below `exec`", glob.value);
                self.fault(Problem::new(Code::ProgramsHere, message), glob.span);
                return None;
            }
            let checked = one.check();
            self.keep(checked, glob.span)?;
            self.used.extend(one.anchors());
            wildcards += one.wildcards();
            let sequences = one.sequences(effect != Effect::Allow);
            self.characters += sequences.iter().map(Vec::len).sum::<usize>();
            texts.extend(sequences);
        }
        Some((texts, wildcards))
    }

    /// The ports of a network rule; `None` if it names none.
    fn ports(&mut self, ports: Option<&At<Vec<At<String>>>>) -> Option<Vec<PortRange>> {
        let ports = ports?;
        let mut ranges: Vec<PortRange> =
            ports.value.iter().filter_map(|p| self.keep(PortRange::parse(&p.value), p.span)).collect();
        ranges.sort_unstable();
        Some(ranges)
    }

    /// A rule that names a host.
    fn host(
        &mut self,
        rule: &document::Rule,
        number: u16,
        host: &At<String>,
        ports: Option<Vec<PortRange>>,
        protocol: Option<enforcer_common::address::Protocol>,
    ) {
        let Some(name) = self.keep(Host::parse(&host.value), host.span) else { return };
        if rule.effect == Effect::Deny {
            let problem = Problem::new(Code::Destination, "a deny rule names addresses, not a host")
                .help("what no rule allows is denied already; a name can lead anywhere");
            return self.fault(problem, host.span);
        }
        let count: usize = ports.iter().flatten().map(|range| range.count()).sum();
        let wrong = match (&ports, &name) {
            (None, Host::Name(name)) => {
                Some(format!("a rule for a host names its ports; this one for `{name}` does not"))
            }
            _ if count > HOST_PORTS_MAX => Some(format!(
                "a rule for a host names at most {HOST_PORTS_MAX} ports; this one names {count}"
            )),
            _ => None,
        };
        if let Some(message) = wrong {
            return self
                .fault(Problem::new(Code::Port, message).help("such as `ports: [443]`"), rule.place());
        }
        self.out.hosts.push(HostRule {
            rule: number,
            stage: rule.stage,
            host: name,
            ports: ports.unwrap_or_default(),
            protocol,
        });
    }

    /// What the enforcer itself says, in every stage: a memory file is not executed, else one whose name ends well
    /// would do for a glob that begins with `**`. An except rule of the profile can take this back.
    fn own_rules(&mut self) {
        let Ok(glob) = Glob::parse(MEMORY_FILES) else { return };
        for stage in 0..self.document.stages.len() {
            let number = u16::try_from(self.out.rules.len() + 1).unwrap_or(u16::MAX);
            let stage = stage as u8;
            self.out.rules.push(Rule {
                number,
                stage,
                kind: Kind::Exec,
                effect: Effect::Deny,
                text: MEMORY_FILES.to_owned(),
                file: "the enforcer's own rules".into(),
                line: 0,
                column: 0,
            });
            self.out.wildcards.push(0);
            let texts = glob.sequences(true);
            self.pattern(
                stage,
                Kind::Exec,
                Pattern { rule: number, effect: Effect::Deny, stage: STAY, texts },
            );
        }
    }
}

impl Lowered {
    /// Tells which rules need too large an automaton.
    pub(super) fn too_large(&self, source: &Arc<Text>, document: &Document, large: TooLarge) -> Error {
        let (TooLarge::Rules(index) | TooLarge::Table { most: index, .. }) = large;
        let rules = &self.automata[index];
        let stage = &document.stages[usize::from(rules.stage)].name;
        let described = format!(
            "the {} of stage `{}`",
            count(rules.patterns.len(), &format!("{} rule", rules.kind.name())),
            stage.value
        );
        if let TooLarge::Table { what, found, limit, .. } = large {
            let message = format!("the compiled profile needs {found} {what}; there is room for {limit}");
            let help =
                format!("most of it is for {described}: use fewer or shorter globs, or split the profile");
            return Problem::new(Code::TableFull, message).help(help).at(source, stage.span, "").into();
        }
        let culprits = culprits(&rules.patterns);
        let mut numbers: Vec<u16> = culprits.iter().map(|p| p.rule).collect();
        let wild = |number: u16| self.wildcards.get(usize::from(number) - 1).copied().unwrap_or(0);
        numbers.sort_by_key(|&number| (std::cmp::Reverse(wild(number)), number));
        numbers.truncate(5);
        let place = |number: u16| document.rules.get(usize::from(number) - 1).map(document::Rule::place);
        let message = format!(
            "{described} need too large an automaton; {} of them are enough for that",
            culprits.len()
        );
        let mut places = numbers.iter().filter_map(|&number| place(number));
        let first = places.next().unwrap_or_default();
        let mut problem = Problem::new(Code::Explosion, message)
            .help("each wildcard doubles what must be kept in mind about the others: use fewer `*` in a rule, or begin it with a directory instead of `**`")
            .at(source, first, "this rule");
        for span in places {
            problem = problem.and(span, "and this one");
        }
        problem.into()
    }

    /// Tells of a transition that never happens.
    pub(super) fn shadowed(
        &self,
        source: &Arc<Text>,
        document: &Document,
        rule: u16,
        by: u16,
    ) -> Option<Problem> {
        let place =
            |number: u16| document.rules.get(usize::from(number).checked_sub(1)?).map(document::Rule::place);
        let text = |number: u16| {
            self.rules.get(usize::from(number) - 1).map(|r| r.text.as_str()).unwrap_or_default()
        };
        let message = format!("this rule never leads to its stage: `{}` allows the same before it", text(by));
        Some(
            Problem::new(Code::ShadowedStage, message)
                .help("of the allow rules that match, the first decides: move this one up")
                .at(source, place(rule)?, "never decides")
                .and(place(by)?, "decides instead"),
        )
    }
}

/// A shortest run of rules whose automaton alone is as large as to be suspicious. The full size would name them
/// no better and take twenty times a second.
fn culprits(patterns: &[Pattern]) -> &[Pattern] {
    let fits = |patterns: &[Pattern]| determinize(patterns, DFA_BYTES / 16).is_some();
    // The fewest from the beginning that do not fit; then the fewest of those from the end.
    let (mut good, mut bad) = (0, patterns.len());
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if fits(&patterns[..middle]) { good = middle } else { bad = middle }
    }
    let patterns = &patterns[..bad];
    let (mut bad, mut good) = (0, patterns.len());
    while good - bad > 1 {
        let middle = good.midpoint(bad);
        if fits(&patterns[middle..]) { good = middle } else { bad = middle }
    }
    &patterns[bad..]
}
