// SPDX-License-Identifier: MIT OR Apache-2.0

//! A profile that is asked about a recorded run.

use enforcer_common::{
    Arguments, Decision, Kind, Reason, Verdict,
    address::GRANT_RECORDED,
    anchor::Anchors,
    decide,
    table::{STAY, Slices, TEXT_MAX},
};

use super::{attempts::Attempts, grants::Grants, places::anchors};
use crate::{
    profile::Compiled,
    recording::{
        format::{Event, Header, Image, Led},
        reader::Words,
    },
};

/// A profile, and where the processes of the run are in it.
pub struct Judge<'p> {
    profile: &'p Compiled,
    /// Whether this is the profile that made the recording.
    own: bool,
    /// Whether what it denies would not have happened.
    enforces: bool,
    anchors: Anchors,
    grants: Grants,
    /// By the numbers of the images.
    branches: Vec<Branch>,
    attempts: Attempts,
    strayed: u64,
}

/// Where the processes of an image are.
#[derive(Clone, Copy, Debug)]
struct Branch {
    /// The stage; none if that cannot be known.
    stage: Option<u8>,
    /// Whether the image would not have been executed.
    prevented: bool,
}

/// What a profile says about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision: [`Verdict::Allow`] or [`Verdict::Deny`].
    pub decision: Decision,
    /// The stage that the process is in.
    pub stage: u8,
    /// Whether no profile decides this: it is as it was recorded.
    pub carried: bool,
    /// Whether it would not have come to this, because the program would not have been executed.
    pub prevented: bool,
}

impl std::fmt::Debug for Judge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Judge")
            .field("profile", &self.profile.name)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl<'p> Judge<'p> {
    /// Asks a profile about a run. `forget` takes nothing but what is needed from the recording even if the profile is its
    /// own, as for any other.
    #[must_use]
    pub fn new(profile: &'p Compiled, header: &Header, forget: bool) -> Self {
        Self {
            profile,
            own: !forget && profile.digest_text() == header.profile.sha256,
            enforces: profile.mode == crate::profile::Mode::Enforce,
            anchors: anchors(profile, header),
            grants: Grants::new(profile, header),
            branches: Vec::new(),
            attempts: Attempts::default(),
            strayed: 0,
        }
    }

    /// Whether this is the profile that made the recording.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        self.own
    }

    /// The profile.
    #[must_use]
    pub const fn profile(&self) -> &'p Compiled {
        self.profile
    }

    /// Programs of a recording of this very profile whose stage does not follow from the execs that are recorded. There is
    /// none unless records were lost.
    #[must_use]
    pub const fn strayed(&self) -> u64 {
        self.strayed
    }

    /// A program was executed.
    pub fn image(&mut self, image: &Image) {
        let recorded = self.profile.stage(&image.stage);
        let program = image.exe.as_ref().and_then(|exe| exe.bytes()).unwrap_or_default();
        let parent = image.parent.and_then(|parent| self.branches.get(parent as usize - 1)).copied();
        let exec = image.parent.and_then(|parent| self.attempts.loaded(parent, image.pid, &program));
        let branch = match (parent, exec) {
            _ if image.lost => Branch { stage: None, prevented: false },
            // Rules about arguments, and they were not judged then: the recording does not say what they were.
            (Some(parent), Some(exec)) if exec.arguments => {
                Branch { stage: None, prevented: parent.prevented }
            }
            (Some(parent), Some(exec)) => Branch {
                stage: exec.leads_to.or(parent.stage),
                prevented: parent.prevented || exec.denied && self.enforces,
            },
            (None, _) if image.parent.is_none() => Branch { stage: Some(0), prevented: false },
            // Its exec was not recorded: a stage of the same name is the best guess.
            (parent, _) => {
                Branch { stage: recorded, prevented: parent.is_some_and(|parent| parent.prevented) }
            }
        };
        if self.own && branch.stage != recorded {
            self.strayed += 1;
        }
        self.branches.push(branch);
    }

    /// A name led to an address.
    pub fn led(&mut self, led: &Led) {
        self.grants.led(led);
    }

    /// Decides about an event; none if nobody can know the stage of the process.
    pub fn event(&mut self, event: &Event<'_>, words: &Words<'_>) -> Option<Answer> {
        let branch = self.branches.get(event.image as usize - 1)?;
        let stage = if self.own { words.stage } else { branch.stage? };
        let prevented = branch.prevented && !self.own;
        let carried = is_carried(words.reason);
        let decision = match carried {
            true => Decision {
                verdict: if words.verdict == Verdict::Allow { Verdict::Allow } else { Verdict::Deny },
                reason: words.reason,
                rule: event.rule,
                stage: STAY,
                exception: event.exception,
                arguments: Arguments::Ignored,
            },
            false => self.decide(stage, event, words),
        };
        let ids = (event.pid, event.tid);
        match words.kind {
            Kind::Exec => self.attempts.check(event.image, ids, event.step, &words.text, &decision),
            Kind::Argv => self.attempts.arguments(event.image, ids, &decision),
            _ => {}
        }
        Some(Answer { decision, stage, carried, prevented })
    }

    fn decide(&self, stage: u8, event: &Event<'_>, words: &Words<'_>) -> Decision {
        if words.kind == Kind::Resolve {
            return self.grants.resolve(stage, &words.text);
        }
        if words.text.len() > TEXT_MAX {
            return Decision::denied(Reason::TooLong);
        }
        let (kind, text) = self.profile.asked(stage, words.kind, &words.text);
        let space = Slices { table: &self.profile.table, text };
        let anchors = kind.is_path().then_some(&self.anchors);
        decide(space, stage, kind, anchors, || match words.kind {
            Kind::Connect if self.own => self.recorded_grant(event, words),
            Kind::Connect => self.grants.granted(stage, &words.text, event.t),
            _ => 0,
        })
    }

    /// The host rule that had opened the address then.
    fn recorded_grant(&self, event: &Event<'_>, words: &Words<'_>) -> u16 {
        let is_host = self.profile.hosts.iter().any(|host| host.rule == event.rule);
        if words.verdict != Verdict::Allow || !is_host {
            return 0;
        }
        event.rule | if event.exception == event.rule { GRANT_RECORDED } else { 0 }
    }
}

/// Whether something was decided without asking the profile.
const fn is_carried(reason: Reason) -> bool {
    match reason {
        Reason::Rule | Reason::Default | Reason::Private | Reason::Service => false,
        Reason::Unresolved
        | Reason::TooLong
        | Reason::NoScratch
        | Reason::Family
        | Reason::Probe
        | Reason::NoRun
        | Reason::Budget
        | Reason::Tripped
        | Reason::Resolver
        | Reason::Route
        | Reason::Script
        | Reason::Outside
        | Reason::Traced
        | Reason::ServerName
        | Reason::NoServerName
        | Reason::NotHello
        | Reason::EncryptedHello
        | Reason::Unjudged => true,
    }
}
