// SPDX-License-Identifier: MIT OR Apache-2.0

//! What clients are answered whatever the name server does.

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};

use super::{
    clients::{addresses, name},
    run::{impatient, patient, serve},
    upstream::{Upstream, answer, bytes, code, record},
};
use crate::dns::{Transport, limits::Limits};

/// The right answer.
fn right(query: &Message) -> Vec<u8> {
    bytes(&answer(query, &[record("registry.test.", 60, "192.0.2.1")]))
}

/// Wrong ones that anybody may have sent.
fn foreign(query: &Message) -> Vec<Vec<u8>> {
    let wrong = |change: &dyn Fn(&mut Message)| {
        let mut message = answer(query, &[record("registry.test.", 60, "192.0.2.66")]);
        change(&mut message);
        bytes(&message)
    };
    vec![
        wrong(&|message| message.metadata.id ^= 1),
        wrong(&|message| message.queries[0].name = name("other.test.")),
        wrong(&|message| message.queries[0].query_type = RecordType::AAAA),
        wrong(&|message| message.queries.clear()),
        wrong(&|message| message.metadata.message_type = query.message_type),
        b"not a message at all".to_vec(),
        Vec::new(),
    ]
}

/// What a client is answered, how the server was asked, and how many lookups had no answer.
async fn outcome(limits: Limits, upstream: &Upstream) -> (ResponseCode, Vec<Transport>, u64) {
    let (code, unanswered) = serve(limits, &[upstream.address], |served| async move {
        let (code, records) = addresses(served.port, "registry.test.").await;
        assert_eq!(records.is_empty(), served.run.grants().is_empty());
        assert_eq!(records.is_empty(), code != ResponseCode::NoError);
        (code, served.counts.unanswered())
    })
    .await;
    (code, upstream.transports(), unanswered)
}

const FAILED: ResponseCode = ResponseCode::ServFail;

#[tokio::test]
async fn silence_is_a_failure() {
    let upstream = Upstream::start(|_, _| Vec::new());
    let twice = vec![Transport::Udp; 2];
    assert_eq!(outcome(impatient(), &upstream).await, (FAILED, twice, 1));
}

#[tokio::test]
async fn a_lookup_has_an_end_whatever_is_tried() {
    let upstream = Upstream::start(|_, _| Vec::new());
    let limits = Limits { lookup: impatient().attempt, ..patient() };
    assert_eq!(outcome(limits, &upstream).await, (FAILED, vec![Transport::Udp], 1));
}

#[tokio::test]
async fn without_servers_there_is_no_answer() {
    serve(patient(), &[], |served| async move {
        assert_eq!(addresses(served.port, "registry.test.").await.0, FAILED);
    })
    .await;
}

#[tokio::test]
async fn what_others_sent_is_passed_over() {
    let upstream = Upstream::start(|_, query| {
        let mut packets = foreign(query);
        packets.push(right(query));
        packets
    });
    serve(patient(), &[upstream.address], |served| async move {
        let records = vec!["registry.test. 60 192.0.2.1".to_owned()];
        assert_eq!(addresses(served.port, "registry.test.").await, (ResponseCode::NoError, records));
    })
    .await;
}

#[tokio::test]
async fn only_what_others_sent_is_as_good_as_silence() {
    let upstream = Upstream::start(|_, query| foreign(query));
    assert_eq!(outcome(impatient(), &upstream).await.0, FAILED);
}

#[tokio::test]
async fn what_is_truncated_is_asked_for_over_tcp() {
    let truncated = |query: &Message| bytes(&answer(query, &[]).truncate());
    let upstream = Upstream::start(move |transport, query| match transport {
        Transport::Udp => vec![truncated(query)],
        Transport::Tcp => vec![right(query)],
    });
    let both = vec![Transport::Udp, Transport::Tcp];
    assert_eq!(outcome(patient(), &upstream).await, (ResponseCode::NoError, both.clone(), 0));
    let upstream = Upstream::start(move |_, query| vec![truncated(query)]);
    assert_eq!(outcome(patient(), &upstream).await, (FAILED, both.repeat(2), 1));
}

#[tokio::test]
async fn a_question_in_another_spelling_is_asked_over_tcp() {
    let upstream = Upstream::start(|_, query| {
        let mut query = query.clone();
        // Letters whose case is the other one: no chance that it is the right one.
        let turned =
            query.queries[0].name.to_ascii().bytes().map(|byte| char::from(byte ^ 0x20)).collect::<String>();
        query.queries[0].name = name(&turned.replace('\u{e}', "."));
        vec![right(&query)]
    });
    let both = vec![Transport::Udp, Transport::Tcp];
    assert_eq!(outcome(patient(), &upstream).await, (ResponseCode::NoError, both, 0));
}

#[tokio::test]
async fn garbage_and_oversized_answers_are_failures() {
    let garbage = Upstream::start(|_, query| {
        let mut packet = right(query);
        packet.truncate(packet.len() - 3);
        vec![packet]
    });
    let oversized = Upstream::start(|_, query| {
        let records: Vec<_> =
            (0..100).map(|i| record("registry.test.", 60, &format!("192.0.2.{i}"))).collect();
        vec![bytes(&answer(query, &records))]
    });
    let count = Upstream::start(|_, query| {
        let mut packet = right(query);
        packet[6..8].copy_from_slice(&[0xff; 2]);
        vec![packet]
    });
    for upstream in [garbage, oversized, count] {
        assert_eq!(outcome(patient(), &upstream).await, (FAILED, vec![Transport::Udp; 2], 1));
    }
}

#[tokio::test]
async fn half_an_answer_over_tcp_is_a_failure() {
    let upstream = Upstream::start(|transport, query| match transport {
        Transport::Udp => vec![bytes(&answer(query, &[]).truncate())],
        Transport::Tcp => vec![right(query)[..20].to_vec()],
    });
    assert_eq!(outcome(patient(), &upstream).await.0, FAILED);
    let closing = Upstream::start(|transport, query| match transport {
        Transport::Udp => vec![bytes(&answer(query, &[]).truncate())],
        Transport::Tcp => Vec::new(),
    });
    assert_eq!(outcome(patient(), &closing).await.0, FAILED);
}

#[tokio::test]
async fn aliases_that_lead_nowhere_are_failures() {
    let round = vec![record("registry.test.", 60, "b.test."), record("b.test.", 60, "registry.test.")];
    assert_eq!(outcome(patient(), &Upstream::with(round)).await.0, FAILED);
    // Each answer one alias further, for ever.
    let endless = Upstream::start(|_, query| {
        let of = query.queries[0].name.to_lowercase().to_ascii();
        vec![bytes(&answer(query, &[record(&of, 60, &format!("x{of}"))]))]
    });
    assert_eq!(outcome(patient(), &endless).await.0, FAILED);
    assert_eq!(endless.questions().len(), 17);
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_has_no_answer() {
    for wrong in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::NotImp] {
        let first = Upstream::start(move |_, query| vec![bytes(&code(query, wrong))]);
        let second = Upstream::start(|_, query| vec![right(query)]);
        serve(patient(), &[first.address, second.address], |served| async move {
            assert_eq!(addresses(served.port, "registry.test.").await.0, ResponseCode::NoError);
        })
        .await;
        assert_eq!((first.questions().len(), second.questions().len()), (1, 1));
    }
}
