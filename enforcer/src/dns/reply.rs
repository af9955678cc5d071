// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a client is answered.

use hickory_proto::{
    ProtoError,
    op::{Edns, Header, Message, Metadata, ResponseCode, emit_message_parts},
    rr::Record,
    serialize::binary::BinEncoder,
};

use super::{policy::Transport, query::Query};

/// The size of queries that we tell clients to send at most (DNS flag day 2020).
const PAYLOAD: u16 = 1232;
/// The size of the record that says so.
const EDNS_LEN: u16 = 11;

/// An answer without what is repeated from the query.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) code: ResponseCode,
    pub(super) answers: Vec<Record>,
    /// Who says that there is nothing, and for how long: a SOA record.
    pub(super) authority: Option<Record>,
}

impl Reply {
    /// An answer without records.
    pub(super) const fn empty(code: ResponseCode) -> Self {
        Self { code, answers: Vec::new(), authority: None }
    }

    /// The bytes to send. Over UDP as many answers as fit: not every client asks again over TCP.
    pub(super) fn encode(&self, query: &Query, transport: Transport) -> Option<Vec<u8>> {
        let most = match transport {
            Transport::Udp => query.most_over_udp(),
            Transport::Tcp => u16::MAX,
        };
        let mut message = Message::response(query.metadata.id, query.metadata.op_code);
        message.metadata = Metadata::response_from_request(&query.metadata);
        message.metadata.recursion_available = true;
        message.metadata.response_code = self.code;
        message.queries.extend(query.question.clone());
        message.answers.clone_from(&self.answers);
        message.authorities.extend(self.authority.clone());
        let room = query.edns.map_or(most, |_| most - EDNS_LEN);
        let (mut bytes, header) = emit(&message, room).ok()?;
        if header.metadata.truncation || query.edns.is_some() {
            // What is said of EDNS must always fit, and be counted.
            message.metadata.truncation = header.metadata.truncation;
            message.answers.truncate(header.counts.answers.into());
            message.authorities.truncate(header.counts.authorities.into());
            if query.edns.is_some() {
                let mut edns = Edns::new();
                edns.set_max_payload(PAYLOAD);
                message.edns = Some(edns);
            }
            (bytes, _) = emit(&message, most).ok()?;
        }
        Some(bytes)
    }
}

/// Writes as much of a message as has room.
fn emit(message: &Message, room: u16) -> Result<(Vec<u8>, Header), ProtoError> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(room);
    let header = emit_message_parts(
        &message.metadata,
        &mut message.queries.iter(),
        &mut message.answers.iter(),
        &mut message.authorities.iter(),
        &mut message.additionals.iter(),
        message.edns.as_ref(),
        None,
        &mut encoder,
    )?;
    Ok((bytes, header))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::{
        op::{OpCode, Query as Asked},
        rr::{Name, RData, RecordType, rdata::A},
    };

    use super::*;

    fn query(edns: Option<u16>) -> Query {
        let name = Name::from_ascii("rEgIsTrY.test.").unwrap();
        let mut metadata = Metadata::new(7, hickory_proto::op::MessageType::Query, OpCode::Query);
        metadata.recursion_desired = true;
        metadata.authentic_data = true;
        Query { metadata, question: Some(Asked::query(name, RecordType::A)), edns }
    }

    fn reply(addresses: u32) -> Reply {
        let name = Name::from_ascii("registry.test.").unwrap();
        let address = |i: u32| RData::A(A(Ipv4Addr::from_bits(0xc000_0200 + i)));
        let answers = (0..addresses).map(|i| Record::from_rdata(name.clone(), 60, address(i))).collect();
        Reply { answers, ..Reply::empty(ResponseCode::NoError) }
    }

    fn sent(reply: &Reply, query: &Query, transport: Transport) -> (usize, Message) {
        let bytes = reply.encode(query, transport).unwrap();
        (bytes.len(), Message::from_vec(&bytes).unwrap())
    }

    #[test]
    fn what_is_repeated_from_the_query() {
        let (_, message) = sent(&reply(1), &query(None), Transport::Udp);
        assert!(message.recursion_available && message.recursion_desired && !message.authentic_data);
        assert_eq!(message.id, 7);
        assert!(message.queries[0].name.eq_case(&Name::from_ascii("rEgIsTrY.test.").unwrap()));
        assert!(message.edns.is_none() && !message.truncation);
    }

    #[test]
    fn a_reply_is_as_long_as_the_client_takes() {
        for (edns, most) in [(None, 512), (Some(100), 512), (Some(600), 600), (Some(1232), 1232)] {
            let (len, message) = sent(&reply(200), &query(edns), Transport::Udp);
            assert!(len <= most && len > most - 32, "{len} of {most}");
            assert!(message.truncation && !message.answers.is_empty());
            assert_eq!(message.edns.is_some(), edns.is_some());
        }
        let (_, message) = sent(&reply(200), &query(Some(512)), Transport::Tcp);
        assert!(!message.truncation && message.edns.is_some());
        assert_eq!(message.answers.len(), 200);
    }

    #[test]
    fn codes_beyond_four_bits_need_edns() {
        let (_, message) = sent(&Reply::empty(ResponseCode::BADVERS), &query(Some(512)), Transport::Udp);
        // BADSIG has the same number.
        assert_eq!(u16::from(message.response_code), u16::from(ResponseCode::BADVERS));
    }
}
