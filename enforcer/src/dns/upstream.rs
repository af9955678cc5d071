// SPDX-License-Identifier: MIT OR Apache-2.0

//! Asking the host's own name servers.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use hickory_proto::{
    ProtoError,
    op::{Edns, Message, Query as Asked, ResponseCode},
    rr::{Name, RecordType},
};
use tokio::{
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::{
    limits::Limits,
    response::{Received, Response},
    stream,
};

/// The longest answer over UDP that we ask for: what passes everywhere in one piece (DNS flag day 2020).
const PAYLOAD: u16 = 1232;
/// How often each server is asked.
const ROUNDS: usize = 2;

/// Why a name server's word is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no name server is configured")]
    NoServer,
    #[error("no answer in time")]
    Late,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Encode(#[from] ProtoError),
    #[error("the answer cannot be read")]
    Malformed,
    #[error("the answer is longer than was asked for")]
    Oversized,
    #[error("the answer over TCP is truncated")]
    Truncated,
    #[error("the answer is to another question")]
    Foreign,
    #[error("it answered {0}")]
    Code(ResponseCode),
}

/// Asks one server after the other, until one gives an answer, which may be that there is none.
pub(super) async fn ask(
    servers: &[SocketAddr],
    name: &Name,
    record_type: RecordType,
    limits: &Limits,
) -> Result<Response, Failure> {
    let mut failure = Failure::NoServer;
    for &server in servers.iter().cycle().take(servers.len() * ROUNDS) {
        match ask_one(server, name, record_type, limits).await {
            Ok(response) => return Ok(response),
            Err(error) => {
                tracing::debug!("name server {server}: {error}");
                failure = error;
            }
        }
    }
    Err(failure)
}

async fn ask_one(
    server: SocketAddr,
    name: &Name,
    record_type: RecordType,
    limits: &Limits,
) -> Result<Response, Failure> {
    let question = Question::new(name, record_type)?;
    let over_udp = timeout(limits.attempt, question.over_udp(server)).await;
    let response = match over_udp.map_err(|_| Failure::Late)?? {
        Some(response) => response,
        None => timeout(limits.attempt, question.over_tcp(server)).await.map_err(|_| Failure::Late)??,
    };
    match response.code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(*response),
        code => Err(Failure::Code(code)),
    }
}

/// A question in our words: nothing of the client's goes out but the name, not even its case.
struct Question {
    id: u16,
    asked: Asked,
    bytes: Vec<u8>,
}

impl Question {
    fn new(name: &Name, record_type: RecordType) -> Result<Self, ProtoError> {
        // The case of the letters is one more thing that a forged answer must guess.
        let mut name = name.to_lowercase();
        name.randomize_label_case();
        let asked = Asked::query(name, record_type);
        let mut message = Message::query(); // with a random number
        message.metadata.recursion_desired = true;
        message.add_query(asked.clone());
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        message.set_edns(edns);
        Ok(Self { id: message.metadata.id, asked, bytes: message.to_vec()? })
    }

    /// Asks from a port of its own, which the kernel picks at random. `None`: to be asked again over TCP.
    async fn over_udp(&self, server: SocketAddr) -> Result<Option<Box<Response>>, Failure> {
        let any = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        socket.send(&self.bytes).await?;
        let mut packet = [0; PAYLOAD as usize + 1];
        loop {
            let len = socket.recv(&mut packet).await?;
            let received = Received::read(&packet[..len], self.id, &self.asked);
            if len > PAYLOAD.into() && !matches!(received, Received::Foreign) {
                return Err(Failure::Oversized);
            }
            match received {
                Received::Response(response) => return Ok(Some(response)),
                // A stream's answers cannot be forged from the side, however they are spelled.
                Received::Truncated | Received::Respelled => return Ok(None),
                Received::Malformed => return Err(Failure::Malformed),
                Received::Foreign => {}
            }
        }
    }

    async fn over_tcp(&self, server: SocketAddr) -> Result<Box<Response>, Failure> {
        let mut stream = TcpStream::connect(server).await?;
        stream::write(&mut stream, &self.bytes).await?;
        let packet = stream::read(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof);
        match Received::read_respelled(&packet.map_err(io::Error::from)?, self.id, &self.asked) {
            Received::Response(response) => Ok(response),
            Received::Truncated => Err(Failure::Truncated),
            Received::Malformed => Err(Failure::Malformed),
            Received::Foreign | Received::Respelled => Err(Failure::Foreign),
        }
    }
}
