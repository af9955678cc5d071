// SPDX-License-Identifier: MIT OR Apache-2.0

use std::{vec, vec::Vec};

use super::*;

/// A hello's parts, to be put together wrongly too.
#[derive(Clone)]
struct Parts {
    session: Vec<u8>,
    extensions: Vec<(u16, Vec<u8>)>,
    /// Added to the length of all extensions.
    wrong: u16,
}

fn parts(extensions: &[(u16, &[u8])]) -> Parts {
    let extensions = extensions.iter().map(|(kind, data)| (*kind, data.to_vec())).collect();
    Parts { session: vec![7; 32], extensions, wrong: 0 }
}

fn sized(width: usize, data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes()[4 - width..], data].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    sized(2, &[&[0][..], &sized(2, name)].concat())
}

impl Parts {
    fn message(&self) -> Vec<u8> {
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|(kind, data)| [&kind.to_be_bytes()[..], &sized(2, data)].concat())
            .collect();
        let mut all = sized(2, &extensions);
        let len = (extensions.len() as u16).wrapping_add(self.wrong).to_be_bytes();
        all[..2].copy_from_slice(&len);
        let fixed = [3; 34];
        let body =
            [&fixed[..], &sized(1, &self.session), &sized(2, &[0x13, 1]), &sized(1, &[0]), &all].concat();
        [&[1][..], &sized(3, &body)].concat()
    }
}

/// The message in records of so many bytes.
fn records(message: &[u8], len: usize) -> Vec<u8> {
    message.chunks(len).flat_map(|part| [&[22, 3, 1][..], &sized(2, part)].concat()).collect()
}

/// What comes of bytes that arrive in pieces of so many, and how many of them were read.
fn read(bytes: &[u8], piece: usize) -> (Hello, Vec<u8>, usize) {
    let (mut hello, mut name, mut at) = (Hello::default(), vec![0; NAME_SIZE], 0);
    while at < bytes.len() && hello.progress() == Progress::More {
        let end = bytes.len().min(at - at % piece + piece);
        let count = hello.passable().min((end - at) as u32);
        if count > 0 {
            hello.pass(count);
            at += count as usize;
        } else {
            hello.take(bytes[at], |index, byte| name[index] = byte);
            at += 1;
        }
    }
    name.truncate(hello.name_len() as usize);
    (hello, name, at)
}

fn outcome(bytes: &[u8]) -> (Progress, Vec<u8>) {
    let (hello, name, _) = read(bytes, usize::MAX);
    (hello.progress(), name)
}

#[test]
fn the_name_is_read_however_the_bytes_come() {
    let name = server_name(b"Registry.Example");
    let large = vec![0; 1_900];
    let message = parts(&[(43, &[2, 3, 4]), (0, &name), (51, &large)]).message();
    for record in [1, 2, 3, 5, 64, 100, 1_400, 1 << 14] {
        let bytes = records(&message, record);
        for piece in [1, 2, 3, 7, 100, 1_448, usize::MAX] {
            let (hello, name, at) = read(&[&bytes[..], b"more"].concat(), piece);
            assert_eq!(
                (hello.progress(), &name[..]),
                (Progress::Done, &b"registry.example"[..]),
                "{record} {piece}"
            );
            assert_eq!((at, hello.is_encrypted()), (bytes.len(), false));
        }
    }
}

#[test]
fn a_hello_may_name_nobody_and_have_no_extensions() {
    assert_eq!(outcome(&records(&parts(&[(43, &[2, 3, 4])]).message(), 100)), (Progress::Done, vec![]));
    assert_eq!(outcome(&records(&parts(&[]).message(), 100)), (Progress::Done, vec![]));
    let mut without = parts(&[]).message();
    without.truncate(without.len() - 2);
    without[3] -= 2;
    assert_eq!(outcome(&records(&without, 100)), (Progress::Done, vec![]));
}

#[test]
fn an_encrypted_hello_is_seen_wherever_it_is() {
    let name = server_name(b"outer.example");
    for extensions in [[(0, &name[..]), (0xfe0d, &[1, 2])], [(0xfe0d, &[]), (0, &name)]] {
        let (hello, name, _) = read(&records(&parts(&extensions).message(), 1 << 14), 9);
        assert_eq!((hello.progress(), &name[..]), (Progress::Done, &b"outer.example"[..]));
        assert!(hello.is_encrypted());
    }
}

#[test]
fn what_two_readers_could_understand_differently_is_no_hello() {
    let good = server_name(b"good.example");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("two names", [&sized(2, &[&good[2..], &good[2..]].concat())[..]].concat()),
        ("a list longer than the extension", [&[0, 16][..], &good[2..]].concat()),
        ("bytes behind the list", [&good[..], &[0]].concat()),
        ("another type of name", sized(2, &[&[1][..], &sized(2, b"good.example")].concat())),
        ("no list", vec![]),
        ("an empty name", server_name(b"")),
        ("a NUL", server_name(b"good.example\0.evil.example")),
        ("a space", server_name(b"good example")),
        ("a long name", server_name(&[b'a'; 254])),
    ];
    for (what, extension) in cases {
        let message = parts(&[(0, &extension)]).message();
        assert_eq!(outcome(&records(&message, 1 << 14)).0, Progress::Bad, "{what}");
    }
    let twice = parts(&[(0, &good), (0, &server_name(b"evil.example"))]).message();
    assert_eq!(outcome(&records(&twice, 1 << 14)).0, Progress::Bad);
    for wrong in [1, 2, u16::MAX] {
        let message = Parts { wrong, ..parts(&[(0, &good)]) }.message();
        assert_eq!(outcome(&records(&message, 1 << 14)).0, Progress::Bad, "{wrong}");
    }
}

#[test]
fn other_records_and_messages_are_no_hello() {
    let message = parts(&[]).message();
    let bytes = records(&message, 1 << 14);
    for (at, byte) in [(0, 23), (0, 0x80), (0, b'G'), (1, 2), (5, 2), (6, 1), (7, 0xff)] {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        assert_eq!(outcome(&bytes).0, Progress::Bad, "{at}");
    }
    assert_eq!(outcome(&[22, 3, 1, 0, 0]).0, Progress::Bad, "an empty record");
    assert_eq!(outcome(&[22, 3, 1, 0x40, 1]).0, Progress::Bad, "a record that is too long");
    // Another record within.
    let split =
        [&records(&message[..9], 9)[..], &[21, 3, 3, 0, 2, 1, 0], &records(&message[9..], 100)].concat();
    assert_eq!(outcome(&split).0, Progress::Bad);
}

#[test]
fn what_is_not_whole_is_not_done() {
    let bytes = records(&parts(&[(0, &server_name(b"good.example")), (21, &[0; 99])]).message(), 50);
    for len in 0..bytes.len() {
        assert_eq!(outcome(&bytes[..len]).0, Progress::More, "{len}");
    }
}

#[test]
fn any_change_of_a_byte_comes_to_the_same_in_any_pieces() {
    let bytes = records(&parts(&[(43, &[2, 3, 4]), (0, &server_name(b"good.example"))]).message(), 40);
    for at in 0..bytes.len() {
        for byte in 0..=u8::MAX {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            let whole = read(&bytes, usize::MAX);
            assert_eq!(read(&bytes, 1), whole, "{at} {byte}");
            assert_eq!(read(&bytes, 17), whole, "{at} {byte}");
        }
    }
}
