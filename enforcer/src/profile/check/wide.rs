// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rules and defaults that allow more than anybody can have looked at.

use enforcer_common::Kind;

use super::{
    super::{
        compile::Rule,
        document::Effect,
        error::{Code, Problem},
        host::Host,
        matching::is_everything,
        uploads::{open_below, takes_uploads},
    },
    Lint,
};

impl Lint<'_> {
    /// What allows everything.
    pub(super) fn everything(&mut self) {
        for (number, name) in self.profile.stages.iter().enumerate() {
            // The other kinds of `network` have the default of this one.
            for kind in [Kind::Exec, Kind::Write, Kind::Connect] {
                if self.profile.default_allows(number as u8, kind) {
                    let what = if kind == Kind::Connect { "use of the network" } else { kind.name() };
                    let message =
                        format!("stage `{name}` allows every {what} that no rule denies (`default: allow`)");
                    let help = "leave `default` out and allow what is needed; `enforcer run --audit` shows what that is";
                    self.stage(number, Problem::new(Code::AllowsEverything, message).help(help));
                }
            }
        }
        let asked = |rule: &&Rule| {
            rule.effect == Effect::Allow && rule.kind != Kind::Read && !rule.arguments && rule.line > 0
        };
        for rule in self.profile.rules.iter().filter(asked) {
            let texts = self.single.texts(rule.stage, rule.kind, rule.number);
            if texts.iter().any(|text| is_everything(rule.kind, text)) {
                let (what, help) = match rule.kind {
                    Kind::Connect => {
                        ("every port of a whole family of addresses", "name the ports, or the addresses")
                    }
                    Kind::Exec => {
                        ("executing every file", "name the programs, or the directories they are in")
                    }
                    Kind::Unix => {
                        ("reaching every local socket", "name the sockets, such as \"/run/x.sock\"")
                    }
                    Kind::Listen => (
                        "listening on every port of a whole family of addresses",
                        "name the ports; loopback addresses are allowed as it is",
                    ),
                    _ => ("writing every file", "name the directories, such as \"${workspace}/**\""),
                };
                let message = format!("this rule allows {what}");
                self.rule(rule, Problem::new(Code::AllowsEverything, message).help(help));
            }
        }
    }

    /// Hosts that take uploads from anybody.
    pub(super) fn uploads(&mut self) {
        for host in &self.profile.hosts {
            let (what, name) = match &host.host {
                Host::Name(name) => (takes_uploads(name).map(str::to_owned), name.clone()),
                Host::Below(name) => (open_below(name), host.host.to_string()),
                Host::Registry(_) => continue,
            };
            let (Some(what), Some(rule)) = (what, self.profile.rule(host.rule)) else { continue };
            let message = format!("`{name}` is {what}: whatever a process can read, it can leave there");
            let help = "allow a host of your own that fetches what is needed from there";
            self.rule(rule, Problem::new(Code::UploadHost, message).help(help));
        }
    }
}
