// SPDX-License-Identifier: MIT OR Apache-2.0

use proptest::prelude::*;

use super::*;
use crate::evidence::{
    Entry, Signer,
    chain::seal,
    entry::{self, samples},
};

/// A log of so many lines, as lines with their line feeds.
fn log(lines: u32, signer: Option<&Signer>) -> Vec<Vec<u8>> {
    let mut head = Head::START;
    let entries = std::iter::once(entry::begin()).chain((2..=lines).map(samples::exception));
    let mut add = |entry: Entry| {
        let (line, next) = seal(&entry, head, "2026-03-31T00:00:00.000000000Z", signer).unwrap();
        head = next;
        line.into_bytes()
    };
    entries.map(&mut add).collect()
}

fn check(lines: &[Vec<u8>], asked: &Asked) -> Report {
    let mut verifier = Verifier::new(asked);
    verifier.file(lines.concat().as_slice()).unwrap();
    verifier.finish()
}

/// The lines that something is wrong with, and what.
fn faults(lines: &[Vec<u8>]) -> Vec<(u64, &'static str)> {
    let report = check(lines, &Asked::default());
    report.faults.iter().map(|fault| (fault.line, fault.kind.name())).collect()
}

#[test]
fn in_100_000_lines_each_edit_gap_and_reorder_is_found_and_named() {
    let whole = log(100_000, None);
    let report = check(&whole, &Asked::default());
    assert!(report.holds() && report.lines == 100_000, "{report:?}");
    assert_eq!(report.head.unwrap().seq, 100_000);
    let mut lines = whole.clone();
    // The first line, the last, and one between: a bit in what is told, in the hash before, in its own hash.
    for at in [0, 49_999, 99_999] {
        let text = String::from_utf8(whole[at].clone()).unwrap();
        let [data, prev, hash] =
            ["time", "prev", "hash"].map(|key| text.rfind(&format!("\"{key}\"")).unwrap() + 9);
        for byte in [data, prev, hash] {
            lines[at][byte] ^= 1;
            let found = faults(&lines);
            assert_eq!(found, [(at as u64 + 1, "edited")], "line {at} byte {byte}");
            lines[at] = whole[at].clone();
        }
    }
    // A line removed: the one behind it tells. The last one leaves no trace.
    for (at, expected) in [(0, "gap"), (1, "gap"), (49_999, "gap"), (99_998, "gap")] {
        let mut lines = whole.clone();
        lines.remove(at);
        assert_eq!(faults(&lines)[0], (at as u64 + 1, expected), "line {at}");
    }
    let mut lines = whole.clone();
    lines.remove(99_999);
    assert_eq!(faults(&lines), []);
    let asked = Asked { at_least: Some(100_000), expect: Some(report.head.unwrap().hash), keys: vec![] };
    let kinds: Vec<_> = check(&lines, &asked).faults.iter().map(|fault| fault.kind.name()).collect();
    assert_eq!(kinds, ["short", "absent"]);
    assert!(check(&whole, &asked).holds());
    // Two lines swapped, side by side and far apart.
    for (one, other) in [(1, 2), (49_998, 49_999), (99_998, 99_999), (1, 99_999), (500, 70_000)] {
        let mut lines = whole.clone();
        lines.swap(one, other);
        let found = faults(&lines);
        let places: Vec<_> = found.iter().map(|&(line, _)| line).collect();
        assert!(places.contains(&(one as u64 + 1)) && places.contains(&(other as u64 + 1)), "{found:?}");
        assert!(found.iter().all(|&(_, kind)| kind != "edited"), "{found:?}");
    }
    let mut swapped = whole.clone();
    swapped.swap(49_998, 49_999);
    assert_eq!(faults(&swapped), [(49_999, "order"), (50_000, "order")]);
    // Swapped with the first, the file does not begin as one.
    let mut swapped = whole.clone();
    swapped.swap(0, 1);
    assert_eq!(faults(&swapped)[0], (1, "gap"));
    // A line twice.
    let mut twice = whole;
    twice.insert(70_000, twice[300].clone());
    assert_eq!(faults(&twice), [(70_001, "order")]);
}

#[test]
fn several_faults_are_told_apart() {
    let mut lines = log(100, None);
    lines[10][60] ^= 4;
    lines.remove(50);
    lines.swap(70, 72);
    let found = faults(&lines);
    assert_eq!(found[..2], [(11, "edited"), (51, "gap")]);
    assert!(found[2..].iter().all(|(line, kind)| (71..=73).contains(line) && *kind == "order"), "{found:?}");
}

/// Whoever writes a line anew, with its hash, breaks the link of the next.
#[test]
fn a_line_that_was_written_anew_is_found_by_the_next() {
    let mut lines = log(100, None);
    let whole = chain::open(lines[40].strip_suffix(b"\n").unwrap()).unwrap();
    let before = Head { seq: whole.head.seq - 1, hash: whole.links.prev };
    lines[40] = seal(&samples::exception(9_999), before, "", None).unwrap().0.into_bytes();
    assert_eq!(faults(&lines), [(42, "replaced")]);
}

#[test]
fn only_what_the_key_signed_holds() {
    let [mine, other] = [(); 2].map(|()| Signer::generate().unwrap());
    let asked = Asked { keys: vec![mine.public().clone()], ..Asked::default() };
    let mut lines = log(20, Some(&mine));
    let report = check(&lines, &asked);
    assert!(report.holds() && report.signed == 20, "{report:?}");
    assert_eq!(check(&log(3, None), &asked).faults[0].kind, Kind::Unsigned);
    let foreign = check(&log(3, Some(&other)), &asked);
    assert!(matches!(foreign.faults[0].kind, Kind::Foreign { .. }), "{foreign:?}");
    // All hashes anew, signatures kept: holds together without the key, and not with it.
    let mut head = Head::START;
    for line in &mut lines {
        let text = String::from_utf8(line.clone()).unwrap().replace("EX-1", "EX-2");
        let text = text.rsplit_once(",\"hash\"").unwrap().0.to_owned();
        let prev = text.find("\"prev\":\"").unwrap() + 8;
        let text = format!("{}{}{}", &text[..prev], head.hash, &text[prev + 64..]);
        head = Head { seq: head.seq + 1, hash: Hash::of(text.as_bytes()) };
        *line = format!("{text},\"hash\":\"{}\"}}\n", head.hash).into_bytes();
    }
    assert!(check(&lines, &Asked::default()).holds());
    let found = check(&lines, &asked);
    assert_eq!((found.faults.len(), found.faults[0].line), (19, 2), "{found:?}");
    assert!(found.faults.iter().all(|fault| fault.kind == Kind::Signature));
}

#[test]
fn what_is_no_log_is_none() {
    for text in ["", "\n", "{}\n", "\0", "\"hash\":\"\"}\n", &"x".repeat(3 << 20)] {
        let report = check(&[text.as_bytes().to_vec()], &Asked::default());
        assert!(!report.holds(), "{}", text.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Any byte made any other, taken out, or put in, signed or not, with the key or without.
    #[test]
    fn any_edit_of_one_byte_is_found(at in any::<prop::sample::Index>(), byte: u8, how in 0..3, signed: bool, key: bool) {
        let signer = Signer::generate().unwrap();
        let keys = if signed && key { vec![signer.public().clone()] } else { vec![] };
        let asked = Asked { keys, ..Asked::default() };
        let lines = log(6, signed.then_some(&signer));
        let whole = lines.concat();
        let mut bytes = whole.clone();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte),
        }
        let number = whole[..at].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        let mut verifier = Verifier::new(&asked);
        verifier.file(bytes.as_slice()).unwrap();
        let report = verifier.finish();
        if bytes == whole {
            prop_assert!(report.holds());
        } else {
            prop_assert!(!report.holds(), "{at} {byte}");
            let first = report.faults[0].line;
            // What joins or parts two lines is told at the one or the other.
            prop_assert!(first == number || first + 1 == number || first == number + 1, "{report:?}");
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let asked = Asked::default();
        let mut verifier = Verifier::new(&asked);
        verifier.file(bytes.as_slice()).unwrap();
        prop_assert!(!verifier.finish().holds());
    }
}
