// SPDX-License-Identifier: MIT OR Apache-2.0

//! How globs are read: alternatives are written out, then each is taken apart.

use super::{ALTERNATIVES_MAX, ANCHOR_NAMES, Atom, HOME};
use crate::profile::{
    error::{Code, Problem, suggest},
    host::Registry,
    variables,
};

/// Reads a glob: the elements of each of its alternatives.
pub(super) fn read(text: &str) -> Result<Vec<Vec<Atom>>, Problem> {
    expand(text)?.iter().map(|alternative| atoms(alternative)).collect()
}

/// Writes every alternative out.
fn expand(text: &str) -> Result<Vec<String>, Problem> {
    let mut done = Vec::new();
    let mut todo = vec![text.to_owned()];
    while let Some(next) = todo.pop() {
        match braces(&next)? {
            None => done.push(next),
            Some(Braces { before, choices, after }) => {
                // Pushed in reverse, so that alternatives keep their order.
                for choice in choices.iter().rev() {
                    if star_meets_star(before, choice) || star_meets_star(choice, after) {
                        return Err(Problem::new(
                            Code::Glob,
                            "alternatives may not put one `*` next to another",
                        ));
                    }
                    todo.push(format!("{before}{choice}{after}"));
                }
            }
        }
        if done.len() + todo.len() > ALTERNATIVES_MAX {
            return Err(Problem::new(
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

/// Whether joining these makes a `**` that nobody wrote.
fn star_meets_star(before: &str, after: &str) -> bool {
    before.ends_with('*') && after.starts_with('*')
}

/// A glob split at its first `{…}`.
struct Braces<'a> {
    before: &'a str,
    choices: Vec<&'a str>,
    after: &'a str,
}

/// Splits a glob at its first `{…}`, if it has one.
fn braces(text: &str) -> Result<Option<Braces<'_>>, Problem> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut open, mut from) = (0, 0_usize, 0, 0);
    let mut choices = Vec::new();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'[' => at = class_end(text, at)?,
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                // A variable, not alternatives. Whether there is one of this name is looked into later.
                at = variable_end(text, at)?;
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
                return Ok(Some(Braces { before: &text[..open], choices, after: &text[at + 1..] }));
            }
            b'}' if depth == 0 => {
                return Err(Problem::new(Code::Glob, "this glob has a `}` without `{`")
                    .help("write '\\}' for the character"));
            }
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    if depth > 0 { Err(unclosed("{", "}")) } else { Ok(None) }
}

/// Something that is opened and not closed.
fn unclosed(open: &str, close: &str) -> Problem {
    Problem::new(Code::Glob, format!("this glob has a `{open}` without `{close}`"))
        .help(format!("write `\\{}` for the character", &open[..1]))
}

/// The index of the `}` that closes the variable at `open`. A default may have a variable within.
fn variable_end(text: &str, open: usize) -> Result<usize, Problem> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Ok(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    Err(unclosed("${", "}"))
}

/// The index of the `]` that closes the class at `open`.
fn class_end(text: &str, open: usize) -> Result<usize, Problem> {
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
fn atoms(text: &str) -> Result<Vec<Atom>, Problem> {
    let bytes = text.as_bytes();
    let mut atoms = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => {
                at += 1;
                let Some(&byte) = bytes.get(at) else {
                    return Err(Problem::new(Code::Glob, "this glob ends with a `\\` that escapes nothing"));
                };
                atoms.push(Atom::Byte(byte));
            }
            b'~' if at == 0 => {
                if !matches!(bytes.get(1), None | Some(b'/')) {
                    return Err(Problem::new(
                        Code::Variable,
                        "`~` is the home directory only as `~` or `~/…`",
                    )
                    .help("write another user's home directory out; `\\~` is the character"));
                }
                atoms.push(Atom::Anchor(HOME));
            }
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                let end = variable_end(text, at)?;
                atoms.push(variable(&text[at + 2..end], at, bytes.get(end + 1))?);
                at = end;
            }
            b'?' => atoms.push(Atom::One),
            b'*' if bytes.get(at + 1) == Some(&b'*') => {
                let after = bytes.get(at + 2);
                if !matches!(atoms.last(), None | Some(Atom::Byte(b'/')))
                    || !matches!(after, None | Some(b'/'))
                {
                    return Err(Problem::new(Code::Glob, "`**` must be a whole component of the path")
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

/// The anchor of a variable, or a variable of the environment.
fn variable(name: &str, at: usize, after: Option<&u8>) -> Result<Atom, Problem> {
    let atom = if let Some(name) = name.strip_prefix("env.") {
        let (name, default) = variables::read(name)?;
        Atom::Variable(name, default)
    } else {
        Atom::Anchor(anchor(name)?)
    };
    if at != 0 {
        return Err(Problem::new(Code::Variable, format!("`${{{name}}}` may only begin a glob"))
            .help("its value is an absolute path, so nothing can come before it"));
    }
    if !matches!(after, None | Some(b'/')) {
        return Err(Problem::new(Code::Variable, format!("`${{{name}}}` must be followed by `/`"))
            .help(format!("`${{{name}}}/**` is everything below it")));
    }
    Ok(atom)
}

/// The anchor of this name.
fn anchor(name: &str) -> Result<usize, Problem> {
    ANCHOR_NAMES.iter().position(|n| *n == name).ok_or_else(|| {
        let variable = format!("${{{name}}}");
        if Registry::of_variable(&variable).is_some() {
            return Problem::new(Code::Variable, format!("`{variable}` is a host, not a path"))
                .help("use it as `host:` below `network`");
        }
        let mut known = ANCHOR_NAMES.map(|name| format!("${{{name}}}")).to_vec();
        known.push("${env.NAME}".to_owned());
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        Problem::new(Code::Variable, format!("there is no variable `{variable}`"))
            .help(suggest(&variable, &known))
    })
}

/// Reads the inside of `[…]`.
fn class(text: &str) -> Result<Atom, Problem> {
    let shown = || format!("`[{text}]`");
    let (negated, inside) = match text.strip_prefix(['!', '^']) {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if !inside.is_ascii() {
        return Err(Problem::new(Code::Glob, format!("{} has a character that is not ASCII", shown()))
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
            return Err(Problem::new(Code::Glob, format!("the range in {} runs backwards", shown())));
        }
        if (first..=last).contains(&b'/') {
            return Err(Problem::new(
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
