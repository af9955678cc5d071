// SPDX-License-Identifier: MIT OR Apache-2.0

use std::io::Write as _;

use super::*;
use crate::recording::{
    format::{Line, Profile},
    writer::Writer,
};

/// A header.
pub(crate) fn header() -> Header {
    let text = "version: 1\nname: t\nowner: o\nstages:\n  one: {}\n";
    serde_json::from_value(serde_json::json!({
        "version": 1, "enforcer": "0.1.0", "started": "2026-03-31T00:00:00Z", "boottime_ns": 5, "mode": "enforce",
        "command": ["npm", "ci"], "executable": "/usr/bin/npm", "masked": true, "user": { "uid": 1, "gid": 1 },
        "host": { "kernel": "k", "version": "v", "machine": "m" }, "hooks": [], "variables": [], "registries": [],
        "hosts": [],
        "profile": Profile {
            name: "t".into(), file: "t.yaml".into(), sha256: "00".into(), text: text.into(),
            stages: vec!["one".into()], rules: vec![],
        },
    }))
    .unwrap()
}

fn image(id: u32) -> Image {
    Image { id, attribution: "outside".into(), ..Image::default() }
}

fn event(text: &'static str) -> Event<'static> {
    Event {
        image: 1,
        kind: "read".into(),
        text: text.into(),
        stage: "one".into(),
        verdict: "allow".into(),
        reason: "default".into(),
        ..Event::default()
    }
}

/// A whole recording.
fn whole(compressed: bool) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = Writer::new(file.reopen().unwrap(), compressed).unwrap();
    let lossy = Event { hex: Some("2fff".into()), ..event("/\u{fffd}") };
    let trailer = Trailer { lost_events: 3, ..Trailer::default() };
    let (header, image) = (header(), image(1));
    for line in [
        Line::Recording(&header),
        Line::Image(&image),
        Line::Event(&event("/a\n\u{1b}\"")),
        Line::Event(&lossy),
        Line::Trailer(&trailer),
    ] {
        writer.write(&line);
    }
    assert!(writer.finish().is_none());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The texts of a recording's events and whether it was cut off, or what is wrong with it.
fn read(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, bool), String> {
    let mut reader = Reader::new(bytes).map_err(|fault| fault.to_string())?;
    let mut texts = Vec::new();
    while let Some(record) = reader.read().map_err(|fault| fault.to_string())? {
        if let Record::Event(_, words) = record {
            texts.push(words.text.into_owned());
        }
    }
    Ok((texts, reader.is_cut()))
}

/// The header and some lines.
fn with(lines: &str) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(&Line::Recording(&header())).unwrap();
    bytes.push(b'\n');
    bytes.extend_from_slice(lines.as_bytes());
    bytes
}

#[test]
fn what_was_written_is_read() {
    let texts = vec![b"/a\n\x1b\"".to_vec(), b"/\xff".to_vec()];
    for compressed in [false, true] {
        assert_eq!(read(&whole(compressed)), Ok((texts.clone(), false)));
    }
    let plain = whole(false);
    assert!(plain.starts_with(b"{\"type\":\"recording\","), "the type comes first");
    assert!(plain.split(|&byte| byte == b'\n').any(|line| line.starts_with(EVENT)));
}

#[test]
fn a_file_that_was_cut_off_is_read_up_to_its_last_whole_line() {
    let plain = whole(false);
    let begins = plain.iter().position(|&byte| byte == b'\n').unwrap();
    for len in begins + 1..plain.len() {
        let (texts, cut) = read(&plain[..len]).unwrap();
        assert!(cut, "{len}");
        let whole = plain[..len].iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(texts.len(), whole.saturating_sub(2).min(2), "{len}");
    }
    for len in 0..=begins {
        assert!(read(&plain[..len]).is_err(), "{len}");
    }
    let compressed = whole(true);
    for len in 0..compressed.len() {
        if let Ok((_, cut)) = read(&compressed[..len]) {
            assert!(cut || len + 4 >= compressed.len(), "{len}");
        }
    }
}

#[test]
fn what_is_compressed_can_be_read_while_it_is_written() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut encoder = zstd::stream::write::Encoder::new(file.reopen().unwrap(), 1).unwrap();
    encoder.write_all(&with("")).unwrap();
    encoder.flush().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(read(&bytes), Ok((vec![], true)));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let event = |changed: &str, to: &str| {
        let line = serde_json::to_string(&Line::Event(&event("/a"))).unwrap();
        let image = serde_json::to_string(&Line::Image(&image(1))).unwrap();
        assert!(line.contains(changed), "{line}");
        with(&format!("{image}\n{}\n", line.replace(changed, to)))
    };
    let second = serde_json::to_string(&Line::Image(&image(2))).unwrap();
    for (bytes, message) in [
        (Vec::new(), "is empty"),
        (b"{}\n".to_vec(), "line 1: missing field `type` (column 2)"),
        (
            b"{\"type\":\"header\",\"schema\":1}\n".to_vec(),
            "line 1: this is the record of `--json`, which has denials only",
        ),
        (
            b"{\"type\":\"recording\",\"version\":2}\n".to_vec(),
            "is of version 2, and this enforcer reads version 1",
        ),
        (b"{\"type\":\"x\"}\n".to_vec(), "line 1: this is no recording: it begins with something else"),
        (b"\x28\xb5\x2f\xfdxxxxxxxxxx".to_vec(), "line 1: cannot be read: Unsupported frame parameter"),
        (with("garbage\n"), "line 2: expected value (column 1)"),
        (with("{\"type\":\"\\u001b[2J\"}\n"), "line 2: a line of a type that is not known"),
        (with(&format!("{second}\n")), "line 2: a program is numbered out of order"),
        (event("\"image\":1", "\"image\":2"), "line 3: it names a program that no line before it has"),
        (event("\"image\":1", "\"image\":0"), "line 3: it names a program that no line before it has"),
        (event("\"one\"", "\"two\""), "line 3: the profile has no such stage"),
        (event("\"read\"", "\"\\u001b[2J\""), "line 3: there is no such action"),
        (event("\"allow\"", "\"perhaps\""), "line 3: there is no such verdict"),
        (event("\"default\"", "\"x\""), "line 3: there is no such reason"),
        (event("\"/a\"", "\"/a\\u0000b\""), "line 3: a text has a NUL, which ends it"),
        (event("\"/a\"", "\"/a\",\"hex\":\"2\""), "line 3: `hex` is not hexadecimal"),
        (
            event("\"pid\":0", "\"pid\":\"\\u001b\""),
            "line 3: invalid type: string \"\\u{1b}\", expected u32 (column 54)",
        ),
    ] {
        let error = read(&bytes).unwrap_err();
        assert!(
            error == message || message.contains("column 54") && error.contains("\\u{1b}"),
            "{error}\n{message}"
        );
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
    let behind = [whole(false), b"{}\n".to_vec()].concat();
    assert_eq!(read(&behind), Err("line 6: there is something behind the trailer".to_owned()));
}

#[test]
fn a_line_without_end_is_not_taken_in() {
    let begins = with("");
    let mut input = begins.chain(std::io::repeat(b'x'));
    let mut reader = Reader::new(&mut input).unwrap();
    let error = reader.read().unwrap_err().to_string();
    assert_eq!(error, "line 2: it is longer than any line of a recording");
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_a_panic(bytes: Vec<u8>, at: usize, flip: u8, compressed: bool) {
        let mut changed = whole(compressed);
        let at = at % changed.len();
        changed[at] ^= flip;
        for input in [bytes.clone(), changed, [&MAGIC[..], &bytes].concat(), with(&String::from_utf8_lossy(&bytes))] {
            let _ = read(&input);
        }
    }
}
