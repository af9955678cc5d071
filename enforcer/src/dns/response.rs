// SPDX-License-Identifier: MIT OR Apache-2.0

//! A name server's packet, read.

use hickory_proto::{
    op::{Header, Message, MessageType, OpCode, Query as Asked, ResponseCode},
    rr::{DNSClass, Record, RecordType},
    serialize::binary::{BinDecodable as _, BinDecoder},
};

/// What a name server said.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) code: ResponseCode,
    pub(super) answers: Vec<Record>,
    /// The SOA record that came with an answer without addresses.
    pub(super) authority: Option<Record>,
}

/// What a packet is to the question that was asked.
#[derive(Clone, Debug)]
pub(super) enum Received {
    /// No answer to it. It may come from anybody: to be passed over.
    Foreign,
    /// An answer to the question in another spelling: of a server that does not keep it, or a guess.
    Respelled,
    /// An answer that is not all there.
    Truncated,
    /// An answer that cannot be read.
    Malformed,
    /// The answer.
    Response(Box<Response>),
}

impl Received {
    /// Reads a packet that should answer the question `asked` under the number `id`.
    pub(super) fn read(packet: &[u8], id: u16, asked: &Asked) -> Self {
        Self::read_any(packet, id, asked, |question| question.name.eq_case(&asked.name))
    }

    /// Reads it, however the question is spelled.
    pub(super) fn read_respelled(packet: &[u8], id: u16, asked: &Asked) -> Self {
        Self::read_any(packet, id, asked, |_| true)
    }

    fn read_any(packet: &[u8], id: u16, asked: &Asked, spelled: impl Fn(&Asked) -> bool) -> Self {
        let mut decoder = BinDecoder::new(packet);
        let Ok(Header { metadata, counts, .. }) = Header::read(&mut decoder) else { return Self::Foreign };
        let expected = metadata.id == id
            && metadata.message_type == MessageType::Response
            && metadata.op_code == OpCode::Query
            && counts.queries == 1;
        if !expected {
            return Self::Foreign;
        }
        let Ok(question) = Asked::read(&mut decoder) else { return Self::Foreign };
        // Names are equal whatever the case of their letters.
        if question != *asked {
            return Self::Foreign;
        }
        if !spelled(&question) {
            return Self::Respelled;
        }
        if metadata.truncation {
            return Self::Truncated;
        }
        let mut records =
            |count: u16| Message::read_records(&mut decoder, count.into(), false, OpCode::Query).ok();
        let Some((answers, ..)) = records(counts.answers) else { return Self::Malformed };
        let Some((authorities, ..)) = records(counts.authorities) else { return Self::Malformed };
        let authority = authorities
            .into_iter()
            .find(|record| record.record_type() == RecordType::SOA && record.dns_class == DNSClass::IN);
        Self::Response(Box::new(Response { code: metadata.response_code, answers, authority }))
    }
}
