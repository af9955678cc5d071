// SPDX-License-Identifier: MIT OR Apache-2.0

//! Globs: how they are read, and the texts that they match.
//!
//! A glob matches a whole path as the kernel reports it: absolute, symbolic links resolved. `*` and `?` stop at
//! `/`; `**` is a whole component and does not. `dir/**` is everything below `dir` and `dir` itself. `[a-z]` and
//! `[!a-z]` are classes of ASCII characters, `{a,b}` are alternatives, `\` takes the next character as it is. `~`,
//! `${home}`, `${workspace}`, `${tmp}` and `${env.NAME}` are anchors: one byte in front of the rest of the path.
//!
//! A deny or except rule also matches a path with ` (deleted)` behind it, which is how the kernel reports a file
//! that is still open somewhere but has no name any more.

mod read;

use enforcer_common::{anchor::symbol, table::TEXT_MAX};

use super::{
    error::{Code, Problem},
    nfa::{NOT_SLASH, Sequence, Step},
    variables::{Variables, written},
};

/// The anchors by name, in the order of their symbols.
pub const ANCHOR_NAMES: [&str; 3] = ["workspace", "home", "tmp"];
/// Index of `${home}`, which is also `~`.
const HOME: usize = 1;
/// Alternatives that one glob may expand to.
pub const ALTERNATIVES_MAX: usize = 256;
/// Beginnings of what the kernel reports for what is open but is not a file.
pub const OBJECTS: [&str; 3] = ["pipe:", "socket:", "anon_inode:"];

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
    /// A variable of the environment that has no anchor yet: name and default.
    Variable(String, Option<String>),
    /// A directory where the system keeps programs, with its `/`.
    Programs,
    /// `*` in an abstract name, where `/` is a character like others.
    Anything,
}

/// A glob that was read: one sequence for each alternative.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    flat: Vec<Vec<Atom>>,
}

impl Glob {
    /// Reads a glob.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > TEXT_MAX {
            return Err(Problem::new(Code::Glob, format!("a glob may have {TEXT_MAX} bytes")));
        }
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            return Err(Problem::new(Code::Glob, format!("a glob has no control characters, such as {c:?}")));
        }
        Ok(Self { flat: read::read(text)? })
    }

    /// Reads a glob for local sockets: of the paths that they are bound to, or with `@` before it of abstract names.
    pub(super) fn of_socket(text: &str) -> Result<Self, Problem> {
        let mut glob = Self::parse(text)?;
        for atoms in &mut glob.flat {
            match atoms[..] {
                [Atom::Byte(b'@'), ..] => {
                    for atom in atoms.iter_mut() {
                        match atom {
                            Atom::Star | Atom::Any => *atom = Atom::Anything,
                            Atom::One => *atom = Atom::Class(vec![(1, u8::MAX)]),
                            _ => {}
                        }
                    }
                    continue;
                }
                // Abstract names have slashes too, and are chosen by whoever binds them.
                [Atom::Any, Atom::Byte(b'/'), ..] => atoms.insert(0, Atom::Byte(b'/')),
                _ => {}
            }
            check(atoms, &[])?;
        }
        Ok(glob)
    }

    /// Reads a glob for one argument of a program: text like any other, in which `/` is a character like others.
    pub(super) fn of_argument(text: &str) -> Result<Self, Problem> {
        if text.replace("\\*", "").contains("**") {
            return Err(Problem::new(Code::Glob, "`**` stands for whole arguments, as an item of its own")
                .help("write `*` for any text within an argument, `/` included"));
        }
        let mut glob = Self::parse(text)?;
        for atom in glob.flat.iter_mut().flatten() {
            match atom {
                Atom::Star => *atom = Atom::Anything,
                Atom::One => *atom = Atom::Class(vec![(1, u8::MAX)]),
                Atom::Anchor(_) | Atom::Variable(..) => {
                    return Err(Problem::new(Code::Variable, "arguments have no variables")
                        .help("they are what the caller wrote: write `*` for a directory, `\\~` or `\\$` for the character"));
                }
                _ => {}
            }
        }
        Ok(glob)
    }

    /// Whether one of the alternatives is the name of a program.
    pub(super) fn names_program(&self) -> bool {
        self.flat.iter().any(|atoms| is_name(atoms))
    }

    /// Puts the system's program directories before alternatives that are names.
    pub(super) fn in_program_directories(&mut self) {
        for atoms in &mut self.flat {
            if is_name(atoms) {
                atoms.insert(0, Atom::Programs);
            }
        }
    }

    /// Refuses what could match no path.
    pub(super) fn check(&self) -> Result<(), Problem> {
        self.flat.iter().try_for_each(|atoms| check(atoms, &OBJECTS))
    }

    /// Whether it begins with an anchor or a variable.
    pub(super) fn has_variables(&self) -> bool {
        let variable = |a: &Atom| matches!(a, Atom::Anchor(_) | Atom::Variable(..));
        self.flat.iter().any(|atoms| atoms.first().is_some_and(variable))
    }

    /// Gives the variables of the environment their anchors.
    pub(super) fn place(&mut self, variables: &mut Variables) -> Result<(), Problem> {
        for first in self.flat.iter_mut().filter_map(|atoms| atoms.first_mut()) {
            if let Atom::Variable(name, default) = first {
                *first = Atom::Anchor(variables.anchor(name, default.as_deref())?);
            }
        }
        Ok(())
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

    /// The texts that it matches when paths are written from their end: `/b/a` for `/a/b`.
    pub(super) fn backwards(&self) -> Vec<Sequence> {
        let slash = Atom::Byte(b'/');
        let turned = self.flat.iter().map(|atoms| {
            let mut components: Vec<&[Atom]> = atoms.split(|atom| *atom == slash).collect();
            if components.first().is_some_and(|first| first.is_empty()) {
                components.remove(0);
            }
            let parts =
                components.into_iter().rev().flat_map(|part| [&[Atom::Byte(b'/')][..], part].concat());
            parts.collect::<Vec<_>>()
        });
        turned.flat_map(|atoms| sequences(&atoms, false)).collect()
    }

    /// How many alternatives it has.
    pub(super) fn alternatives(&self) -> usize {
        self.flat.len()
    }

    /// How many elements it has, all alternatives together.
    pub(super) fn len(&self) -> usize {
        self.flat.iter().map(Vec::len).sum()
    }

    /// How many of its elements match more than one text; what blows automata up.
    pub(super) fn wildcards(&self) -> usize {
        let wild =
            |a: &&Atom| matches!(a, Atom::Star | Atom::Any | Atom::Anything | Atom::One | Atom::Class(_));
        self.flat.iter().map(|atoms| atoms.iter().filter(wild).count()).sum()
    }
}

/// Whether these are the name of a program: no directory, no anchor, no object of the kernel's.
fn is_name(atoms: &[Atom]) -> bool {
    let path = |a: &Atom| {
        matches!(a, Atom::Byte(b'/') | Atom::Any | Atom::Anchor(_) | Atom::Variable(..) | Atom::Programs)
    };
    !atoms.is_empty() && !atoms.iter().any(path) && !is_object(atoms, &OBJECTS)
}

/// Whether these begin as the kernel names what is not a file.
fn is_object(atoms: &[Atom], objects: &[&str]) -> bool {
    let begins = |word: &str| {
        let mut bytes = word.bytes().map(Atom::Byte);
        atoms.len() >= word.len() && atoms.iter().take(word.len()).all(|a| bytes.next().as_ref() == Some(a))
    };
    objects.iter().any(|word| begins(word))
}

/// Refuses what the kernel never reports. `objects` is how what has no path may begin.
fn check(atoms: &[Atom], objects: &[&str]) -> Result<(), Problem> {
    let text = spell(atoms);
    match atoms.first() {
        Some(Atom::Byte(b'/') | Atom::Any | Atom::Anchor(_) | Atom::Variable(..) | Atom::Programs) => {}
        _ if is_object(atoms, objects) => return Ok(()),
        None => return Err(Problem::new(Code::Glob, "this glob, or one of its alternatives, is empty")),
        Some(_) => {
            let help = match text.strip_prefix("./") {
                Some(rest) => format!("write `${{workspace}}/{rest}`"),
                None => format!("write `${{workspace}}/{text}`, `/{text}`, or `**/{text}` for any directory"),
            };
            return Err(Problem::new(
                Code::NotAbsolute,
                format!("`{text}` is not absolute and matches no path"),
            )
            .help(help));
        }
    }
    let never = |why: &str| Problem::new(Code::NeverMatches, format!("`{text}` matches no path: {why}"));
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
            Atom::Anything => out.push(b'*'),
            Atom::Programs => {}
            Atom::Class(_) => out.extend("[…]".bytes()),
            Atom::Anchor(index) => {
                let name = ANCHOR_NAMES.get(*index).unwrap_or(&"…");
                out.extend(format!("${{{name}}}").bytes());
            }
            Atom::Variable(name, default) => out.extend(written(name, default.as_deref()).bytes()),
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
            Atom::Any | Atom::Anything => steps.push(Step::Anything),
            Atom::Programs => steps.push(Step::ProgramDirectory),
            Atom::Class(ranges) => steps.push(Step::class(ranges.iter().copied())),
            Atom::Anchor(index) => steps.push(Step::Byte(symbol(*index))),
            // Placed before; a glob that was not matches nothing.
            Atom::Variable(..) => return Vec::new(),
        }
    }
    let is_path = atoms.first() != Some(&Atom::Byte(b'@'));
    if deleted && is_path && atoms.last() != Some(&Atom::Any) {
        let mut gone = steps.clone();
        gone.extend(b" (deleted)".map(Step::Byte));
        return vec![steps, gone];
    }
    vec![steps]
}
