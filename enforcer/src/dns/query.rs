// SPDX-License-Identifier: MIT OR Apache-2.0

//! A client's packet, read.

use hickory_proto::{
    op::{Edns, Header, Message, MessageType, Metadata, OpCode, Query as Asked, ResponseCode},
    rr::DNSClass,
    serialize::binary::{BinDecodable as _, BinDecoder},
};

/// The smallest limit on answers over UDP, and what clients without EDNS take (RFC 1035, 4.2.1).
const PLAIN: u16 = 512;

/// A query: what of it goes into the reply.
#[derive(Clone, Debug)]
pub struct Query {
    /// Identifier and flags.
    pub(super) metadata: Metadata,
    /// The question as the client spelled it, if there is exactly one.
    pub(super) question: Option<Asked>,
    /// The size of answers that the client takes over UDP, if it speaks EDNS.
    pub(super) edns: Option<u16>,
}

impl Query {
    /// Reads a packet. `Err`: with this code to be answered. `None`: not to be answered, because it is no query at
    /// all, or because an answer to an answer may be answered again.
    pub(super) fn read(packet: &[u8]) -> Option<(Self, Result<Asked, ResponseCode>)> {
        let mut decoder = BinDecoder::new(packet);
        let Header { metadata, counts, .. } = Header::read(&mut decoder).ok()?;
        if metadata.message_type == MessageType::Response {
            return None;
        }
        let mut query = Self { metadata, question: None, edns: None };
        if metadata.op_code != OpCode::Query {
            return Some((query, Err(ResponseCode::NotImp)));
        }
        let question = match (counts.queries, counts.answers, counts.authorities) {
            (1, 0, 0) => Asked::read(&mut decoder).ok(),
            _ => None,
        };
        let Some(question) = question else { return Some((query, Err(ResponseCode::FormErr))) };
        query.question = Some(question.clone());
        let additionals =
            Message::read_records(&mut decoder, counts.additionals.into(), true, metadata.op_code);
        let Ok((_, edns, _)) = additionals else { return Some((query, Err(ResponseCode::FormErr))) };
        query.edns = edns.as_ref().map(Edns::max_payload);
        let outcome = if edns.is_some_and(|edns| edns.version() > 0) {
            Err(ResponseCode::BADVERS)
        } else {
            Ok(question)
        };
        Some((query, outcome))
    }

    /// The longest reply that the client takes over UDP.
    pub(super) fn most_over_udp(&self) -> u16 {
        self.edns.map_or(PLAIN, |size| size.max(PLAIN))
    }

    /// Whether the question is about the Internet.
    pub(super) fn is_internet(question: &Asked) -> bool {
        question.query_class == DNSClass::IN
    }
}
