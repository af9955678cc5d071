// SPDX-License-Identifier: MIT OR Apache-2.0

//! One line of the log: how it is made, and taken apart again.
//!
//! ```text
//! {"type":…,"seq":…,"prev":"HASH",…,"key":"HASH","sig":"BASE64","hash":"HASH"}
//! ```
//!
//! `hash` is the SHA-256 of the line's bytes before `,"hash"`, and `prev` that of the line before, so that it stands for
//! all lines up to it. `sig` signs the bytes before `,"sig"`. Nothing is parsed to find out what was hashed or signed.

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use super::{
    entry::Entry,
    hash::{DIGITS, Hash},
    sign::Signer,
};

/// The longest line that there can be.
pub const LONGEST: usize = 1 << 20;

const HASH: &str = r#","hash":""#;
const SIG: &str = r#","sig":""#;
const END: &str = r#""}"#;
/// Characters of a signature.
const SIG_LEN: usize = 88;

/// A line's place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Its number: from 1, without a gap.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// What the first line of a log follows.
    pub const START: Self = Self { seq: 0, hash: Hash::NONE };
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    seq: u64,
    prev: Hash,
    time: &'a str,
    #[serde(flatten)]
    entry: &'a Entry,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Hash>,
}

/// Makes the line that follows `head`, with its line feed.
///
/// # Errors
///
/// The entry cannot be written as JSON, or would be a longer line than there can be.
pub fn seal(
    entry: &Entry,
    head: Head,
    time: &str,
    signer: Option<&Signer>,
) -> Result<(String, Head), String> {
    let seq = head.seq + 1;
    let key = signer.map(Signer::id);
    let line = Line { kind: entry.kind(), seq, prev: head.hash, time, entry, key };
    let mut text = serde_json::to_string(&line).map_err(|error| error.to_string())?;
    text.pop();
    if let Some(signer) = signer {
        let signature = Base64::encode_string(&signer.sign(text.as_bytes()));
        text = format!("{text}{SIG}{signature}\"");
    }
    let hash = Hash::of(text.as_bytes());
    text = format!("{text}{HASH}{hash}{END}\n");
    if text.len() > LONGEST {
        return Err(format!("a line of {} bytes is longer than can be", text.len()));
    }
    Ok((text, Head { seq, hash }))
}

/// A line whose bytes give its hash.
#[derive(Debug)]
pub struct Whole<'a> {
    /// Where it stands.
    pub head: Head,
    /// What it says.
    pub links: Links,
    /// What is signed, and the signature.
    pub signed: Option<(&'a [u8], [u8; 64])>,
}

/// What verification needs to know of a line.
#[derive(Debug, Deserialize)]
pub struct Links {
    /// What it tells.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its number.
    pub seq: u64,
    /// The hash of the line before.
    pub prev: Hash,
    /// The key that it is signed by.
    #[serde(default)]
    pub key: Option<Hash>,
    /// Of `log`: the version.
    #[serde(default)]
    pub version: Option<u32>,
    /// Of `torn`: how many bytes.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// Of `torn`: their hash.
    #[serde(default)]
    pub sha256: Option<Hash>,
}

/// What is wrong with a line by itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It does not look like one.
    Form,
    /// Its bytes do not give its hash.
    Edited {
        /// The hash that it has.
        stated: Hash,
        /// The hash that its bytes give.
        given: Hash,
    },
}

/// Takes a line apart; `line` is without its line feed.
///
/// # Errors
///
/// It is not as it was written.
pub fn open(line: &[u8]) -> Result<Whole<'_>, Flaw> {
    let body = line.strip_suffix(END.as_bytes()).ok_or(Flaw::Form)?;
    let (body, digits) = body.split_at_checked(body.len().wrapping_sub(DIGITS)).ok_or(Flaw::Form)?;
    let body = body.strip_suffix(HASH.as_bytes()).ok_or(Flaw::Form)?;
    let stated: Hash =
        std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(Flaw::Form)?;
    let given = Hash::of(body);
    if stated != given {
        return Err(Flaw::Edited { stated, given });
    }
    let signed = signature(body);
    let said = signed.map_or(body, |(said, _)| said);
    let mut json = said.to_vec();
    json.push(b'}');
    let links: Links = serde_json::from_slice(&json).map_err(|_| Flaw::Form)?;
    // A number that cannot be followed by another is none.
    let seq = Some(links.seq).filter(|&seq| seq > 0 && seq < u64::MAX).ok_or(Flaw::Form)?;
    Ok(Whole { head: Head { seq, hash: stated }, links, signed })
}

/// What was signed, and the signature, if there is one.
fn signature(body: &[u8]) -> Option<(&[u8], [u8; 64])> {
    let body = body.strip_suffix(b"\"")?;
    let (said, text) = body.split_at_checked(body.len().checked_sub(SIG_LEN)?)?;
    let said = said.strip_suffix(SIG.as_bytes())?;
    let mut bytes = [0; 66];
    let bytes = Base64::decode(text, &mut bytes).ok()?;
    Some((said, bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::entry::samples;

    #[test]
    fn a_line_is_taken_apart_as_it_was_made() {
        let signer = Signer::generate().unwrap();
        let before = Head { seq: 41, hash: Hash::of(b"x") };
        for signer in [None, Some(&signer)] {
            let (text, head) = seal(&samples::exception(1), before, "2026-03-31T00:00:00Z", signer).unwrap();
            let line = text.strip_suffix('\n').unwrap();
            let whole = open(line.as_bytes()).unwrap();
            assert_eq!((whole.head, head.seq), (head, 42));
            assert_eq!((whole.links.prev, &*whole.links.kind), (before.hash, "exception"));
            assert_eq!(whole.links.key, signer.map(Signer::id));
            assert_eq!(whole.signed.is_some(), signer.is_some());
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line["seq"] == 42));
            if let (Some((said, signature)), Some(signer)) = (whole.signed, signer) {
                assert!(signer.public().verifies(said, &signature));
            }
        }
    }

    #[test]
    fn what_is_too_long_is_not_made() {
        let long = samples::exception_with("x".repeat(LONGEST));
        assert!(seal(&long, Head::START, "", None).is_err());
    }
}
