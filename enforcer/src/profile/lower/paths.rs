// SPDX-License-Identifier: MIT OR Apache-2.0

//! What rules for paths match: globs, sets, types and labels.

use std::sync::Arc;

use enforcer_common::Kind;

use super::{
    super::{
        document::{self, At, Effect, Target},
        error::{Code, Problem, Text, suggest},
        glob::Glob,
        nfa::Sequence,
    },
    Lowering,
};

impl Lowering<'_> {
    /// Reads the globs of all labels, so that what is wrong with them is told once. False if there are too many.
    pub(super) fn read_labels(&mut self) -> bool {
        let document = self.document;
        for label in &document.labels {
            let mut globs = Vec::new();
            for glob in &label.globs {
                let read = self.glob(&label.source, glob, Kind::Read).unwrap_or_default();
                self.characters += read.iter().map(Glob::len).sum::<usize>();
                globs.extend(read);
                if self.too_long(&label.source, glob.span) {
                    return false;
                }
            }
            self.labels.push(globs);
        }
        true
    }

    /// The globs that a rule for paths stands for.
    pub(super) fn paths(&mut self, rule: &document::Rule) -> Option<Vec<Glob>> {
        let source = &rule.source;
        let mut globs = match &rule.target {
            Target::Glob { glob, .. } => self.glob(source, glob, rule.kind)?,
            Target::Types(types) => {
                let read = |one: &At<String>| self.keep(of_type(&one.value), source, one.span);
                types.iter().map(read).collect::<Option<_>>()?
            }
            Target::Label(label) => self.label(source, label)?,
            Target::Unix(glob) => vec![self.keep(Glob::of_socket(&glob.value), source, glob.span)?],
            Target::Net { .. } | Target::Listen { .. } | Target::Socket(_) => return None,
        };
        for glob in &mut globs {
            let placed = glob.place(&mut self.variables);
            self.keep(placed, source, rule.place())?;
        }
        Some(globs)
    }

    /// The texts that globs match; how many wildcards they have is kept for the rule.
    pub(super) fn texts(&mut self, globs: &[Glob], rule: u16, effect: Effect) -> Vec<Sequence> {
        let mut texts = Vec::with_capacity(globs.len());
        for glob in globs {
            self.used.extend(glob.anchors());
            let sequences = glob.sequences(effect != Effect::Allow);
            self.characters += sequences.iter().map(Vec::len).sum::<usize>();
            texts.extend(sequences);
        }
        if let Some(wildcards) = self.out.wildcards.get_mut(usize::from(rule) - 1) {
            *wildcards = globs.iter().map(Glob::wildcards).sum();
        }
        texts
    }

    /// What a glob or a set stands for.
    fn glob(&mut self, source: &Arc<Text>, glob: &At<String>, kind: Kind) -> Option<Vec<Glob>> {
        let set = glob.value.strip_prefix('@');
        let mut globs = match set {
            Some(name) => self.set(source, glob, name)?,
            None => vec![self.keep(Glob::parse(&glob.value), source, glob.span)?],
        };
        for one in &mut globs {
            if kind == Kind::Exec {
                one.in_program_directories();
            } else if set.is_some() && one.names_program() {
                let message = format!("`{}` is a set of programs, for rules below `exec`", glob.value);
                self.fault(Problem::new(Code::ProgramsHere, message), source, glob.span);
                return None;
            }
            self.keep(one.check(), source, glob.span)?;
        }
        Some(globs)
    }

    /// The globs of a set.
    fn set(&mut self, source: &Arc<Text>, glob: &At<String>, name: &str) -> Option<Vec<Glob>> {
        if let Some(set) = self.sets.get(name) {
            return Some(set.globs.clone());
        }
        let names: Vec<String> = self.sets.iter().map(|set| format!("@{}", set.name)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let problem = Problem::new(Code::UnknownSet, format!("there is no set `{}`", glob.value));
        self.fault(problem.help(suggest(&glob.value, &names)), source, glob.span);
        None
    }

    /// The globs of a label.
    fn label(&mut self, source: &Arc<Text>, name: &At<String>) -> Option<Vec<Glob>> {
        let labels = &self.document.labels;
        if let Some(index) = labels.iter().position(|label| label.name.value == name.value) {
            return self.labels.get(index).cloned();
        }
        let names: Vec<&str> = labels.iter().map(|label| label.name.value.as_str()).collect();
        let help = match names[..] {
            [] => format!("name it: `classify: {{ {}: [\"${{workspace}}/…\"] }}`", name.value),
            _ => suggest(&name.value, &names),
        };
        let problem = Problem::new(Code::UnknownLabel, format!("there is no label `{}`", name.value));
        self.fault(problem.help(help), source, name.span);
        None
    }
}

/// The files whose names end so.
fn of_type(ending: &str) -> Result<Glob, Problem> {
    let fault = |message: String, help: String| Err(Problem::new(Code::FileType, message).help(help));
    let bare = ending.trim_start_matches(['*', '/', '.']);
    if ending.contains(['/', '*', '?', '[', ']', '{', '}', '\\']) {
        return fault(
            format!("`{ending}` is a glob, not how a name ends"),
            format!("write `\".{bare}\"`, or a glob as the rule"),
        );
    }
    if !ending.starts_with('.') || bare.is_empty() {
        let message = format!("`{ending}` is not a point and letters behind it");
        return fault(message, "a type is the end of a file's name, such as `\".map\"`".to_owned());
    }
    Glob::parse(&format!("**/*{ending}"))
}
