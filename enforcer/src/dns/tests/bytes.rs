// SPDX-License-Identifier: MIT OR Apache-2.0

//! Arbitrary bytes, from clients and from name servers.

use hickory_proto::{
    op::{Edns, Message, MessageType},
    rr::RecordType,
};
use proptest::prelude::*;

use super::{
    clients::query,
    upstream::{answer, bytes, record},
};
use crate::dns::{Handled, Judgement, Transport, chain::Chain, handle_packet, response::Received};

/// A message with some bytes changed and some cut off, so that deeper code is reached than by noise.
fn damaged(message: &Message) -> impl Strategy<Value = Vec<u8>> + use<> {
    let whole = bytes(message);
    let len = whole.len();
    let changes = prop::collection::vec((0..len, any::<u8>()), 0..6);
    (changes, 0..=len).prop_map(move |(changes, keep)| {
        let mut packet = whole.clone();
        changes.into_iter().for_each(|(at, byte)| packet[at] = byte);
        packet.truncate(keep.max(len.min(12)));
        packet
    })
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..600)
}

fn asked() -> Message {
    let mut message = query("registry.test.", RecordType::A);
    message.set_edns(Edns::new());
    message
}

fn answered() -> Message {
    let alias = record("registry.test.", 60, "cdn.example.");
    answer(&asked(), &[alias, record("cdn.example.", 60, "192.0.2.1")])
}

fn judge(name: &str) -> Judgement {
    match name {
        "registry.test" => Judgement::Allowed { private: false },
        _ => Judgement::Refused,
    }
}

proptest! {
    #[test]
    fn whatever_clients_send_gets_nothing_or_a_well_formed_answer(
        packet in prop_oneof![noise(), damaged(&asked())],
        tcp in any::<bool>(),
    ) {
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        match handle_packet(&packet, transport, judge, &["corp.test".into()]) {
            Handled::Ignored => {}
            Handled::Answered(reply) | Handled::Refused { answer: reply, .. } => {
                let message = Message::from_vec(&reply).unwrap();
                prop_assert_eq!(message.message_type, MessageType::Response);
                prop_assert_eq!(&reply[..2], &packet[..2]);
                prop_assert!(message.answers.is_empty());
                prop_assert!(reply.len() <= packet.len() + 11, "no amplification");
            }
            Handled::Lookup(question) => prop_assert_eq!(question.name, "registry.test"),
        }
    }

    #[test]
    fn whatever_servers_send_is_read(packet in prop_oneof![noise(), damaged(&answered())]) {
        let question = &asked().queries[0];
        if let Received::Response(response) = Received::read(&packet, 4711, question) {
            let mut chain = Chain::new(question.name.clone(), RecordType::A);
            let _ = chain.follow(&response.answers);
            prop_assert!(chain.len() <= 17);
        }
    }
}
