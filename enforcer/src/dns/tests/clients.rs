// SPDX-License-Identifier: MIT OR Apache-2.0

//! Clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RecordType},
};
use tokio::net::{TcpStream, UdpSocket};

use crate::dns::{Transport, stream};

pub(super) fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A query.
pub(super) fn query(text: &str, record_type: RecordType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name(text), record_type));
    message
}

/// Sends bytes, and returns the answer's.
pub(super) async fn exchange(to: SocketAddr, transport: Transport, bytes: &[u8]) -> Vec<u8> {
    match transport {
        Transport::Udp => {
            let socket = udp(to).await;
            socket.send(bytes).await.unwrap();
            receive(&socket).await
        }
        Transport::Tcp => {
            let mut connection = TcpStream::connect(to).await.unwrap();
            stream::write(&mut connection, bytes).await.unwrap();
            stream::read(&mut connection).await.unwrap().unwrap()
        }
    }
}

/// A socket of a client's own.
pub(super) async fn udp(to: SocketAddr) -> UdpSocket {
    let any = if to.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
    let socket = UdpSocket::bind((any, 0)).await.unwrap();
    socket.connect(to).await.unwrap();
    socket
}

pub(super) async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut answer = vec![0; 65_535];
    let len = socket.recv(&mut answer).await.unwrap();
    answer.truncate(len);
    answer
}

/// Sends a query, and returns the answer, which repeats what it must.
pub(super) async fn ask(to: SocketAddr, transport: Transport, query: &Message) -> Message {
    let bytes = exchange(to, transport, &query.to_vec().unwrap()).await;
    let answer = Message::from_vec(&bytes).unwrap();
    assert_eq!((answer.id, answer.message_type), (query.id, MessageType::Response));
    assert!(answer.recursion_available);
    assert_eq!(answer.recursion_desired, query.recursion_desired);
    answer
}

/// Asks for a name's addresses over UDP.
pub(super) async fn addresses(port: u16, text: &str) -> (ResponseCode, Vec<String>) {
    shown(&ask(local(port), Transport::Udp, &query(text, RecordType::A)).await)
}

/// An answer as code and records.
pub(super) fn shown(answer: &Message) -> (ResponseCode, Vec<String>) {
    let records =
        answer.answers.iter().map(|record| format!("{} {} {}", record.name, record.ttl, record.data));
    (answer.response_code, records.collect())
}

pub(super) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
