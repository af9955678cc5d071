// SPDX-License-Identifier: MIT OR Apache-2.0

//! One denial, as it is reported.

use enforcer_common::{Kind, Reason, Verdict};

use super::{
    escape::escape,
    journal::Field,
    legend::{Legend, Rule},
    target::Target,
};
use crate::events::{Attribution, Image, Package, pump::Observed};

/// A denial, or in audit mode what would have been one. Two that are equal tell the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Denial {
    /// For whom the process acted.
    pub attribution: Attribution,
    /// The file name of its program, if that is known. Only for those that act for no package.
    pub program: Option<Vec<u8>>,
    /// What was attempted.
    pub kind: Kind,
    /// What it was aimed at.
    pub target: Target,
    /// The stage that the process was in.
    pub stage: u8,
    /// Why.
    pub reason: Reason,
    /// The rule, or 0.
    pub rule: u16,
    /// Denied, or only reported.
    pub verdict: Verdict,
}

impl Denial {
    /// From an event.
    #[must_use]
    pub fn of(observed: &Observed<'_>) -> Self {
        let Observed { record, image, .. } = observed;
        let attribution = image.map(|image| image.attribution.clone()).unwrap_or_default();
        let program = match attribution {
            Attribution::Package(_) => None,
            _ => image.map(program),
        };
        Self {
            attribution,
            program,
            kind: record.kind,
            target: Target::of(record.kind, record.text),
            stage: record.stage,
            reason: if record.exception != 0 { Reason::Rule } else { record.reason },
            // Of what an exception allows, the exception is the reason.
            rule: if record.exception != 0 { record.exception } else { record.rule },
            verdict: record.verdict,
        }
    }

    /// For whom: package and script, or the program.
    #[must_use]
    pub fn who(&self) -> String {
        name(&self.attribution, self.program.as_deref())
    }

    /// What it is found by in the journal. Names of packages and targets are escaped, as they are in lines.
    pub(super) fn fields(&self, legend: &Legend, process: u32) -> Vec<Field> {
        let mut fields = vec![
            ("ENFORCER_PROFILE", legend.name.clone()),
            ("ENFORCER_VERDICT", self.verdict.name().to_owned()),
            ("ENFORCER_ACTION", self.kind.name().to_owned()),
            ("ENFORCER_TARGET", self.target.to_string()),
            ("ENFORCER_STAGE", legend.stage(self.stage).to_owned()),
            ("ENFORCER_REASON", self.reason.name().to_owned()),
            ("ENFORCER_PID", process.to_string()),
        ];
        if let Some(package) = self.attribution.package() {
            fields.push(("ENFORCER_PACKAGE", escape(&package.name)));
        }
        fields
    }

    /// What was attempted, as in "denied …".
    #[must_use]
    pub fn what(&self) -> String {
        let target = &self.target;
        match self.kind {
            Kind::Exec | Kind::Argv | Kind::Read | Kind::Write | Kind::Connect => {
                format!("{} {target}", self.kind.action())
            }
            Kind::Unix => format!("reach the local socket {target}"),
            Kind::Listen => format!("listen on {target}"),
            Kind::Socket => format!("make a socket: {target}"),
            Kind::Resolve => format!("look up the name {target}"),
            Kind::Escape => match target {
                Target::Namespace => "make a user namespace".to_owned(),
                _ => format!("trace {target}"),
            },
        }
    }

    /// Why, without the stage.
    #[must_use]
    pub fn why(&self, legend: &Legend) -> String {
        let why = self.reason(legend);
        match (self.kind, self.verdict) {
            // Unlike other denials: whoever reads it looks for an exec that failed.
            (Kind::Argv, Verdict::Deny) => format!("{why}; killed before it ran"),
            _ => why,
        }
    }

    fn reason(&self, legend: &Legend) -> String {
        let with_place = |text: &str, place: Option<String>| match place {
            Some(place) => format!("{text}; {place}"),
            None => text.to_owned(),
        };
        match self.reason {
            Reason::Rule => match legend.rule(self.rule) {
                Some(Rule { exception: Some(id), place, .. }) => format!("{id}, {place}"),
                Some(rule) => rule.place.clone(),
                None => format!("rule {}", self.rule),
            },
            Reason::Default if self.kind == Kind::Argv => {
                let place = legend.place_of_default(self.stage, Kind::Exec);
                with_place("no rule allows it with these arguments", place)
            }
            Reason::Default => {
                with_place("no rule allows it", legend.place_of_default(self.stage, self.kind))
            }
            Reason::Unresolved if self.kind == Kind::Unix => {
                "the kernel could not name the socket".to_owned()
            }
            Reason::Unresolved if self.kind == Kind::Argv => {
                "the kernel could not read its arguments".to_owned()
            }
            Reason::Unresolved => "the kernel could not name the file".to_owned(),
            Reason::TooLong if self.kind == Kind::Resolve => "it is too long to be judged".to_owned(),
            Reason::TooLong if self.kind == Kind::Argv => {
                "rules are about its arguments, and they are too long to be judged".to_owned()
            }
            Reason::TooLong => "its path is too long to be judged".to_owned(),
            Reason::NoScratch => "the kernel had no buffer left to judge it".to_owned(),
            Reason::Family if self.kind == Kind::Socket => "no rule can name this kind of socket".to_owned(),
            Reason::Family => "no rule can name this kind of address".to_owned(),
            Reason::Probe => "the start-up probe".to_owned(),
            Reason::NoRun => "the run's record is missing".to_owned(),
            Reason::Budget => legend.over(self.rule),
            Reason::Tripped => "the run was tripped".to_owned(),
            Reason::Route => "its packets would go somewhere else first".to_owned(),
            Reason::Script => {
                "it is to interpret a script that only a rule with `args` allows, which is not about scripts"
                    .to_owned()
            }
            Reason::Private => "it leads to an address that is not public".to_owned(),
            Reason::ServerName => "its TLS hello asks for a name that did not lead there".to_owned(),
            Reason::NoServerName => "its TLS hello asks for no name".to_owned(),
            Reason::NotHello => "it does not begin with a TLS hello".to_owned(),
            Reason::EncryptedHello => "its TLS hello has an encrypted one within".to_owned(),
            Reason::Unjudged => {
                "its first bytes could still be changed, or were sent before the run had it".to_owned()
            }
            Reason::Outside if matches!(self.target, Target::Namespace) => {
                "paths could be made to mean something else in it".to_owned()
            }
            Reason::Outside => "it is not of this run, or in another stage of it".to_owned(),
            Reason::Traced => "a process of the run traces it, and it leads to another stage, or rules are about its arguments".to_owned(),
            Reason::Service => "what is in a run has no say in the service".to_owned(),
            Reason::Resolver => "it goes to the run's resolver".to_owned(),
        }
    }

    /// Whether it was denied, and not only reported.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.verdict == Verdict::Deny
    }
}

/// For whom a program acts.
#[must_use]
pub(crate) fn who(image: Option<&Image>) -> String {
    let attribution = image.map(|image| image.attribution.clone()).unwrap_or_default();
    name(&attribution, image.map(program).as_deref())
}

/// Package and script, or the program.
fn name(attribution: &Attribution, program: Option<&[u8]>) -> String {
    match (attribution, program) {
        (Attribution::Package(package), _) => package_label(package),
        (Attribution::Outside, Some(program)) => escape(program),
        (Attribution::Unknown, Some(program)) => format!("unknown package ({})", escape(program)),
        (_, None) => "unknown process".to_owned(),
    }
}

/// `name@version script`.
#[must_use]
pub fn package_label(package: &Package) -> String {
    let mut label = escape(&package.name);
    if let Some(version) = &package.version {
        label.push('@');
        label.push_str(&escape(version));
    }
    if let Some(script) = &package.script {
        label.push(' ');
        label.push_str(&escape(script));
    }
    label
}

/// The last part of a program's path.
fn program(image: &Image) -> Vec<u8> {
    image.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_vec()
}
