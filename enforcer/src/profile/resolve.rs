// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names that are looked up. The kernel's table does not know them. This answers for a profile alone; a run's resolver
//! also knows whose names the registries have, and asks the same [`Host::matches`].

use enforcer_common::{Decision, Kind, Reason, Verdict, table::STAY};

use super::{
    compile::{Compiled, HostRule},
    host::{Host, Registry},
};

impl Compiled {
    /// Decides whether a task in a stage may look up a name: where a host rule allows the name, or where every address
    /// is allowed that no rule denies. `is_registry` says whether it is the name of a registry.
    #[must_use]
    pub fn decide_name(&self, stage: u8, name: &str, is_registry: impl Fn(Registry) -> bool) -> Decision {
        match self.host_rules(stage, name, is_registry).next() {
            Some(rule) => Decision {
                verdict: Verdict::Allow,
                rule: rule.rule,
                exception: if rule.recorded { rule.rule } else { 0 },
                ..Decision::denied(Reason::Rule)
            },
            None if self.default_allows(stage, Kind::Connect) => {
                Decision { verdict: Verdict::Allow, stage: STAY, ..Decision::denied(Reason::Default) }
            }
            None => Decision::denied(Reason::Default),
        }
    }

    /// The host rules of a stage that allow a name, in the order of their numbers.
    pub fn host_rules<'a>(
        &'a self,
        stage: u8,
        name: &'a str,
        is_registry: impl Fn(Registry) -> bool + 'a,
    ) -> impl Iterator<Item = &'a HostRule> {
        self.hosts.iter().filter(move |rule| {
            let fits = match rule.host {
                Host::Registry(registry) => is_registry(registry),
                _ => rule.host.matches(name),
            };
            rule.stage == stage && fits
        })
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
            let decision = profile.decide_name(stage, name, |registry| pip && registry == Registry::Pip);
            (decision.allows(), decision.reason, decision.rule)
        };
        assert_eq!(decide(0, "A.example.test.", false), (true, Reason::Rule, 1));
        assert_eq!(decide(0, "example.test", false), (false, Reason::Default, 0));
        assert_eq!(decide(0, "index.test", true), (true, Reason::Rule, 3));
        assert_eq!(decide(1, "index.test", true), (true, Reason::Default, 0));
        assert_eq!(decide(2, "a.example.test", false), (false, Reason::Default, 0));
    }
}
