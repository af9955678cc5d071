// SPDX-License-Identifier: MIT OR Apache-2.0

//! What clients are answered when the name server does as it should.

use std::net::{Ipv6Addr, SocketAddr};

use hickory_proto::{
    op::{Edns, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, RecordType},
};

use super::{
    clients::{addresses, ask, exchange, local, name, query, receive, shown, udp},
    run::{patient, serve},
    upstream::{Upstream, answer, bytes, code, record, soa},
};
use crate::dns::Transport;

#[tokio::test]
async fn addresses_are_granted_and_then_given() {
    let upstream = Upstream::with(vec![
        record("registry.test.", 300, "cdn.example."),
        record("cdn.example.", 20, "192.0.2.1"),
        record("cdn.example.", 60, "192.0.2.2"),
        record("elsewhere.test.", 1, "192.0.2.3"),
    ]);
    serve(patient(), &[upstream.address], |served| async move {
        let mut servers = vec![local(served.port)];
        servers.extend(served.has_ipv6.then(|| SocketAddr::from((Ipv6Addr::LOCALHOST, served.port))));
        for (server, transport) in servers.iter().flat_map(|s| [(*s, Transport::Udp), (*s, Transport::Tcp)]) {
            served.run.granted.borrow_mut().clear();
            let asked = query("rEgIsTrY.TEST.", RecordType::A);
            let given = ask(server, transport, &asked).await;
            assert!(given.queries[0].name.eq_case(&asked.queries[0].name));
            let records =
                ["rEgIsTrY.TEST. 300 cdn.example.", "cdn.example. 20 192.0.2.1", "cdn.example. 60 192.0.2.2"];
            assert_eq!(shown(&given), (ResponseCode::NoError, records.map(String::from).to_vec()));
            assert_eq!(served.run.grants(), ["registry.test 192.0.2.1 20", "registry.test 192.0.2.2 20"]);
        }
        assert!(served.run.refused.borrow().is_empty());
    })
    .await;
}

#[tokio::test]
async fn names_that_are_not_allowed_are_refused_and_never_leave() {
    let upstream = Upstream::with(vec![]);
    serve(patient(), &[upstream.address], |served| async move {
        for (name, of) in [
            ("secret.evil.test.", RecordType::A),
            ("secret.evil.test.", RecordType::TXT),
            ("1.2.0.192.in-addr.arpa.", RecordType::PTR),
            ("registry.test.evil.test.", RecordType::AAAA),
            ("x.registry.test.", RecordType::A),
            ("registry\\.test.", RecordType::A),
            (".", RecordType::NS),
        ] {
            let given = ask(local(served.port), Transport::Udp, &query(name, of)).await;
            assert_eq!(shown(&given), (ResponseCode::Refused, vec![]), "{name}");
        }
        let mut chaos = query("registry.test.", RecordType::TXT);
        chaos.queries[0].set_query_class(DNSClass::CH);
        let given = ask(local(served.port), Transport::Udp, &chaos).await;
        assert_eq!(given.response_code, ResponseCode::Refused);
        let refused = served.run.refused.borrow();
        assert_eq!(refused[1], "TXT secret.evil.test: no rule allows the name");
        assert_eq!(refused[5], "A registry\\.test: no rule allows the name");
        assert_eq!(refused[7], "CH TXT registry.test: no rule allows the name");
        assert_eq!(refused.len(), 8);
    })
    .await;
    assert!(upstream.questions().is_empty());
}

#[tokio::test]
async fn of_allowed_names_only_addresses_are_asked_for() {
    let upstream = Upstream::with(vec![]);
    serve(patient(), &[upstream.address], |served| async move {
        for of in
            [RecordType::TXT, RecordType::HTTPS, RecordType::ANY, RecordType::CNAME, RecordType::from(65_280)]
        {
            let given = ask(local(served.port), Transport::Udp, &query("registry.test.", of)).await;
            assert_eq!(shown(&given), (ResponseCode::NoError, vec![]), "{of}");
        }
        assert!(served.run.refused.borrow().is_empty());
    })
    .await;
    assert!(upstream.questions().is_empty());
}

#[tokio::test]
async fn what_libraries_append_by_themselves_is_no_offence() {
    let upstream = Upstream::with(vec![]);
    serve(patient(), &[upstream.address], |served| async move {
        assert_eq!(addresses(served.port, "registry.test.corp.test.").await.0, ResponseCode::NXDomain);
        assert!(served.run.refused.borrow().is_empty());
        assert_eq!(addresses(served.port, "evil.test.corp.test.").await.0, ResponseCode::Refused);
        assert_eq!(served.run.refused.borrow().len(), 1);
    })
    .await;
    assert!(upstream.questions().is_empty());
}

#[tokio::test]
async fn a_name_leads_to_private_addresses_only_if_a_rule_says_so() {
    let upstream = Upstream::start(|_, query| {
        let of = query.queries[0].name.to_ascii();
        vec![bytes(&answer(query, &[record(&of, 60, "192.0.2.1"), record(&of, 60, "169.254.169.254")]))]
    });
    serve(patient(), &[upstream.address], |served| async move {
        assert_eq!(addresses(served.port, "registry.test.").await, (ResponseCode::Refused, vec![]));
        let refused = "A registry.test: it leads to 169.254.169.254, which is not public";
        assert_eq!(*served.run.refused.borrow(), [refused]);
        assert!(served.run.grants().is_empty());
        assert_eq!(addresses(served.port, "internal.test.").await.1.len(), 2);
        assert_eq!(served.run.grants().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn that_there_is_nothing_is_passed_on() {
    let upstream = Upstream::start(|_, query| {
        let four = query.queries[0].query_type == RecordType::A;
        let mut message = code(query, if four { ResponseCode::NXDomain } else { ResponseCode::NoError });
        message.add_authority(soa(if four { "test." } else { "unrelated.example." }));
        vec![bytes(&message)]
    });
    serve(patient(), &[upstream.address], |served| async move {
        let given = ask(local(served.port), Transport::Udp, &query("registry.test.", RecordType::A)).await;
        assert_eq!(shown(&given), (ResponseCode::NXDomain, vec![]));
        assert_eq!(given.authorities, [soa("test.")]);
        let given = ask(local(served.port), Transport::Udp, &query("registry.test.", RecordType::AAAA)).await;
        assert_eq!(shown(&given), (ResponseCode::NoError, vec![]));
        assert!(given.authorities.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_alias_that_the_server_does_not_follow_is_followed() {
    let upstream = Upstream::start(|_, query| {
        let alias = query.queries[0].name == name("registry.test.");
        let record = match alias {
            true => record("registry.test.", 60, "cdn.example."),
            false => record("cdn.example.", 0, "192.0.2.1"),
        };
        vec![bytes(&answer(query, &[record]))]
    });
    serve(patient(), &[upstream.address], |served| async move {
        assert_eq!(addresses(served.port, "registry.test.").await.1.len(), 2);
        assert_eq!(served.run.grants(), ["registry.test 192.0.2.1 0"]);
    })
    .await;
    assert_eq!(upstream.questions(), ["registry.test.", "cdn.example."]);
}

#[tokio::test]
async fn what_is_too_long_for_a_datagram_is_to_be_had_over_tcp() {
    let records: Vec<_> = (1..=60).map(|i| record("registry.test.", 60, &format!("192.0.2.{i}"))).collect();
    let upstream = Upstream::with(records);
    serve(patient(), &[upstream.address], |served| async move {
        let asked = query("registry.test.", RecordType::A);
        let given = ask(local(served.port), Transport::Udp, &asked).await;
        assert!(given.truncation && given.answers.len() < 60);
        let given = ask(local(served.port), Transport::Tcp, &asked).await;
        assert!(!given.truncation && given.answers.len() == 60);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_plain_query_gets_the_code_for_it() {
    serve(patient(), &[], |served| async move {
        let to = local(served.port);
        let mut notify = query("registry.test.", RecordType::SOA);
        notify.metadata.op_code = OpCode::Notify;
        assert_eq!(ask(to, Transport::Udp, &notify).await.response_code, ResponseCode::NotImp);
        let mut two = query("registry.test.", RecordType::A);
        two.add_query(Query::query(name("registry.test."), RecordType::AAAA));
        assert_eq!(ask(to, Transport::Tcp, &two).await.response_code, ResponseCode::FormErr);
        let mut newer = query("registry.test.", RecordType::A);
        newer.set_edns(Edns::new()).edns.as_mut().unwrap().set_version(1);
        assert_eq!(u16::from(ask(to, Transport::Udp, &newer).await.response_code), 16); // BADVERS
        let cut = exchange(to, Transport::Udp, &bytes(&query("registry.test.", RecordType::A))[..20]).await;
        assert_eq!(cut[3] & 15, ResponseCode::FormErr.low());
        assert!(served.run.refused.borrow().is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_is_no_query_is_not_answered() {
    serve(patient(), &[], |served| async move {
        let socket = udp(local(served.port)).await;
        let mut response = query("evil.test.", RecordType::A);
        response.metadata.message_type = MessageType::Response;
        socket.send(&bytes(&response)).await.unwrap();
        socket.send(b"").await.unwrap();
        socket.send(b"eleven byte").await.unwrap();
        let mut last = query("evil.test.", RecordType::A);
        last.metadata.id = 1;
        socket.send(&bytes(&last)).await.unwrap();
        assert_eq!(receive(&socket).await[..2], [0, 1]);
        assert_eq!(served.run.refused.borrow().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn strangers_are_refused_without_a_record() {
    let upstream = Upstream::with(vec![]);
    serve(patient(), &[upstream.address], |served| async move {
        served.run.stranger.set(true);
        for name in ["registry.test.", "evil.test."] {
            assert_eq!(addresses(served.port, name).await.0, ResponseCode::Refused);
        }
        assert!(served.run.refused.borrow().is_empty());
    })
    .await;
    assert!(upstream.questions().is_empty());
}
