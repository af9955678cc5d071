// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is to be done about a packet, from the packet alone.

use hickory_proto::{
    op::{Query as Asked, ResponseCode},
    rr::RecordType,
};

use super::{
    name,
    policy::{Judgement, Transport},
    query::Query,
    reply::Reply,
};

/// What is to be done about a packet.
#[derive(Clone, Debug)]
pub enum Handled {
    /// Nothing: it cannot be answered.
    Ignored,
    /// Send these bytes.
    Answered(Vec<u8>),
    /// Send these bytes; a name was asked for that is not allowed.
    Refused {
        /// The answer.
        answer: Vec<u8>,
        /// The name, as the record shows it.
        name: String,
        /// What was asked about it.
        record_type: String,
    },
    /// An allowed name's addresses are to be looked up.
    Lookup(Question),
}

/// The question for an allowed name's addresses.
#[derive(Clone, Debug)]
pub struct Question {
    /// The query that it came in.
    pub query: Query,
    /// The name, in lower case, without a dot at the end.
    pub name: String,
    /// Whether the name may lead to addresses that are not public.
    pub private: bool,
    /// As the client spelled it.
    pub(super) asked: Asked,
}

/// Reads and judges a packet. `search` are the domains that the system's resolver appends to names.
pub fn handle_packet(
    packet: &[u8],
    transport: Transport,
    judge: impl Fn(&str) -> Judgement,
    search: &[String],
) -> Handled {
    let Some((query, outcome)) = Query::read(packet) else { return Handled::Ignored };
    let answer = |code| Reply::empty(code).encode(&query, transport);
    let answered = |code| answer(code).map_or(Handled::Ignored, Handled::Answered);
    let asked = match outcome {
        Ok(asked) => asked,
        Err(code) => return answered(code),
    };
    let plain = name::plain(&asked.name).filter(|_| Query::is_internet(&asked));
    let judged = plain.as_deref().map_or(Judgement::Refused, &judge);
    match (judged, plain) {
        (Judgement::Allowed { private }, Some(name)) => match asked.query_type {
            RecordType::A | RecordType::AAAA => Handled::Lookup(Question { query, name, private, asked }),
            // Whatever else is kept under the name is not for the asking, so that nothing can be carried in it.
            _ => answered(ResponseCode::NoError),
        },
        // The client's own library tries this before or after the name itself.
        (_, Some(name)) if is_searched(&name, judge, search) => answered(ResponseCode::NXDomain),
        _ => answer(ResponseCode::Refused).map_or(Handled::Ignored, |answer| Handled::Refused {
            answer,
            name: name::shown(&asked.name),
            record_type: shown_type(&asked),
        }),
    }
}

/// Whether the name is an allowed one with a domain of the search list behind it.
fn is_searched(name: &str, judge: impl Fn(&str) -> Judgement, search: &[String]) -> bool {
    let allowed = |name: &str| matches!(judge(name), Judgement::Allowed { .. });
    search.iter().filter_map(|domain| name::without(name, domain)).any(allowed)
}

/// The type, and the class if it is not the usual one.
fn shown_type(asked: &Asked) -> String {
    if Query::is_internet(asked) {
        asked.query_type.to_string()
    } else {
        format!("{} {}", asked.query_class, asked.query_type)
    }
}
