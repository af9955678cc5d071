// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names that are looked up. The kernel's table does not know them: the resolver decides about them, and so does
//! `explain`, by this.

use enforcer_common::{
    Decision, Kind, Reason, Verdict,
    table::{STAGES, STAY},
};

use super::{
    compile::{Compiled, HostRule},
    document::Tls,
    host::{Host, Registry},
};

/// Which names the stages of a profile may look up.
#[derive(Clone, Debug)]
pub struct Names {
    rules: Vec<HostRule>,
    /// Stages that may reach every address that no rule denies, so that names tell nothing.
    open: [bool; STAGES],
    tls: Tls,
}

impl Names {
    /// Those of a profile.
    #[must_use]
    pub fn new(profile: &Compiled) -> Self {
        let mut open = [false; STAGES];
        for (stage, open) in (0..).zip(open.iter_mut()).take(profile.stages.len()) {
            *open = profile.default_allows(stage, Kind::Connect);
        }
        Self { rules: profile.hosts.clone(), open, tls: profile.tls }
    }

    /// Decides whether a task in a stage may look up a name: where a host rule allows the name, or where every address
    /// is allowed that no rule denies. `is_registry` says whether it is the name of a registry.
    #[must_use]
    pub fn decide(&self, stage: u8, name: &str, is_registry: impl Fn(Registry) -> bool) -> Decision {
        match self.rules(name, is_registry).find(|rule| rule.stage == stage) {
            Some(rule) => Decision {
                verdict: Verdict::Allow,
                rule: rule.rule,
                exception: if rule.recorded { rule.rule } else { 0 },
                ..Decision::denied(Reason::Rule)
            },
            None if self.is_open(stage) => {
                Decision { verdict: Verdict::Allow, stage: STAY, ..Decision::denied(Reason::Default) }
            }
            None => Decision::denied(Reason::Default),
        }
    }

    /// The host rules that a name fits, of all stages, in the order of their numbers.
    pub fn rules<'a>(
        &'a self,
        name: &'a str,
        is_registry: impl Fn(Registry) -> bool + 'a,
    ) -> impl Iterator<Item = &'a HostRule> {
        self.rules.iter().filter(move |rule| match rule.host {
            Host::Registry(registry) => is_registry(registry),
            _ => rule.host.matches(name),
        })
    }

    /// All host rules.
    #[must_use]
    pub fn all(&self) -> &[HostRule] {
        &self.rules
    }

    /// Whether a stage may reach every address.
    #[must_use]
    pub fn is_open(&self, stage: u8) -> bool {
        self.open.get(usize::from(stage)) == Some(&true)
    }

    /// What is asked of a stage's connections to hosts. Where every address may be reached, asking for names protects
    /// nothing.
    #[must_use]
    pub fn tls(&self, stage: u8) -> Tls {
        Tls { sni: self.tls.sni && !self.is_open(stage), ..self.tls }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Text, *};

    #[test]
    fn names_are_allowed_by_the_first_host_rule_or_where_every_address_is() {
        let text = "version: 1\nname: t\nowner: o\nstages:\n  one:\n    network:\n      allow:\n        \
                    - { host: '*.example.test', ports: [443] }\n        - { host: a.example.test, ports: [80] }\n        \
                    - { host: '${pip.index}' }\n  two: { network: { default: allow } }\n  three: {}\n";
        let profile = Compiled::new(&Text::new("t.yaml", text.to_owned())).unwrap();
        let decide = |stage, name, pip| {
            let decision =
                Names::new(&profile).decide(stage, name, |registry| pip && registry == Registry::Pip);
            (decision.allows(), decision.reason, decision.rule)
        };
        assert_eq!(decide(0, "A.example.test.", false), (true, Reason::Rule, 1));
        assert_eq!(decide(0, "example.test", false), (false, Reason::Default, 0));
        assert_eq!(decide(0, "index.test", true), (true, Reason::Rule, 3));
        assert_eq!(decide(1, "index.test", true), (true, Reason::Default, 0));
        assert_eq!(decide(2, "a.example.test", false), (false, Reason::Default, 0));
    }
}
