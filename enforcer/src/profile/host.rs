// SPDX-License-Identifier: MIT OR Apache-2.0

//! Hosts: whom a host rule names.

use std::{fmt, net::IpAddr};

use super::error::{Code, Problem, list};

/// Whom a host rule names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// This name, in lower case, without a dot at its end.
    Name(String),
    /// `*.example.org`: every name below this one, not the name itself.
    Below(String),
    /// Where the user's own configuration, never the project's, says that packages come from.
    Registry(Registry),
}

/// Whose registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Registry {
    /// `${npm.registry}`.
    Npm,
    /// `${pnpm.registry}`.
    Pnpm,
    /// `${yarn.registry}`.
    Yarn,
    /// `${pip.index}`.
    Pip,
    /// `${cargo.registry}`.
    Cargo,
}

impl Registry {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Npm, Self::Pnpm, Self::Yarn, Self::Pip, Self::Cargo];

    /// How profiles write it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Npm => "${npm.registry}",
            Self::Pnpm => "${pnpm.registry}",
            Self::Yarn => "${yarn.registry}",
            Self::Pip => "${pip.index}",
            Self::Cargo => "${cargo.registry}",
        }
    }

    /// The one that is written like this.
    #[must_use]
    pub fn of_variable(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|registry| registry.variable() == text)
    }
}

impl Host {
    /// Reads a host.
    ///
    /// # Errors
    ///
    /// It is none, or names more than a rule may.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let fault = |message: String| Problem::new(Code::Host, message);
        if text.starts_with("${") && text.ends_with('}') {
            if text.starts_with("${env.") {
                return Err(Problem::new(Code::NotSupported, format!("`{text}` is not supported yet")));
            }
            let known = Registry::ALL.map(Registry::variable);
            return Registry::of_variable(text).map(Self::Registry).ok_or_else(|| {
                Problem::new(Code::Variable, format!("there is no host variable `{text}`"))
                    .help(format!("there is {}, from the user's configuration", list(&known)))
            });
        }
        if text.parse::<IpAddr>().is_ok() || text.contains('/') && !text.contains("://") {
            return Err(
                fault(format!("`{text}` is an address, not a host")).help(format!("write `address: {text}`"))
            );
        }
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', ':']).next().unwrap_or_default();
            return Err(fault(format!("`{text}` is a URL, not a host")).help(format!("write `host: {host}`")));
        }
        if let Some((host, port)) = text.split_once(':') {
            return Err(fault(format!("`{text}` is not a host name"))
                .help(format!("write `host: {host}` and `ports: [{port}]`")));
        }
        if let Some(rest) = text.strip_prefix("*.").filter(|rest| !has_special(rest)) {
            let name = name(rest).ok_or_else(|| not_a_name(text))?;
            if !name.contains('.') {
                return Err(fault(format!("`{text}` is open to everybody who can buy a name"))
                    .help("name at least two parts behind the star: `*.example.org`"));
            }
            return Ok(Self::Below(name));
        }
        if has_special(text) {
            let help = match text {
                "*" => "leave hosts out, and write `address: any` with the ports",
                _ => "a star stands only at the beginning, for one or more parts: `*.example.org`",
            };
            return Err(fault(format!("`{text}` is not a glob that a host rule can have")).help(help));
        }
        name(text).map(Self::Name).ok_or_else(|| not_a_name(text))
    }

    /// Whether a name is one of these. A registry's name is known only in a run.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        match self {
            Self::Name(host) => name.eq_ignore_ascii_case(host),
            Self::Below(host) => {
                let split = name.len().checked_sub(host.len() + 1).and_then(|at| name.split_at_checked(at));
                split.is_some_and(|(labels, rest)| {
                    let below = rest.strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case(host));
                    below && labels.split('.').all(|label| !label.is_empty())
                })
            }
            Self::Registry(_) => false,
        }
    }

    /// Whether this names all that the other one names.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Name(name) => self.matches(name),
            Self::Below(name) => self == other || matches!(self, Self::Below(_)) && self.matches(name),
            Self::Registry(_) => self == other,
        }
    }
}

/// Whether there is something that means more than itself in a glob.
fn has_special(text: &str) -> bool {
    text.contains(['*', '?', '{', '['])
}

/// A name in lower case, without a dot at its end.
fn name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= 253 && name.split('.').all(label)).then_some(name)
}

fn not_a_name(text: &str) -> Problem {
    Problem::new(Code::Host, format!("`{text}` is not a host name"))
        .help("letters, digits and `-`, in parts of up to 63 characters; other scripts as `xn--…`")
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Registry(registry) => f.write_str(registry.variable()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    #[test]
    fn names_match_whatever_their_case_and_dot() {
        let one = host("Mirror.Example");
        assert!(one.matches("mirror.example") && one.matches("MIRROR.example."));
        for name in ["a.mirror.example", "mirror.example..", "mirrorxexample", "", "."] {
            assert!(!one.matches(name), "{name}");
        }
    }

    #[test]
    fn a_star_is_one_or_more_labels() {
        let below = host("*.Example.test.");
        assert_eq!(below.to_string(), "*.example.test");
        for name in ["a.example.test", "a.b.example.test", "A.EXAMPLE.TEST.", "*.example.test"] {
            assert!(below.matches(name), "{name}");
        }
        for name in [
            "example.test",
            ".example.test",
            "a..example.test",
            "aexample.test",
            "a.example.test.x",
            "\u{e4}",
        ] {
            assert!(!below.matches(name), "{name}");
        }
    }

    #[test]
    fn one_host_covers_another() {
        let covers = |one: &str, two: &str| host(one).covers(&host(two));
        assert!(covers("*.example.test", "a.example.test") && covers("*.example.test", "*.example.test"));
        assert!(covers("*.example.test", "*.a.example.test"));
        assert!(!covers("*.a.example.test", "*.example.test") && !covers("a.example.test", "*.example.test"));
        assert!(!covers("*.example.test", "example.test"));
        assert!(covers("${pip.index}", "${pip.index}") && !covers("${pip.index}", "${npm.registry}"));
    }

    #[test]
    fn what_is_too_wide_or_no_glob_is_refused() {
        for text in [
            "*",
            "*.",
            "*.test",
            "*.test.",
            "a.*.example.test",
            "*a.example.test",
            "**.example.test",
            "*.*.test",
        ] {
            assert_eq!(Host::parse(text).map_err(|problem| problem.code), Err(Code::Host), "{text}");
        }
        for registry in Registry::ALL {
            assert_eq!(host(registry.variable()), Host::Registry(registry));
        }
    }
}
