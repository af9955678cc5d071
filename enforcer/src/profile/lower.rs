// SPDX-License-Identifier: MIT OR Apache-2.0

//! From rules as written to rules as the automaton takes them: globs, sets, addresses and stages are looked into.

mod arguments;
mod blame;
mod exceptions;
mod network;
mod own;
mod paths;

use std::{collections::BTreeSet, sync::Arc};

use enforcer_common::{
    Kind,
    table::{RULES, STAY},
};

use super::{
    automaton::{Pattern, Rules},
    compile::{HostRule, Rule},
    date::Date,
    document::{self, At, Document, Effect, Target},
    error::{Code, Problem, Span, Text, suggest},
    exception::Exception,
    glob::Glob,
    nfa::Sequence,
    sets::Sets,
    sockets,
    variables::{Variable, Variables},
};

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
    /// The variables of the environment in use.
    pub(super) variables: Vec<Variable>,
    /// The exceptions, those among them that no longer apply.
    pub(super) exceptions: Vec<Exception>,
    /// Where each rule is, by number from 1.
    places: Vec<Option<(Arc<Text>, Span)>>,
    /// How many wildcards each rule has, by number from 1.
    wildcards: Vec<usize>,
}

/// Looks into every rule; what is wrong goes to `problems`. Exceptions apply as they do on the day `today`.
pub(super) fn lower(document: &Document, sets: &Sets, today: Date, problems: &mut Vec<Problem>) -> Lowered {
    let automata = (0..document.stages.len())
        .flat_map(|stage| Kind::ALL.iter().map(move |&kind| (stage, kind)))
        .map(|(stage, kind)| Rules {
            stage: stage as u8,
            kind,
            default_allows: document.stages[stage].default_allows(kind),
            patterns: Vec::new(),
        })
        .collect();
    let mut lowering = Lowering {
        document,
        sets,
        problems,
        labels: Vec::new(),
        used: BTreeSet::new(),
        variables: Variables::default(),
        characters: 0,
        out: Lowered {
            rules: Vec::new(),
            automata,
            hosts: Vec::new(),
            anchors: Vec::new(),
            variables: Vec::new(),
            exceptions: Vec::new(),
            places: Vec::new(),
            wildcards: Vec::new(),
        },
    };
    let complete = lowering.read_labels();
    let rules = document.rules.iter().map(|rule| (rule, None));
    let exceptions = document.exceptions.iter().map(|exception| (&exception.rule, Some(exception)));
    for (rule, exception) in rules.chain(exceptions).filter(|_| complete) {
        match exception {
            None => lowering.rule(rule),
            Some(exception) => lowering.exception(exception, today),
        }
        if lowering.too_long(&rule.source, rule.place()) {
            break;
        }
    }
    lowering.own_rules();
    lowering.with_arguments();
    let mut out = lowering.out;
    out.anchors = lowering.used.into_iter().collect();
    out.variables = lowering.variables.0;
    if out.rules.len() > RULES {
        let message = format!("a profile has at most {RULES} rules; this one has {}", out.rules.len());
        let problem = Problem::new(Code::RuleCount, message);
        problems.push(match document.rules.last() {
            Some(rule) => problem.at(&rule.source, rule.place(), ""),
            None => problem,
        });
    }
    out
}

struct Lowering<'a> {
    document: &'a Document,
    sets: &'a Sets,
    problems: &'a mut Vec<Problem>,
    /// The globs of each label.
    labels: Vec<Vec<Glob>>,
    used: BTreeSet<usize>,
    variables: Variables,
    characters: usize,
    out: Lowered,
}

impl Lowering<'_> {
    fn fault(&mut self, problem: Problem, source: &Arc<Text>, span: Span) {
        self.problems.push(problem.at(source, span, ""));
    }

    /// Keeps a value, or the problem with its place.
    fn keep<T>(&mut self, result: Result<T, Problem>, source: &Arc<Text>, span: Span) -> Option<T> {
        result.map_err(|problem| self.fault(problem, source, span)).ok()
    }

    /// Tells if all globs up to here are too long when written out.
    fn too_long(&mut self, source: &Arc<Text>, span: Span) -> bool {
        let too_long = self.characters > CHARACTERS_MAX;
        if too_long {
            let message =
                format!("written out, the rules up to here have more than {CHARACTERS_MAX} characters");
            self.fault(Problem::new(Code::Alternatives, message), source, span);
        }
        too_long
    }

    /// Gives a rule its number.
    fn number(&mut self, rule: &document::Rule) -> u16 {
        let number = u16::try_from(self.out.rules.len() + 1).unwrap_or(u16::MAX);
        let place = rule.place();
        let (line, column) = rule.source.position(place.start);
        self.out.rules.push(Rule {
            number,
            stage: rule.stage,
            kind: rule.kind,
            effect: rule.effect,
            text: rule.target.text(),
            file: rule.source.name().into(),
            line,
            column,
            exception: None,
            leads_to: None,
            widen: false,
            arguments: matches!(rule.target, Target::Glob { args: Some(_), .. }),
        });
        self.out.places.push(Some((Arc::clone(&rule.source), place)));
        self.out.wildcards.push(0);
        number
    }

    fn rule(&mut self, rule: &document::Rule) {
        let number = self.number(rule);
        let stage = match &rule.target {
            Target::Glob { leads_to: Some(name), widen, .. } => {
                let stage = self.stage(&rule.source, name);
                if let Some(rule) = self.out.rules.last_mut() {
                    (rule.leads_to, rule.widen) = (stage, *widen);
                }
                stage.map_or(STAY, u16::from)
            }
            _ => STAY,
        };
        let arguments = match &rule.target {
            Target::Glob { args: Some(args), .. } => match self.arguments(&rule.source, args) {
                Some(arguments) => Some(arguments),
                None => return,
            },
            _ => None,
        };
        let Some(matched) = self.target(rule) else { return };
        let texts = match matched {
            Matched::Paths(globs) => self.texts(&globs, number, rule.effect),
            Matched::Texts(texts) => texts,
            Matched::Host(host) => {
                return self.out.hosts.push(HostRule { rule: number, stage: rule.stage, ..host });
            }
        };
        let pattern = Pattern { stage, arguments, ..Pattern::new(number, rule.effect, texts) };
        self.pattern(rule.stage, rule.kind, pattern);
    }

    /// What a rule matches.
    fn target(&mut self, rule: &document::Rule) -> Option<Matched> {
        let source = &rule.source;
        match &rule.target {
            Target::Net { address, host, ports, protocol, private, tls } => {
                let (ports, protocol) = self.ports_and_protocol(source, ports.as_ref(), protocol.as_ref());
                if let Some(host) = host {
                    let found = self.host(rule, host, ports, protocol)?;
                    return Some(Matched::Host(HostRule { private: *private, tls: *tls, ..found }));
                }
                self.block(rule, address.as_ref()?, ports, protocol)
            }
            Target::Listen { address, ports, protocol } => {
                let (ports, protocol) = self.ports_and_protocol(source, ports.as_ref(), protocol.as_ref());
                self.block(rule, address, ports, protocol)
            }
            Target::Socket(name) => {
                let row = self.keep(sockets::row_of(&name.value), source, name.span)?;
                Some(Matched::Texts(row.sequences()))
            }
            _ => self.paths(rule).map(Matched::Paths),
        }
    }

    fn pattern(&mut self, stage: u8, kind: Kind, mut pattern: Pattern) {
        if (kind, pattern.effect) == (Kind::Exec, Effect::Except) {
            let (insistent, rest) =
                std::mem::take(&mut pattern.texts).into_iter().partition(own::is_memory_file);
            if !Vec::<Sequence>::is_empty(&insistent) {
                self.add(stage, kind, Pattern { insistent: true, texts: insistent, ..pattern.clone() });
            }
            pattern.texts = rest;
        }
        self.add(stage, kind, pattern);
    }

    fn add(&mut self, stage: u8, kind: Kind, pattern: Pattern) {
        let index = usize::from(stage) * Kind::ALL.len() + kind as usize;
        if let Some(rules) = self.out.automata.get_mut(index) {
            rules.patterns.push(pattern);
        }
    }

    /// The index of a stage that is named.
    fn stage(&mut self, source: &Arc<Text>, name: &At<String>) -> Option<u8> {
        let stages = &self.document.stages;
        if let Some(index) = stages.iter().position(|stage| stage.name.value == name.value) {
            return u8::try_from(index).ok();
        }
        let names: Vec<&str> = stages.iter().map(|stage| stage.name.value.as_str()).collect();
        let message = format!("there is no stage `{}`", name.value);
        let problem = Problem::new(Code::UnknownStage, message).help(suggest(&name.value, &names));
        self.fault(problem, source, name.span);
        None
    }
}

/// What a rule matches.
enum Matched {
    /// Paths.
    Paths(Vec<Glob>),
    /// Endpoints or sockets.
    Texts(Vec<Sequence>),
    /// A host.
    Host(HostRule),
}
