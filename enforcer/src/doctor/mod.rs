// SPDX-License-Identifier: MIT OR Apache-2.0

//! What this machine has of what enforcement needs, and how to mend the rest.

mod checks;
mod proof;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it must be.
    Ok,
    /// Worth knowing; enforcement works all the same.
    Note,
    /// Nothing can be enforced.
    Failed,
    /// Not looked at, because another check failed.
    Skipped,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it ended.
    pub state: State,
    /// What there is.
    pub found: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    fn new(check: &'static str, state: State, found: impl Into<String>) -> Self {
        Self { check, state, found: found.into(), mend: None }
    }

    fn mend(self, how: impl Into<String>) -> Self {
        Self { mend: Some(how.into()), ..self }
    }
}

/// Looks at everything, in the order in which things depend on each other.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let mut findings: Vec<_> = checks::ALL.iter().map(|check| check()).collect();
    let failed = findings.iter().any(|finding| finding.state == State::Failed);
    findings.push(if failed {
        Finding::new(proof::CHECK, State::Skipped, "not tried, because of what is said above")
    } else {
        proof::prove()
    });
    findings
}

/// Whether runs can be enforced here.
#[must_use]
pub fn can_enforce(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| matches!(finding.state, State::Ok | State::Note))
}
