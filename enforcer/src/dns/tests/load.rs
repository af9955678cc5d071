// SPDX-License-Identifier: MIT OR Apache-2.0

//! Too much, too slow, and no room.

use std::{sync::Arc, time::Duration};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    clients::{addresses, local, query, udp},
    run::{patient, serve},
    upstream::{Upstream, bytes, record},
};
use crate::dns::{limits::Limits, stream};

#[tokio::test]
async fn no_answer_without_its_grant() {
    let upstream = Upstream::with(vec![record("registry.test.", 60, "192.0.2.1")]);
    serve(patient(), &[upstream.address], |served| async move {
        served.run.full.set(true);
        assert_eq!(addresses(served.port, "registry.test.").await, (ResponseCode::ServFail, vec![]));
        assert_eq!(served.counts.ungranted(), 1);
    })
    .await;
}

#[tokio::test]
async fn more_lookups_than_fit_fail_at_once() {
    let upstream = Upstream::start(|_, _| Vec::new());
    let limits = Limits { lookups: 1, ..patient() };
    let notify = Arc::clone(&upstream.notify);
    serve(limits, &[upstream.address], |served| async move {
        let first = udp(local(served.port)).await;
        first.send(&bytes(&query("registry.test.", RecordType::A))).await.unwrap();
        notify.notified().await;
        assert_eq!(addresses(served.port, "registry.test.").await.0, ResponseCode::ServFail);
        assert_eq!(served.counts.overloaded(), 1);
        // What needs no lookup is answered all the same.
        assert_eq!(addresses(served.port, "evil.test.").await.0, ResponseCode::Refused);
    })
    .await;
}

#[tokio::test]
async fn a_connection_takes_several_queries() {
    let upstream = Upstream::with(vec![record("registry.test.", 60, "192.0.2.1")]);
    serve(patient(), &[upstream.address], |served| async move {
        let mut connection = TcpStream::connect(local(served.port)).await.unwrap();
        let names = ["registry.test.", "evil.test.", "registry.test."];
        for name in names {
            stream::write(&mut connection, &bytes(&query(name, RecordType::A))).await.unwrap();
        }
        let mut codes = Vec::new();
        for _ in names {
            let answer = stream::read(&mut connection).await.unwrap().unwrap();
            codes.push(Message::from_vec(&answer).unwrap().response_code);
        }
        assert_eq!(codes, [ResponseCode::NoError, ResponseCode::Refused, ResponseCode::NoError]);
    })
    .await;
}

#[tokio::test]
async fn idle_and_half_queries_do_not_hold_a_connection() {
    let limits = Limits { idle: Duration::from_millis(20), connections: 1, ..patient() };
    serve(limits, &[], |served| async move {
        for begun in [b"".as_slice(), b"\0", b"\xff\xff", b"\0\x20half"] {
            let mut connection = TcpStream::connect(local(served.port)).await.unwrap();
            connection.write_all(begun).await.unwrap();
            // The end of the stream, or a reset because we did not read all.
            assert!(!matches!(connection.read(&mut [0]).await, Ok(1)), "{begun:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let limits = Limits { connections: 1, ..patient() };
    serve(limits, &[], |served| async move {
        let asked = bytes(&query("evil.test.", RecordType::A));
        let mut first = TcpStream::connect(local(served.port)).await.unwrap();
        let mut second = TcpStream::connect(local(served.port)).await.unwrap();
        stream::write(&mut second, &asked).await.unwrap();
        stream::write(&mut first, &asked).await.unwrap();
        assert!(stream::read(&mut first).await.unwrap().is_some());
        drop(first);
        assert!(stream::read(&mut second).await.unwrap().is_some());
    })
    .await;
}
