// SPDX-License-Identifier: MIT OR Apache-2.0

//! Any packets to the resolver: what clients ask, and what name servers answer.
//!
//! An input is a byte that says how; unless it says that the question is the usual one, a question of a client and its
//! length before it; and then what a name server sends.

use std::net::IpAddr;

use enforcer::dns::{Handled, Judgement, Question, Transport, handle_answer, handle_packet};
use hickory_proto::{
    op::{Message, MessageType},
    rr::{RData, RecordType},
};

use crate::input::Input;

/// The number of the question that the answers are to.
const ID: u16 = 0x1267;
/// The domain that the system's resolver appends.
const SEARCH: &str = "corp.test";
/// What repeats of a packet an answer may have more than it: what is said of EDNS.
const MORE: usize = 11;

/// Asks, and answers.
pub fn target(input: &[u8]) {
    let mut input = Input(input);
    let how = input.byte();
    let transport = if how & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    let packet = if how & 2 == 0 {
        let len = usize::from(input.word()) % 1024;
        input.bytes(len).to_vec()
    } else {
        usual(if how & 4 == 0 { 1 } else { 28 })
    };
    match handle_packet(&packet, transport, judge, &[SEARCH.to_owned()]) {
        Handled::Ignored => {}
        Handled::Answered(reply) | Handled::Refused { answer: reply, .. } => {
            let message = read(&reply);
            assert!(packet.starts_with(&reply[..2]) && message.answers.is_empty());
            assert!(reply.len() <= packet.len() + MORE, "an answer is no amplifier");
        }
        Handled::Lookup(question) => {
            assert!(matches!(judge(&question.name), Judgement::Allowed { .. }), "{}", question.name);
            answer(&question, input.0, transport);
        }
    }
}

/// A name server answers.
fn answer(question: &Question, packet: &[u8], transport: Transport) {
    let Some((addresses, reply)) = handle_answer(question, packet, ID, transport) else { return };
    let Some(reply) = reply else { return };
    let message = read(&reply);
    assert_eq!(message.queries.len(), 1);
    // From name to name to address, and nowhere else.
    let mut name = message.queries[0].name.clone();
    for record in &message.answers {
        assert_eq!(record.name, name);
        match &record.data {
            RData::CNAME(target) => name = target.0.clone(),
            RData::A(address) => assert!(addresses.contains(&IpAddr::V4(address.0))),
            RData::AAAA(address) => assert!(addresses.contains(&IpAddr::V6(address.0))),
            other => panic!("{other:?}"),
        }
    }
    assert!(message.authorities.iter().all(|record| record.record_type() == RecordType::SOA));
    assert!(transport == Transport::Tcp || reply.len() <= 65_535);
}

/// Reads what a client gets.
fn read(reply: &[u8]) -> Message {
    let message = Message::from_vec(reply).unwrap_or_else(|error| panic!("{error}: {reply:?}"));
    assert_eq!(message.message_type, MessageType::Response);
    message
}

/// The question for the addresses of an allowed name.
fn usual(kind: u8) -> Vec<u8> {
    [&ID.to_be_bytes()[..], b"\x01\0\0\x01\0\0\0\0\0\0\x08registry\x04test\0\0", &[kind, 0, 1]].concat()
}

fn judge(name: &str) -> Judgement {
    match name {
        "registry.test" => Judgement::Allowed { private: false },
        "cache.test" => Judgement::Allowed { private: true },
        _ => Judgement::Refused,
    }
}
