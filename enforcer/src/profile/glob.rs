// SPDX-License-Identifier: MIT OR Apache-2.0

//! Globs: how they are read, and the texts that they match.
//!
//! A glob matches a whole path as the kernel reports it: absolute, symbolic links resolved. `*` and `?` stop at
//! `/`; `**` is a whole component and does not. `dir/**` is everything below `dir` and `dir` itself. `[a-z]` and
//! `[!a-z]` are classes of ASCII characters, `{a,b}` are alternatives, `\` takes the next character as it is. `~`,
//! `${home}`, `${workspace}` and `${tmp}` are anchors: one byte in front of the rest of the path.
//!
//! A deny or except rule also matches a path with ` (deleted)` behind it, which is how the kernel reports a file
//! that is still open somewhere but has no name any more.

use enforcer_common::{anchor::symbol, table::TEXT_MAX};

use super::{
    error::Code,
    nfa::{NOT_SLASH, Sequence, Step},
};

/// The anchors by name, in the order of their symbols.
pub const ANCHOR_NAMES: [&str; 3] = ["workspace", "home", "tmp"];
/// Index of `${home}`, which is also `~`.
const HOME: usize = 1;
/// Alternatives that one glob may expand to.
pub const ALTERNATIVES_MAX: usize = 256;
/// Beginnings of what the kernel reports for what is open but is not a file.
pub const OBJECTS: [&str; 3] = ["pipe:", "socket:", "anon_inode:"];

/// What is wrong with a glob.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// One element of a glob without alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Atom {
    /// This byte.
    Byte(u8),
    /// `?`.
    One,
    /// `*`.
    Star,
    /// `**`.
    Any,
    /// `[…]`, as the set of its bytes.
    Class(Vec<(u8, u8)>),
    /// The anchor with this index.
    Anchor(usize),
    /// A directory where the system keeps programs, with its `/`.
    Programs,
}

/// A glob that was read: one sequence for each alternative.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    flat: Vec<Vec<Atom>>,
}

impl Glob {
    /// Reads a glob.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > TEXT_MAX {
            return Err(Fault::new(Code::Glob, format!("a glob may have {TEXT_MAX} bytes")));
        }
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            return Err(Fault::new(Code::Glob, format!("a glob has no control characters, such as {c:?}")));
        }
        let flat = expand(text)?.iter().map(|piece| atoms(piece)).collect::<Result<_, _>>()?;
        Ok(Self { flat })
    }

    /// Whether one of the alternatives is the name of a program.
    pub(super) fn names_program(&self) -> bool {
        self.flat.iter().any(|atoms| is_name(atoms))
    }

    /// Puts the system's program directories before alternatives that are names.
    pub(super) fn in_program_directories(mut self) -> Self {
        for atoms in &mut self.flat {
            if is_name(atoms) {
                atoms.insert(0, Atom::Programs);
            }
        }
        self
    }

    /// Refuses what could match no path.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.flat.iter().try_for_each(|atoms| check(atoms))
    }

    /// The anchors that it begins with.
    pub(super) fn anchors(&self) -> impl Iterator<Item = usize> + '_ {
        self.flat.iter().filter_map(|atoms| match atoms.first() {
            Some(Atom::Anchor(index)) => Some(*index),
            _ => None,
        })
    }

    /// The texts that it matches. `deleted` adds those of deleted files.
    pub(super) fn sequences(&self, deleted: bool) -> Vec<Sequence> {
        self.flat.iter().flat_map(|atoms| sequences(atoms, deleted)).collect()
    }

    /// How many of its elements match more than one text; what blows automata up.
    pub(super) fn wildcards(&self) -> usize {
        let wild = |a: &&Atom| matches!(a, Atom::Star | Atom::Any | Atom::One | Atom::Class(_));
        self.flat.iter().map(|atoms| atoms.iter().filter(wild).count()).sum()
    }
}

/// Whether these are the name of a program: no directory, no anchor, no object of the kernel's.
fn is_name(atoms: &[Atom]) -> bool {
    let path = |a: &Atom| matches!(a, Atom::Byte(b'/') | Atom::Any | Atom::Anchor(_) | Atom::Programs);
    !atoms.iter().any(path) && !is_object(atoms)
}

/// Whether these begin as the kernel names what is not a file.
fn is_object(atoms: &[Atom]) -> bool {
    let begins = |word: &str| {
        let mut bytes = word.bytes().map(Atom::Byte);
        atoms.len() >= word.len() && atoms.iter().take(word.len()).all(|a| bytes.next().as_ref() == Some(a))
    };
    OBJECTS.iter().any(|word| begins(word))
}

/// Writes every alternative out.
fn expand(text: &str) -> Result<Vec<String>, Fault> {
    let mut done = Vec::new();
    let mut todo = vec![text.to_owned()];
    while let Some(next) = todo.pop() {
        match braces(&next)? {
            None => done.push(next),
            Some((before, choices, after)) => {
                // Pushed in reverse, so that alternatives keep their order.
                for choice in choices.iter().rev() {
                    todo.push(format!("{before}{choice}{after}"));
                }
            }
        }
        if done.len() + todo.len() > ALTERNATIVES_MAX {
            return Err(Fault::new(
                Code::Alternatives,
                format!(
                    "this glob stands for more than {ALTERNATIVES_MAX} globs when its `{{…}}` are written out"
                ),
            )
            .help("write it as several rules, or use `*`"));
        }
    }
    Ok(done)
}

/// Splits a glob at its first `{…}`.
fn braces(text: &str) -> Result<Option<(&str, Vec<&str>, &str)>, Fault> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut open, mut from) = (0, 0_usize, 0, 0);
    let mut choices = Vec::new();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => at = class_end(text, at)?,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                // A variable, not alternatives. Whether there is one of this name is looked into later.
                at += text[at..].find('}').ok_or_else(|| unclosed("${", "}"))?;
            }
            b'{' => {
                if depth == 0 {
                    (open, from) = (at, at + 1);
                }
                depth += 1;
            }
            b',' if depth == 1 => {
                choices.push(&text[from..at]);
                from = at + 1;
            }
            b'}' if depth == 1 => {
                choices.push(&text[from..at]);
                return Ok(Some((&text[..open], choices, &text[at + 1..])));
            }
            b'}' if depth == 0 => {
                return Err(Fault::new(Code::Glob, "this glob has a `}` without `{`")
                    .help("write `\\}` for the character"));
            }
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    if depth > 0 { Err(unclosed("{", "}")) } else { Ok(None) }
}

/// Something that is opened and not closed.
fn unclosed(open: &str, close: &str) -> Fault {
    Fault::new(Code::Glob, format!("this glob has a `{open}` without `{close}`"))
        .help(format!("write `\\{}` for the character", &open[..1]))
}

/// The index of the `]` that closes the class at `open`.
fn class_end(text: &str, open: usize) -> Result<usize, Fault> {
    let bytes = text.as_bytes();
    let mut at = open + 1;
    at += usize::from(matches!(bytes.get(at), Some(b'!' | b'^')));
    // A `]` in the first place is a member.
    at += usize::from(bytes.get(at) == Some(&b']'));
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b']' => return Ok(at),
            _ => {}
        }
        at += 1;
    }
    Err(unclosed("[", "]"))
}

/// Reads a glob that has no alternatives.
fn atoms(text: &str) -> Result<Vec<Atom>, Fault> {
    let bytes = text.as_bytes();
    let mut atoms = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                at += 1;
                let Some(&byte) = bytes.get(at) else {
                    return Err(Fault::new(Code::Glob, "this glob ends with a `\\` that escapes nothing"));
                };
                atoms.push(Atom::Byte(byte));
            }
            b'~' if at == 0 => {
                if !matches!(bytes.get(1), None | Some(b'/')) {
                    return Err(Fault::new(Code::Variable, "`~` is the home directory only as `~` or `~/…`")
                        .help("write another user's home directory out; `\\~` is the character"));
                }
                atoms.push(Atom::Anchor(HOME));
            }
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                let end = at + text[at..].find('}').ok_or_else(|| unclosed("${", "}"))?;
                atoms.push(Atom::Anchor(anchor(&text[at + 2..end], at, bytes.get(end + 1))?));
                at = end;
            }
            b'?' => atoms.push(Atom::One),
            b'*' if bytes.get(at + 1) == Some(&b'*') => {
                let after = bytes.get(at + 2);
                if !matches!(atoms.last(), None | Some(Atom::Byte(b'/')))
                    || !matches!(after, None | Some(b'/'))
                {
                    return Err(Fault::new(Code::Glob, "`**` must be a whole component of the path")
                        .help("write `*` for the rest of a name, `/**/` for any directories"));
                }
                at += 1;
                if atoms.len() >= 2 && atoms[atoms.len() - 2] == Atom::Any {
                    // `**/**` says no more than `**`.
                    atoms.pop();
                } else {
                    atoms.push(Atom::Any);
                }
            }
            b'*' => atoms.push(Atom::Star),
            b'[' => {
                let end = class_end(text, at)?;
                atoms.push(class(&text[at + 1..end])?);
                at = end;
            }
            byte => atoms.push(Atom::Byte(byte)),
        }
        at += 1;
    }
    Ok(atoms)
}

/// The anchor of a variable.
fn anchor(name: &str, at: usize, after: Option<&u8>) -> Result<usize, Fault> {
    let Some(index) = ANCHOR_NAMES.iter().position(|n| *n == name) else {
        let help = super::error::suggest(name, &ANCHOR_NAMES);
        return Err(if name.starts_with("env.") {
            Fault::new(Code::NotSupported, format!("`${{{name}}}` is not supported yet")).help(help)
        } else if name == "npm.registry" {
            Fault::new(Code::Variable, "`${npm.registry}` is a host, not a path")
                .help("use it as `host:` below `network`")
        } else {
            Fault::new(Code::Variable, format!("there is no variable `${{{name}}}`")).help(help)
        });
    };
    if at != 0 {
        return Err(Fault::new(Code::Variable, format!("`${{{name}}}` may only begin a glob"))
            .help("its value is an absolute path, so nothing can come before it"));
    }
    if !matches!(after, None | Some(b'/')) {
        return Err(Fault::new(Code::Variable, format!("`${{{name}}}` must be followed by `/`"))
            .help(format!("`${{{name}}}/**` is everything below it")));
    }
    Ok(index)
}

/// Reads the inside of `[…]`.
fn class(text: &str) -> Result<Atom, Fault> {
    let shown = || format!("`[{text}]`");
    let (negated, inside) = match text.strip_prefix(['!', '^']) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if !inside.is_ascii() {
        return Err(Fault::new(Code::Glob, format!("{} has a character that is not ASCII", shown()))
            .help("paths are matched byte by byte; write such characters as alternatives: `{ä,ö}`"));
    }
    let mut members: Vec<(u8, bool)> = Vec::new();
    let mut bytes = inside.bytes();
    while let Some(byte) = bytes.next() {
        members.push(match byte {
            b'\\' => (bytes.next().unwrap_or(b'\\'), true),
            other => (other, false),
        });
    }
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        let (first, _) = members[at];
        let dash = members.get(at + 1) == Some(&(b'-', false));
        let last = match members.get(at + 2) {
            Some((last, _)) if dash => {
                at += 2;
                *last
            }
            _ => first,
        };
        if last < first {
            return Err(Fault::new(Code::Glob, format!("the range in {} runs backwards", shown())));
        }
        if (first..=last).contains(&b'/') {
            return Err(Fault::new(
                Code::Glob,
                format!("{} contains `/`, which a class never matches", shown()),
            )
            .help("write the `/` outside of the brackets"));
        }
        ranges.push((first, last));
        at += 1;
    }
    if negated {
        // Everything else but `/`.
        let inside = |byte: u8| byte == b'/' || ranges.iter().any(|&(a, b)| (a..=b).contains(&byte));
        let rest = (1..=u8::MAX).filter(|&b| !inside(b)).map(|b| (b, b)).collect();
        return Ok(Atom::Class(rest));
    }
    Ok(Atom::Class(ranges))
}

/// Refuses what the kernel never reports.
fn check(atoms: &[Atom]) -> Result<(), Fault> {
    let text = spell(atoms);
    match atoms.first() {
        Some(Atom::Byte(b'/') | Atom::Any | Atom::Anchor(_) | Atom::Programs) => {}
        _ if is_object(atoms) => return Ok(()),
        None => return Err(Fault::new(Code::Glob, "this glob, or one of its alternatives, is empty")),
        Some(_) => {
            let help = match text.strip_prefix("./") {
                Some(rest) => format!("write `${{workspace}}/{rest}`"),
                None => format!("write `/{text}`, `${{workspace}}/{text}`, or `**/{text}` for any directory"),
            };
            return Err(Fault::new(
                Code::NotAbsolute,
                format!("`{text}` is not absolute and matches no path"),
            )
            .help(help));
        }
    }
    let never = |why: &str| Fault::new(Code::NeverMatches, format!("`{text}` matches no path: {why}"));
    // The first component is what is before the first slash: nothing, `**` or an anchor.
    let components = atoms.split(|a| *a == Atom::Byte(b'/')).skip(1);
    let count = components.clone().count();
    for (i, component) in components.enumerate() {
        match component {
            [] if atoms.len() == 1 => {}
            [] if i + 1 == count => {
                let bare = text.trim_end_matches('/');
                return Err(never("it ends with `/`")
                    .help(format!("write `{text}**` for what is below it, `{bare}` for itself")));
            }
            [] => return Err(never("`//` is in no path that the kernel reports")),
            [Atom::Byte(b'.')] | [Atom::Byte(b'.'), Atom::Byte(b'.')] => {
                return Err(never("the kernel reports paths with `.` and `..` resolved")
                    .help("write the path without them"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A glob as text again.
fn spell(atoms: &[Atom]) -> String {
    let mut out = Vec::new();
    for atom in atoms {
        match atom {
            Atom::Byte(byte) => {
                if b"\\*?[{}".contains(byte) {
                    out.push(b'\\');
                }
                out.push(*byte);
            }
            Atom::One => out.push(b'?'),
            Atom::Star => out.push(b'*'),
            Atom::Any => out.extend(b"**"),
            Atom::Programs => {}
            Atom::Class(_) => out.extend("[…]".bytes()),
            Atom::Anchor(index) => out.extend(format!("${{{}}}", ANCHOR_NAMES[*index]).bytes()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The texts that a glob without alternatives matches.
fn sequences(atoms: &[Atom], deleted: bool) -> Vec<Sequence> {
    let mut steps = Vec::with_capacity(atoms.len());
    let mut rest = atoms;
    while let Some((atom, after)) = rest.split_first() {
        rest = after;
        match atom {
            Atom::Byte(b'/') if after == [Atom::Any] => {
                // `/**` at the end: the directory, and what is below it.
                let mut below = steps.clone();
                below.extend([Step::Byte(b'/'), Step::Anything]);
                return if steps.is_empty() { vec![below] } else { vec![steps, below] };
            }
            Atom::Byte(b'/') if after.first() == Some(&Atom::Any) => {
                steps.extend([Step::Byte(b'/'), Step::Directories]);
                // The slash behind `**` is the last one of the directories.
                rest = &after[2..];
            }
            Atom::Byte(byte) => steps.push(Step::Byte(*byte)),
            Atom::One => steps.push(Step::class(NOT_SLASH)),
            Atom::Star => steps.push(Step::Name),
            Atom::Any => steps.push(Step::Anything),
            Atom::Programs => steps.push(Step::ProgramDirectory),
            Atom::Class(ranges) => steps.push(Step::class(ranges.iter().copied())),
            Atom::Anchor(index) => steps.push(Step::Byte(symbol(*index))),
        }
    }
    if deleted && atoms.last() != Some(&Atom::Any) {
        let mut gone = steps.clone();
        gone.extend(b" (deleted)".map(Step::Byte));
        return vec![steps, gone];
    }
    vec![steps]
}
