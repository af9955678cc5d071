// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why enforcement could not be set up.

use std::{io, path::PathBuf};

use super::btf::BtfError;

/// How aya begins the verifier's log.
const VERIFIER_LOG: &str = "Verifier output:";
/// Lines of it that are shown: the last instruction, the reason, and three lines of statistics.
const VERIFIER_LINES: usize = 6;

/// Why enforcement could not be set up. Each message says how to mend it, where that can be known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel does not publish its types.
    #[error("failed to read the kernel's type information at {path}: {source}; a kernel with CONFIG_DEBUG_INFO_BTF=y is needed", path = .path.display())]
    NoBtf {
        /// Where it was looked for.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A struct member that the programs read could not be found.
    #[error(
        "failed to find {of}.{member} in the kernel's type information: {source}; this kernel is not supported"
    )]
    Offset {
        /// The struct.
        of: &'static str,
        /// The member.
        member: &'static str,
        /// What went wrong.
        source: BtfError,
    },
    /// BPF is not among the active security modules.
    #[error(
        "the kernel's active security modules are `{active}`, without bpf: nothing would be enforced; boot with `lsm={active},bpf`"
    )]
    NotActive {
        /// The active modules.
        active: String,
    },
    /// Another process is the service.
    #[error("there is a service already: it has locked /run/enforcer/service")]
    Served,
    /// The kernel refused the object.
    #[error("failed to load the kernel programs: {}", chain(.0))]
    Load(#[source] aya::EbpfError),
    /// The kernel refused a program.
    #[error("failed to {action} the program for {hook}: {}", chain(.source))]
    Program {
        /// What was attempted.
        action: &'static str,
        /// The hook.
        hook: &'static str,
        /// What went wrong.
        source: aya::programs::ProgramError,
    },
    /// A hook that this kernel does not have.
    #[error("this kernel has no LSM hook {hook}: {source}; a kernel with CONFIG_BPF_LSM=y is needed")]
    NoHook {
        /// The hook.
        hook: &'static str,
        /// What went wrong.
        source: aya::programs::ProgramError,
    },
    /// There is no cgroup hierarchy to send questions to name servers elsewhere by.
    #[error(
        "failed to find the cgroup v2 hierarchy, which name servers are watched by: {0}; mount it (`mount -t cgroup2 cgroup2 /sys/fs/cgroup`)"
    )]
    NoCgroup(#[source] io::Error),
    /// A map could not be read or written.
    #[error("failed to {action} the map {map}: {}", chain(.source))]
    Map {
        /// What was attempted.
        action: &'static str,
        /// The map.
        map: &'static str,
        /// What went wrong.
        source: aya::maps::MapError,
    },
    /// A run's map could not be put among those of its kind, or taken out.
    #[error("failed to {action} a run's map of {map}: {source}")]
    Place {
        /// What was attempted.
        action: &'static str,
        /// The maps.
        map: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// The object lacks something that this program expects in it.
    #[error("the kernel object has no {0}: the build is broken")]
    Missing(&'static str),
    /// A pin could not be made or removed.
    #[error("failed to {action} {path}: {source}; a BPF file system must be mounted there (`mount -t bpf bpf /sys/fs/bpf`)", path = .path.display())]
    Pin {
        /// What was attempted.
        action: &'static str,
        /// The pin.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A lock could not be taken.
    #[error("failed to {action} {path}: {source}", path = .path.display())]
    Lock {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Another wrapper holds the shared lock for too long.
    #[error("another enforcer has held {path} for two minutes: it hangs, or is stopped (`fuser {path}` names it)", path = .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// There is no room for another run.
    #[error(
        "{limit} {what} are under way on this machine, which is as many as there may be: wait for one to end"
    )]
    Full {
        /// What there are too many of.
        what: &'static str,
        /// How many there may be.
        limit: u32,
    },
    /// The directory of the pins is not root's alone.
    #[error("{path} belongs to, or can be written by, someone else than root: remove it, or mend its owner and mode", path = .path.display())]
    NotRoots {
        /// The directory.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("failed to {action}: {source}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// What is to be put under a run is not there to be.
    #[error("process {pid} does not run any more, or is held to a run already (`enforcer status`)")]
    NotAttached {
        /// The process.
        pid: u32,
    },
    /// A tree does not come to rest.
    #[error("below process {pid} there are new processes at every look: some of them may not be held")]
    Restless {
        /// The process.
        pid: u32,
    },
    /// The wrapper itself is held to a run.
    #[error("this process is already held to a run, and a run cannot be started within another")]
    Within,
    /// The probe was not denied something.
    #[error("the kernel accepted every program, but a probe inside the new run was allowed to {0}: enforcement does not work here{hint}", hint = inert_hint())]
    NotDenied(&'static str),
    /// The probe's denials did not arrive.
    #[error("a probe inside the new run was denied, but not by these programs: {0}")]
    NotOurs(String),
}

/// An error with its causes, on one line.
///
/// The verifier's log has thousands of lines; the reason is in the last few, the rest is for `ENFORCER_LOG=debug`.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = verifier_reason(&error.to_string());
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = verifier_reason(&cause.to_string());
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// A message with the verifier's log in it, cut down to the log's end.
fn verifier_reason(message: &str) -> String {
    let Some((before, log)) = message.split_once(VERIFIER_LOG) else {
        return message.to_owned();
    };
    tracing::debug!("{log}");
    let told: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    format!("{before}{VERIFIER_LOG}\n{}", told[told.len().saturating_sub(VERIFIER_LINES)..].join("\n"))
}

/// What to look at when programs are attached and nothing is denied.
fn inert_hint() -> String {
    match std::fs::read_to_string(super::enforcement::ACTIVE_LSMS) {
        Ok(active) => format!(" (active security modules: {})", active.trim()),
        Err(_) => " (is `bpf` missing from the kernel's `lsm=` parameter?)".to_owned(),
    }
}
