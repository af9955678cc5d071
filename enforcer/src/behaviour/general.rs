// SPDX-License-Identifier: MIT OR Apache-2.0

//! Targets without what is no news.

use std::net::IpAddr;

use enforcer_common::{Kind, socket::Socket};

use crate::{
    profile::sockets,
    report::{escape::escape, target::Target},
};

/// The first port that the kernel gives to whoever names none.
const EPHEMERAL: u16 = 32_768;
/// Directories of the system that a program reads as a whole: which library of them is no news.
const SYSTEM: [&str; 9] = [
    "/usr/lib/",
    "/usr/lib64/",
    "/usr/share/",
    "/usr/include/",
    "/usr/local/lib/",
    "/lib/",
    "/lib64/",
    "/sys/",
    "/run/nscd/",
];
/// Letters and digits from which on a word of a temporary name is a random one.
const RANDOM: usize = 6;
/// Hexadecimal digits from which on they are a hash.
const HASH: usize = 8;

/// The directories of a run: how people write them, and what they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<(String, Vec<u8>)>);

impl Places {
    /// Those of a run. The longest is looked for first, so that a workspace below `~` is the workspace.
    pub(super) fn new(mut places: Vec<(String, Vec<u8>)>) -> Self {
        places.retain(|(_, value)| value.len() > 1);
        places.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        Self(places)
    }

    /// A target as it is compared, fit for a terminal. `own` is the directory of the package that acts.
    pub(super) fn general(&self, kind: Kind, text: &[u8], host: Option<&str>, own: Option<&[u8]>) -> String {
        match Target::of(kind, text) {
            Target::Path(path) => self.path(kind, &path, own),
            Target::Unix(name) => self.path(kind, &name, own),
            Target::Command { path, args } => {
                let program = self.path(Kind::Exec, &path, own);
                args.iter().fold(program, |shown, arg| format!("{shown} {}", words(&escape(arg), false)))
            }
            Target::Address { address, protocol, .. } => {
                let port = match address.port() {
                    port if kind == Kind::Listen && port >= EPHEMERAL => "*".to_owned(),
                    port => port.to_string(),
                };
                match (host, address.ip()) {
                    (Some(host), _) => format!("{}:{port} {protocol}", escape(host.as_bytes())),
                    (None, IpAddr::V4(ip)) => format!("{ip}:{port} {protocol}"),
                    (None, IpAddr::V6(ip)) => format!("[{ip}]:{port} {protocol}"),
                }
            }
            Target::Socket { family, kind, protocol } => sockets::shown(Socket { family, kind, protocol }),
            Target::Name { name, .. } => escape(&name),
            Target::Process { name, .. } => format!("process {}", escape(&name)),
            Target::Namespace => "a user namespace".to_owned(),
            Target::Unnamed => "(unnamed)".to_owned(),
        }
    }

    fn path(&self, kind: Kind, path: &[u8], own: Option<&[u8]>) -> String {
        if let Some(rest) = own.and_then(|own| below(path, own)) {
            return match kind {
                Kind::Exec => format!("(package){}", words(&escape(rest), false)),
                _ => "(package)/**".to_owned(),
            };
        }
        let found = self.0.iter().find_map(|(name, value)| Some((name.as_str(), below(path, value)?)));
        let (place, rest) = found.unwrap_or(("", path));
        let rest = escape(rest);
        let temporary = place == "${tmp}" || rest.starts_with("/tmp/") || rest.starts_with("/var/tmp/");
        match (place, kind) {
            // What is installed differs with every version; who executes it, and what, does not.
            ("${workspace}", Kind::Read | Kind::Write)
                if rest.contains("/node_modules/") || rest == "/node_modules" =>
            {
                "${workspace}/node_modules/**".to_owned()
            }
            ("~", Kind::Read | Kind::Write) if rest.starts_with("/.npm/") => "~/.npm/**".to_owned(),
            ("", Kind::Read) => match SYSTEM.iter().find(|directory| rest.starts_with(**directory)) {
                Some(directory) => format!("{directory}**"),
                None => words(&rest, temporary),
            },
            _ => format!("{place}{}", words(&rest, temporary)),
        }
    }
}

/// What follows a directory in a path that lies in it.
fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    path.strip_prefix(directory).filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A path with a star for what is random in it.
fn words(path: &str, temporary: bool) -> String {
    let mut out = String::with_capacity(path.len());
    let mut word = String::new();
    let end = |word: &mut String, out: &mut String| {
        let general = if is_random(word, temporary) { "*".to_owned() } else { numbers(word) };
        // `1.2.3` is one version, and so is `1.2.10-4`.
        if !(general == "*" && (out.ends_with("*.") || out.ends_with("*-") || out.ends_with("*_"))) {
            out.push_str(&general);
        } else {
            out.pop();
        }
        word.clear();
    };
    for character in path.chars() {
        if matches!(character, '/' | '.' | '-' | '_' | ':' | '[' | ']' | ' ') {
            end(&mut word, &mut out);
            out.push(character);
        } else {
            word.push(character);
        }
    }
    end(&mut word, &mut out);
    out
}

/// Whether a word is a hash, or below a directory for temporary files a random name.
fn is_random(word: &str, temporary: bool) -> bool {
    let digits = word.bytes().any(|byte| byte.is_ascii_digit());
    let hash = word.len() >= HASH && digits && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mixed = word.bytes().any(|byte| byte.is_ascii_lowercase())
        && word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase());
    let alphanumeric = word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // `python3` is not.
    let inside =
        word.trim_end_matches(|digit: char| digit.is_ascii_digit()).bytes().any(|byte| byte.is_ascii_digit());
    hash || temporary && word.len() >= RANDOM && alphanumeric && (inside || mixed)
}

/// A word with a star for each number.
fn numbers(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for character in word.chars() {
        match character {
            '0'..='9' if out.ends_with('*') => {}
            '0'..='9' => out.push('*'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn general(kind: Kind, text: &str) -> String {
        let place = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let places = Places::new(vec![
            place("~", "/home/u"),
            place("${workspace}", "/home/u/w"),
            place("${tmp}", "/tmp"),
        ]);
        places.general(kind, text.as_bytes(), None, Some(b"/home/u/w/node_modules/p"))
    }

    #[test]
    fn what_differs_from_run_to_run_is_a_star() {
        for (kind, text, expected) in [
            (Kind::Read, "/proc/4711/status", "/proc/*/status"),
            (Kind::Write, "/tmp/npm-4711-1a2b3c4d/x", "${tmp}/npm-*/x"),
            (Kind::Write, "/tmp/tmp.AbCdEfGhIj", "${tmp}/tmp.*"),
            (Kind::Exec, "/tmp/.q3x9zz/python3", "${tmp}/.*/python*"),
            (Kind::Exec, "/tmp/ld.py", "${tmp}/ld.py"),
            (Kind::Write, "/home/u/.npm/_cacache/tmp/1a2b3c4d", "~/.npm/**"),
            (Kind::Read, "/home/u/.npmrc", "~/.npmrc"),
            (Kind::Read, "/home/u/w/package.json", "${workspace}/package.json"),
            (Kind::Read, "/home/u/w/node_modules/q/index.js", "${workspace}/node_modules/**"),
            (Kind::Read, "/home/u/w/node_modules/p/index.js", "(package)/**"),
            (Kind::Exec, "/home/u/w/node_modules/p/bin/x-1.2.3", "(package)/bin/x-*"),
            (Kind::Exec, "/home/u/w/node_modules/q/bin/x", "${workspace}/node_modules/q/bin/x"),
            (Kind::Read, "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/**"),
            (Kind::Exec, "/usr/bin/python3.11", "/usr/bin/python*"),
            (Kind::Read, "pipe:[4711]", "pipe:[*]"),
            (Kind::Unix, "@x/4711", "@x/*"),
            (Kind::Connect, "t4c6336407:1f40", "198.51.100.7:8000 tcp"),
            (Kind::Listen, "t47f000001:c000", "127.0.0.1:* tcp"),
            (Kind::Listen, "t47f000001:1f90", "127.0.0.1:8080 tcp"),
            (Kind::Resolve, "a1.evil.test 10.0.0.1", "a1.evil.test"),
            (Kind::Read, "/home/u/w/a\u{1b}[2J", "${workspace}/a\\u{*b}[*J"),
        ] {
            assert_eq!(general(kind, text), expected, "{text}");
        }
    }

    #[test]
    fn names_stay() {
        for path in ["/etc/passwd", "/opt/README/CHANGELOG", "/opt/deadbeef", "/opt/camelCase", "/bin/sh"] {
            assert_eq!(general(Kind::Write, path), path);
        }
    }
}
