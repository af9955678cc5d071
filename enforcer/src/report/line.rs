// SPDX-License-Identifier: MIT OR Apache-2.0

//! One denial on one line.

use anstyle::{AnsiColor, Style};

use enforcer_common::Verdict;

use super::{Denial, Legend};

/// The style of a denial that was made.
pub(crate) const DENIED: Style = AnsiColor::Red.on_default().bold();
/// The style of one that was only reported.
pub(crate) const WOULD: Style = AnsiColor::Yellow.on_default().bold();
/// The style of names.
pub(crate) const NAME: Style = Style::new().bold();
/// The style of reasons.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The line, with colours.
#[must_use]
pub fn line(denial: &Denial, legend: &Legend) -> String {
    let (style, word) = match denial.verdict {
        Verdict::Deny => (DENIED, "denied"),
        Verdict::WouldDeny => (WOULD, "would deny"),
        Verdict::Allow => (WOULD, "allowed by exception"),
    };
    let (who, what) = (denial.who(), denial.what());
    let (stage, why) = (legend.stage(denial.stage), denial.why(legend));
    format!(
        "enforcer: {style}{word}{style:#}  {NAME}{who}{NAME:#}  {what}  {FAINT}(stage {stage}: {why}){FAINT:#}"
    )
}

#[cfg(test)]
pub(crate) mod samples {
    //! Denials and a profile for tests.

    use std::sync::Arc;

    use enforcer_common::{Kind, Reason, Verdict};

    use super::super::{
        Denial, Legend,
        legend::{Rule, Stage},
        target::Target,
    };
    use crate::events::{Attribution, Package};

    pub(crate) fn legend() -> Legend {
        let stage = |name: &str, line, given: [Option<u32>; 4]| {
            let mut kinds = [None; Kind::ALL.len()];
            kinds[..4].copy_from_slice(&given);
            Stage { name: name.into(), line, kinds }
        };
        Legend {
            name: "npm-install".into(),
            file: "profiles/npm-install.yaml".into(),
            digest: "00ff".repeat(16),
            stages: vec![
                stage("npm", 8, [Some(9), None, None, Some(15)]),
                stage("script", 40, [Some(41), Some(43), None, Some(42)]),
            ],
            rules: vec![
                Rule { place: "profiles/npm-install.yaml:12".into(), text: "node".into(), exception: None },
                Rule {
                    place: "profiles/npm-install.yaml:44".into(),
                    text: "@credentials".into(),
                    exception: None,
                },
            ],
            budgets: Default::default(),
            anchors: vec![("${workspace}".into(), b"/srv".to_vec()), ("~".into(), b"/home/u".to_vec())],
        }
    }

    pub(crate) fn trojan() -> Attribution {
        Attribution::Package(Arc::new(Package {
            name: b"plain-crypto-js".to_vec(),
            version: Some(b"4.2.1".to_vec()),
            script: Some(b"postinstall".to_vec()),
            path: None,
        }))
    }

    pub(crate) fn connect(attribution: Attribution, address: &str) -> Denial {
        Denial {
            attribution,
            program: None,
            kind: Kind::Connect,
            target: Target::Address {
                address: address.parse().unwrap(),
                protocol: "tcp",
                host: None,
                asked: None,
            },
            stage: 1,
            reason: Reason::Default,
            rule: 0,
            verdict: Verdict::Deny,
        }
    }

    pub(crate) fn read(attribution: Attribution, path: &str) -> Denial {
        Denial {
            kind: Kind::Read,
            target: Target::Path(path.into()),
            reason: Reason::Rule,
            rule: 2,
            ..connect(attribution, "192.0.2.1:1")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::*, *};
    use crate::{events::Attribution, report::target::Target};
    use enforcer_common::{Kind, Reason, Verdict};

    fn plain(denial: &Denial) -> String {
        anstream::adapter::strip_str(&line(denial, &legend())).to_string()
    }

    #[test]
    fn the_use_of_an_exception_names_it() {
        let mut legend = legend();
        legend.rules[1].exception = Some("EX-7".into());
        let used = Denial { verdict: Verdict::Allow, ..read(Attribution::Outside, "/home/u/.npmrc") };
        let shown = anstream::adapter::strip_str(&line(&used, &legend)).to_string();
        assert!(shown.starts_with("enforcer: allowed by exception"), "{shown}");
        assert!(shown.ends_with("(stage script: EX-7, profiles/npm-install.yaml:44)"), "{shown}");
    }

    #[test]
    fn denials_read_as_documented() {
        let outside =
            Denial { program: Some(b"curl".to_vec()), ..connect(Attribution::Outside, "[2001:db8::1]:443") };
        let unknown = Denial { program: Some(b"sh\x1b[2J".to_vec()), ..read(Attribution::Unknown, "/a\nb") };
        let nobody = Denial {
            kind: Kind::Exec,
            reason: Reason::Unresolved,
            target: Target::Unnamed,
            ..connect(Attribution::Unknown, "192.0.2.1:1")
        };
        let of = |kind, text: &[u8]| Denial {
            kind,
            target: Target::of(kind, text),
            ..connect(trojan(), "192.0.2.1:1")
        };
        let lines = [
            plain(&connect(trojan(), "203.0.113.7:8000")),
            plain(&read(trojan(), "/home/u/.npmrc")),
            plain(&outside),
            plain(&unknown),
            plain(&nobody),
            plain(&of(Kind::Unix, b"/run/docker.sock")),
            plain(&of(Kind::Listen, b"t400000000:1f90")),
            plain(&of(Kind::Socket, b"11:3:0300")),
            plain(&of(Kind::Resolve, b"evil.example")),
            plain(&Denial { verdict: Verdict::WouldDeny, ..connect(trojan(), "203.0.113.7:8000") }),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r##"
enforcer: denied  plain-crypto-js@4.2.1 postinstall  connect 203.0.113.7:8000 tcp  (stage script: no rule allows it; profiles/npm-install.yaml:42)
enforcer: denied  plain-crypto-js@4.2.1 postinstall  read /home/u/.npmrc  (stage script: profiles/npm-install.yaml:44)
enforcer: denied  curl  connect [2001:db8::1]:443 tcp  (stage script: no rule allows it; profiles/npm-install.yaml:42)
enforcer: denied  unknown package (sh\u{1b}[2J)  read /a\nb  (stage script: profiles/npm-install.yaml:44)
enforcer: denied  unknown process  exec (unnamed)  (stage script: the kernel could not name the file)
enforcer: denied  plain-crypto-js@4.2.1 postinstall  reach the local socket /run/docker.sock  (stage script: no rule allows it; profiles/npm-install.yaml:40)
enforcer: denied  plain-crypto-js@4.2.1 postinstall  listen on 0.0.0.0:8080 tcp  (stage script: no rule allows it; profiles/npm-install.yaml:40)
enforcer: denied  plain-crypto-js@4.2.1 postinstall  make a socket: packet, protocol 768  (stage script: no rule allows it; profiles/npm-install.yaml:40)
enforcer: denied  plain-crypto-js@4.2.1 postinstall  look up the name evil.example  (stage script: no rule allows it; profiles/npm-install.yaml:40)
enforcer: would deny  plain-crypto-js@4.2.1 postinstall  connect 203.0.113.7:8000 tcp  (stage script: no rule allows it; profiles/npm-install.yaml:42)
"##);
    }

    #[test]
    fn numbers_that_the_profile_does_not_have_are_shown_as_such() {
        let strange = Denial { stage: 9, rule: 99, ..read(trojan(), "/x") };
        insta::assert_snapshot!(plain(&strange), @r##"enforcer: denied  plain-crypto-js@4.2.1 postinstall  read /x  (stage ?: rule 99)"##);
    }

    #[test]
    fn colours_are_there_to_be_stripped() {
        assert!(line(&connect(trojan(), "203.0.113.7:8000"), &legend()).contains("\x1b["));
    }
}
