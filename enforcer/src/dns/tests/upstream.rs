// SPDX-License-Identifier: MIT OR Apache-2.0

//! A name server that does as a test says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, rdata},
};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::Notify,
};

use super::clients::{local, name};
use crate::dns::{Transport, sockets::Sockets, stream};

/// A name server.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<(Transport, Message)>>>,
    /// Told of each question.
    pub(super) notify: Arc<Notify>,
}

impl Upstream {
    /// Starts one that sends these packets when asked.
    pub(super) fn start(
        answer: impl Fn(Transport, &Message) -> Vec<Vec<u8>> + Send + Sync + Clone + 'static,
    ) -> Self {
        let Sockets { port, v4, .. } = Sockets::bind().unwrap();
        let (udp, tcp) = (UdpSocket::from_std(v4.udp).unwrap(), TcpListener::from_std(v4.tcp).unwrap());
        let (asked, notify) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Notify>::default());
        let told = {
            let (asked, notify) = (Arc::clone(&asked), Arc::clone(&notify));
            move |transport, packet: &[u8]| {
                let message = Message::from_vec(packet).unwrap();
                let packets = answer(transport, &message);
                asked.lock().unwrap().push((transport, message));
                notify.notify_one();
                packets
            }
        };
        let over_udp = told.clone();
        tokio::spawn(async move {
            let mut packet = [0; 4096];
            loop {
                let (len, source) = udp.recv_from(&mut packet).await.unwrap();
                for answer in over_udp(Transport::Udp, &packet[..len]) {
                    udp.send_to(&answer, source).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut connection, _) = tcp.accept().await.unwrap();
                let Some(packet) = stream::read(&mut connection).await.unwrap() else { continue };
                for answer in told(Transport::Tcp, &packet) {
                    stream::write(&mut connection, &answer).await.unwrap();
                }
            }
        });
        Self { address: local(port), asked, notify }
    }

    /// One that answers every question with these records, once.
    pub(super) fn with(records: Vec<Record>) -> Self {
        Self::start(move |_, query| vec![bytes(&answer(query, &records))])
    }

    /// How it was asked, in order.
    pub(super) fn transports(&self) -> Vec<Transport> {
        self.asked.lock().unwrap().iter().map(|(transport, _)| *transport).collect()
    }

    /// What it was asked, in lower case.
    pub(super) fn questions(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(_, query)| query.queries[0].name.to_lowercase().to_ascii()).collect()
    }
}

/// An answer to a query.
pub(super) fn answer(query: &Message, records: &[Record]) -> Message {
    let mut message = Message::response(query.id, query.op_code);
    message.add_queries(query.queries.iter().cloned());
    message.add_answers(records.iter().cloned());
    message
}

/// An answer that is only a code.
pub(super) fn code(query: &Message, code: ResponseCode) -> Message {
    let mut message = answer(query, &[]);
    message.metadata.response_code = code;
    message
}

pub(super) fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

/// A record for addresses, or for an alias.
pub(super) fn record(of: &str, ttl: u32, to: &str) -> Record {
    let data = match to.parse() {
        Ok(std::net::IpAddr::V4(address)) => RData::A(rdata::A(address)),
        Ok(std::net::IpAddr::V6(address)) => RData::AAAA(rdata::AAAA(address)),
        Err(_) => RData::CNAME(rdata::CNAME(name(to))),
    };
    Record::from_rdata(name(of), ttl, data)
}

/// The record that says for how long there is nothing.
pub(super) fn soa(of: &str) -> Record {
    let data = rdata::SOA::new(name("ns.test."), Name::root(), 1, 2, 3, 4, 30);
    Record::from_rdata(name(of), 30, RData::SOA(data))
}
