// SPDX-License-Identifier: MIT OR Apache-2.0

//! Targets without what is no news.

use std::{fmt, net::IpAddr};

use enforcer_common::{Kind, socket::Socket};

use crate::{
    profile::sockets,
    recording::format::{Header, Variable},
    report::{
        escape::{cut, escape, escape_all},
        target::Target,
    },
};

/// The first port that the kernel gives to whoever names none.
pub(crate) const EPHEMERAL: u16 = 32_768;
/// Directories of the system that a program reads as a whole: which library of them is no news.
const SYSTEM: [&str; 9] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/share",
    "/usr/include",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/sys",
    "/run/nscd",
];
/// Where packages are installed.
const INSTALLED: &[u8] = b"/node_modules";
/// Stands for a star among bytes of a path.
const STAR: u8 = 0;
/// Letters and digits from which on a word of a temporary name is a random one.
const RANDOM: usize = 6;
/// Hexadecimal digits from which on they are a hash.
const HASH: usize = 8;

/// The directories of a run: how people write them, and what they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Vec<(String, Vec<u8>)>);

/// A target without what is no news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum General {
    /// A path, or the name of a local socket.
    Path(Pattern),
    /// A path, and arguments as they are shown.
    Command(Pattern, String),
    /// An address, or the name that led there.
    Endpoint {
        /// The name.
        host: Option<String>,
        /// The address.
        ip: IpAddr,
        /// The port; none for one that the kernel gave.
        port: Option<u16>,
        /// `tcp`, `udp` or `other`.
        protocol: &'static str,
    },
    /// Anything else, fit for a terminal.
    Other(String),
}

/// Paths that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Where they begin.
    pub(crate) place: Place,
    /// What follows.
    pub(crate) pieces: Vec<Piece>,
}

/// Where paths begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere special.
    Root,
    /// At a directory of the run, as people write it.
    Named(String),
    /// At the directory of the package that acts, which is this.
    Package(Box<Pattern>),
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// This text.
    Text(Vec<u8>),
    /// Something within a name.
    Star,
    /// Any directories, which are left out where the pattern is shown.
    Between,
    /// Whatever is below, and the directory itself.
    Below,
}

/// For people: escaped, and cut if it is very long.
impl fmt::Display for General {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(pattern) => f.write_str(&cut(pattern.to_string())),
            Self::Command(pattern, arguments) => f.write_str(&cut(format!("{pattern}{arguments}"))),
            Self::Endpoint { host, ip, port, protocol } => {
                match (host, ip) {
                    (Some(host), _) => f.write_str(&escape(host.as_bytes()))?,
                    (None, IpAddr::V4(ip)) => write!(f, "{ip}")?,
                    (None, IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
                }
                match port {
                    Some(port) => write!(f, ":{port} {protocol}"),
                    None => write!(f, ":* {protocol}"),
                }
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.place {
            Place::Root => "",
            Place::Named(name) => name,
            Place::Package(_) => "(package)",
        })?;
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(&escape_all(text)),
            Piece::Star => f.write_str("*"),
            Piece::Between => Ok(()),
            Piece::Below => f.write_str("/**"),
        })
    }
}

impl Places {
    /// Those of a run. The longest is looked for first, so that a workspace below `~` is the workspace.
    pub(crate) fn new(mut places: Vec<(String, Vec<u8>)>) -> Self {
        places.retain(|(_, value)| value.len() > 1);
        places.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        Self(places)
    }

    /// Those of a recorded run.
    pub(crate) fn of(header: &Header) -> Self {
        let value = |variable: &Variable| Some((variable.name.clone(), variable.value.bytes()?.into_owned()));
        let variables = header.variables.iter().filter(|variable| !variable.name.starts_with("${env."));
        Self::new(variables.filter_map(value).collect())
    }

    /// A target as it is compared. `own` is the directory of the package that acts.
    pub(crate) fn general(&self, kind: Kind, text: &[u8], host: Option<&str>, own: Option<&[u8]>) -> General {
        match Target::of(kind, text) {
            Target::Path(path) => General::Path(self.path(kind, &path, own)),
            Target::Unix(name) => General::Path(self.path(kind, &name, own)),
            Target::Command { path, args } => {
                let shown = |arg: &Vec<u8>| {
                    let pieces = words(arg, false);
                    format!(" {}", Pattern { place: Place::Root, pieces })
                };
                General::Command(self.path(Kind::Exec, &path, own), args.iter().map(shown).collect())
            }
            Target::Address { address, protocol, .. } => General::Endpoint {
                host: host.map(str::to_owned),
                ip: address.ip(),
                // On this machine, whoever is connected to had its port from the kernel too.
                port: Some(address.port()).filter(|&port| {
                    port < EPHEMERAL || kind != Kind::Listen && !address.ip().to_canonical().is_loopback()
                }),
                protocol,
            },
            Target::Socket { family, kind, protocol } => {
                General::Other(sockets::shown(Socket { family, kind, protocol }))
            }
            Target::Name { name, .. } => General::Other(escape(&name)),
            Target::Process { name, .. } => General::Other(format!("process {}", escape(&name))),
            Target::Namespace => General::Other("a user namespace".to_owned()),
            Target::Unnamed => General::Other("(unnamed)".to_owned()),
        }
    }

    /// A path as it is.
    pub(crate) fn exact(&self, path: &[u8]) -> Pattern {
        let (place, rest) = self.split(path);
        Pattern { place, pieces: vec![Piece::Text(rest.to_vec())] }
    }

    /// The directory that a path lies in, and the rest of the path.
    fn split<'p>(&self, path: &'p [u8]) -> (Place, &'p [u8]) {
        let found = self.0.iter().find_map(|(name, value)| Some((name, below(path, value)?)));
        found.map_or((Place::Root, path), |(name, rest)| (Place::Named(name.clone()), rest))
    }

    fn path(&self, kind: Kind, path: &[u8], own: Option<&[u8]>) -> Pattern {
        let text = |text: &[u8]| Piece::Text(text.to_vec());
        if let Some((own, rest)) = own.and_then(|own| Some((own, below(path, own)?))) {
            let (place, directory) = self.split(own);
            let package = Pattern { place, pieces: words(directory, false) };
            let pieces = match kind {
                Kind::Exec => words(rest, false),
                _ => vec![Piece::Below],
            };
            return Pattern { place: Place::Package(Box::new(package)), pieces };
        }
        let (place, rest) = self.split(path);
        let name = match &place {
            Place::Named(name) => name.as_str(),
            _ => "",
        };
        let temporary = name == "${tmp}" || rest.starts_with(b"/tmp/") || rest.starts_with(b"/var/tmp/");
        let pieces = match (name, kind) {
            // What is installed differs with every version; who executes it, and what, does not.
            ("${workspace}", Kind::Read | Kind::Write) if below(rest, INSTALLED).is_some() => {
                vec![text(INSTALLED), Piece::Below]
            }
            ("${workspace}", Kind::Read | Kind::Write)
                if rest.windows(INSTALLED.len() + 1).any(|part| part == b"/node_modules/") =>
            {
                vec![Piece::Between, text(INSTALLED), Piece::Below]
            }
            ("~", Kind::Read | Kind::Write) if rest.starts_with(b"/.npm/") => {
                vec![text(b"/.npm"), Piece::Below]
            }
            ("", Kind::Read) => match SYSTEM.iter().find(|&&system| below(rest, system.as_bytes()).is_some())
            {
                Some(system) => vec![text(system.as_bytes()), Piece::Below],
                None => words(rest, temporary),
            },
            _ => words(rest, temporary),
        };
        Pattern { place, pieces }
    }
}

/// What follows a directory in a path that lies in it.
fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    path.strip_prefix(directory).filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A path with a star for what is random in it.
fn words(path: &[u8], temporary: bool) -> Vec<Piece> {
    // In this, a zero is a star; no path has one.
    let mut out = Vec::with_capacity(path.len());
    let end = |word: &[u8], out: &mut Vec<u8>| {
        let general = if is_random(word, temporary) { vec![STAR] } else { numbers(word) };
        // `1.2.3` is one version, and so is `1.2.10-4`.
        match (&general[..], &out[..]) {
            ([STAR], [.., STAR, b'.' | b'-' | b'_']) => _ = out.pop(),
            _ => out.extend(general),
        }
    };
    let mut word = Vec::new();
    for &byte in path {
        if matches!(byte, b'/' | b'.' | b'-' | b'_' | b':' | b'[' | b']' | b' ') {
            end(&word, &mut out);
            word.clear();
            out.push(byte);
        } else {
            word.push(byte);
        }
    }
    end(&word, &mut out);
    let mut pieces = Vec::new();
    for (at, text) in out.split(|&byte| byte == STAR).enumerate() {
        pieces.extend((at > 0).then_some(Piece::Star));
        pieces.extend((!text.is_empty()).then(|| Piece::Text(text.to_vec())));
    }
    pieces
}

/// Whether a word is a hash, or below a directory for temporary files a random name.
fn is_random(word: &[u8], temporary: bool) -> bool {
    let digits = word.iter().any(u8::is_ascii_digit);
    let hash = word.len() >= HASH && digits && word.iter().all(u8::is_ascii_hexdigit);
    let mixed = word.iter().any(u8::is_ascii_lowercase) && word.iter().skip(1).any(u8::is_ascii_uppercase);
    let alphanumeric = word.iter().all(u8::is_ascii_alphanumeric);
    // `python3` is not.
    let name = word.iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |last| last + 1);
    let inside = word[..name].iter().any(u8::is_ascii_digit);
    hash || temporary && word.len() >= RANDOM && alphanumeric && (inside || mixed)
}

/// A word with a star for each number.
fn numbers(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    for &byte in word {
        match byte {
            b'0'..=b'9' if out.ends_with(&[STAR]) => {}
            b'0'..=b'9' => out.push(STAR),
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
        places.general(kind, text.as_bytes(), None, Some(b"/home/u/w/node_modules/p")).to_string()
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
            (Kind::Read, "/home/u/w/a\u{1b}[2J", "${workspace}/a\\u{1b}[*J"),
            (Kind::Read, "/home/u/w/packages/a/node_modules/q/x", "${workspace}/node_modules/**"),
            (Kind::Connect, "t47f000001:c000", "127.0.0.1:* tcp"),
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
