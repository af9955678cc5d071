// SPDX-License-Identifier: MIT OR Apache-2.0

//! An in-toto Statement about what a run made: Statement v1, with the predicate Runtime Trace v0.2.
//!
//! What only we can say (mode, profile, verdicts, losses) is in `tracePolicy` and in a member of its own, `enforcer`: other
//! readers leave that out. Files have no digest in `fileAccess`: a program may change one between its opening and any
//! moment at which we could read it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::Path,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Hash, Trace,
    chain::Head,
    entry::node,
    trace::{Contact, Invoker},
};
use crate::report::escape::escape;

/// What this is a statement about.
const PREDICATE: &str = "https://in-toto.io/attestation/runtime-trace/v0.2";

/// A file that a run made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// As it was named.
    pub name: String,
    /// The hash of what is in it.
    pub sha256: Hash,
}

impl Subject {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no regular file.
    pub fn read(path: &Path) -> io::Result<Self> {
        // A named pipe without a writer would not let us go on.
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let name = escape(path.as_os_str().as_bytes());
        Ok(Self { name, sha256: Hash(digest(&mut file)?.into()) })
    }
}

fn digest(file: &mut File) -> io::Result<sha2::digest::Output<Sha256>> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// The statement that these files were made by this run; none if the run was not seen to its end.
#[must_use]
pub fn statement(run: &str, trace: &Trace, subjects: &[Subject], evidence: Option<Head>) -> Option<Value> {
    let (header, trailer) = (trace.header.as_ref()?, trace.trailer.as_ref()?);
    let profile = &header.profile;
    let subject: Vec<_> = subjects
        .iter()
        .map(|Subject { name, sha256 }| json!({ "name": name, "digest": { "sha256": sha256 } }))
        .collect();
    let files: Vec<_> = trace
        .files
        .iter()
        .map(|(file, times)| {
            let annotations = json!({ "access": file.access, "verdict": file.verdict, "times": times });
            json!({ "uri": format!("file://{}", encoded(&file.path)), "annotations": annotations })
        })
        .collect();
    let network: Vec<_> =
        trace.contacts.iter().map(|(contact, times)| network(trace, contact, *times)).collect();
    Some(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": PREDICATE,
        "predicate": {
            "monitor": {
                "type": "urn:enforcer:run:v1",
                "configSource": {
                    "name": profile.name,
                    "digest": { "sha256": Hash::of(profile.text.as_bytes()) },
                    "annotations": { "file": profile.file },
                },
                "tracePolicy": {
                    "version": header.enforcer,
                    "mode": header.mode,
                    "compiledSha256": profile.sha256,
                    "stages": profile.stages,
                    "hooks": header.hooks,
                    "host": header.host,
                    "masked": header.masked,
                },
            },
            "monitoredProcess": {
                "hostID": format!("urn:enforcer:host:{}", encoded(node().as_bytes())),
                "type": "urn:enforcer:run:v1",
                "event": run,
            },
            "monitorLog": { "process": trace.images, "network": network, "fileAccess": files },
            "metadata": { "buildStartedOn": header.started, "buildFinishedOn": trailer.ended },
            "enforcer": {
                "command": header.command,
                "user": header.user,
                "mode": header.mode,
                "exit": trailer.exit,
                "decisions": trailer.decisions,
                "denied": trailer.denied,
                "exceptionUses": trace.exceptions,
                "tripped": trailer.tripped,
                "lost": {
                    "events": trailer.lost_events,
                    "programs": trailer.lost_images,
                    "malformed": trailer.malformed,
                },
                "omitted": trace.omitted,
                "remainingTasks": trailer.remaining_tasks,
                "evidence": evidence,
            },
        },
    }))
}

fn network(trace: &Trace, contact: &Contact, times: u64) -> Value {
    let Contact { ip, hostname, port, protocol, action, verdict, image } = contact;
    let found = trace.image(*image);
    let by = Invoker {
        id: *image,
        pid: found.map(|image| image.pid),
        exe: found.and_then(|image| image.exe.as_ref()),
        package: found.and_then(|image| image.package.as_ref()),
    };
    let mut entry = json!({ "action": action, "verdict": verdict, "times": times, "invokingProcess": by });
    for (key, value) in [
        ("ip", json!(ip)),
        ("hostname", json!(hostname)),
        ("port", json!(port)),
        ("protocol", json!(protocol)),
    ] {
        if !value.is_null() {
            entry[key] = value;
        }
    }
    entry
}

/// Bytes as they stand in a URI.
fn encoded(bytes: &[u8]) -> String {
    let one = |&byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(one).collect()
}

/// A name that nobody else has.
///
/// # Errors
///
/// The kernel has no random bytes.
pub fn name_of_run() -> io::Result<String> {
    let bytes: [u8; 16] = super::sign::random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::format::{Event, Image, Line, Trailer};
    use crate::report::json::Text;

    #[test]
    fn a_statement_says_what_happened_to_whom_and_of_which_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.tgz");
        std::fs::write(&path, "abc").unwrap();
        let subject = Subject::read(&path).unwrap();
        assert!(Subject::read(dir.path()).is_err());
        let header = serde_json::from_value(json!({
            "version": 1, "enforcer": "0", "started": "2026-03-31T00:00:00Z", "boottime_ns": 0, "mode": "enforce",
            "command": ["npm", "pack"], "executable": "/usr/bin/npm", "masked": true,
            "user": { "uid": 1000, "gid": 1000 },
            "host": { "kernel": "k", "version": "v", "machine": "m" }, "hooks": ["file_open"],
            "profile": { "name": "p", "file": "p.yaml", "sha256": "00", "text": "t", "stages": ["s"], "rules": [] },
            "variables": [], "registries": [], "hosts": [],
        }))
        .unwrap();
        let event = |kind: &'static str, text: &'static str, verdict: &'static str| Event {
            image: 1,
            kind: kind.into(),
            text: text.into(),
            verdict: verdict.into(),
            ..Event::default()
        };
        let image = Image { id: 1, pid: 7, exe: Some(Text::Utf8("/usr/bin/npm".into())), ..Image::default() };
        let mut trace = Trace::default();
        trace.observe(&Line::Recording(&header));
        trace.observe(&Line::Image(&image));
        let connect =
            Event { host: Some("r.example".into()), ..event("connect", "t4c0000201:01bb", "allow") };
        for event in [
            event("read", "/a b", "allow"),
            event("read", "/a b", "allow"),
            event("write", "/srv/out.tgz", "allow"),
            event("exec", "/bin/sh", "deny"),
            event("resolve", "evil.example", "deny"),
            connect,
        ] {
            trace.observe(&Line::Event(&event));
        }
        assert!(statement("r", &trace, &[], None).is_none(), "a run that has not ended");
        trace.observe(&Line::Trailer(&Trailer { decisions: 6, ..Trailer::default() }));
        let head = Head { seq: 3, hash: Hash::NONE };
        let made = statement("r", &trace, &[subject], Some(head)).unwrap();
        assert_eq!(
            made["subject"][0]["digest"]["sha256"],
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let log = &made["predicate"]["monitorLog"];
        insta::assert_snapshot!(serde_json::to_string_pretty(log).unwrap());
        assert_eq!(made["predicate"]["enforcer"]["evidence"]["seq"], 3);
        assert_eq!(made["predicate"]["monitoredProcess"]["event"], "r");
    }
}
