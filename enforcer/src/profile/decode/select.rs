// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which commands the service enrols.

use super::{
    super::{
        document::At,
        error::{Code, Problem},
        glob::Glob,
        keys,
        parse::{Node, Value},
        select::{Select, User},
    },
    Reader,
};

/// What a glob is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// A path.
    Path,
    /// A path, or the name of a program.
    Program,
    /// Any text.
    Text,
}

impl Reader<'_> {
    pub(super) fn select(&mut self, node: &Node) {
        for item in self.items(node, "`select`") {
            let before = self.problems.len();
            let fields = self.map(item, "an item of `select`", &keys::SELECT);
            if fields.is_empty() && self.problems.len() == before {
                let help = Some("an item that says nothing would mean every command".to_owned());
                self.problem(Code::MissingKey, item.span, "this item of `select` is empty".into(), "", help);
            }
            let (line, _) = self.source.position(item.span.start);
            let mut select = Select { line, ..Select::default() };
            for (key, value) in fields {
                match key.text.as_str() {
                    "argv" => {
                        let words = self.texts(value, "`argv`", "a glob").unwrap_or_default();
                        self.words(&words);
                        select.argv = words.into_iter().map(|word| word.value).collect();
                    }
                    "exe" => select.exe = self.selector(value, "`exe`", About::Program),
                    "uid" => select.uid = self.user(value),
                    "cwd" => select.cwd = self.selector(value, "`cwd`", About::Path),
                    "cgroup" => select.cgroup = self.selector(value, "`cgroup`", About::Path),
                    "unit" => select.unit = self.selector(value, "`unit`", About::Text),
                    _ => select.env = self.variables(value),
                }
            }
            self.document.select.push(select);
        }
    }

    /// A glob.
    fn selector(&mut self, node: &Node, what: &str, about: About) -> Option<String> {
        let glob = self.text(node, what)?;
        self.readable(&glob, about);
        Some(glob.value)
    }

    /// Tells what is wrong with the words of a command.
    fn words(&mut self, words: &[At<String>]) {
        for (index, word) in words.iter().enumerate() {
            let special = word.value == "**" || (word.value == "$" && index + 1 == words.len());
            match index {
                0 => self.readable(word, About::Text),
                _ if special => {}
                _ => {
                    if let Err(problem) = Glob::of_argument(&word.value) {
                        self.problems.push(problem.at(self.source, word.span, ""));
                    }
                }
            }
        }
    }

    /// Tells what is wrong with a glob.
    fn readable(&mut self, glob: &At<String>, about: About) {
        let checked = Glob::parse(&glob.value).and_then(|mut read| {
            if read.has_variables() {
                return Err(Problem::new(Code::Variable, "`select` has no variables")
                    .help("they get their values when a command is enrolled, and this says which is"));
            }
            match about {
                About::Path => read.check(),
                About::Program => {
                    read.in_program_directories();
                    read.check()
                }
                About::Text => Ok(()),
            }
        });
        if let Err(mut problem) = checked {
            if problem.code == Code::NotAbsolute {
                problem = problem.help("begin it with `/`, or with `**/` for any directory");
            }
            self.problems.push(problem.at(self.source, glob.span, ""));
        }
    }

    fn user(&mut self, node: &Node) -> Option<User> {
        if let Value::Text(name) = &node.value {
            self.name(name, node.span, "the name of a user");
            return Some(User::Name(name.clone()));
        }
        let number = self.number(node, "`uid`", 0, keys::UID_MAX)?;
        u32::try_from(number).ok().map(User::Id)
    }

    /// Variables of the environment.
    fn variables(&mut self, node: &Node) -> Vec<(String, String)> {
        let Value::Map(entries) = &node.value else {
            let message = format!(
                "`env` is a map from names to globs for their values; this is {}",
                node.value.describe()
            );
            self.problem(Code::WrongType, node.span, message, "a map belongs here", None);
            return Vec::new();
        };
        let mut variables = Vec::new();
        for (key, value) in entries {
            if let Some(glob) = self.selector(value, &format!("`{}`", key.text), About::Text) {
                variables.push((key.text.clone(), glob));
            }
        }
        variables
    }
}
