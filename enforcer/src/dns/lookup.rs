// SPDX-License-Identifier: MIT OR Apache-2.0

//! An allowed name, from the question to the answer.

use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

use hickory_proto::{op::ResponseCode, rr::Record};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    chain::{Broken, Chain},
    handle::{Handled, Question, handle_packet},
    limits::{Counts, Limits},
    policy::{Judgement, Policy, Refusal, Transport},
    reply::Reply,
    response::{Received as Read, Response},
    special::is_special,
    upstream,
};

/// What all sockets of a resolver share.
pub(super) struct Desk<P> {
    pub(super) policy: Rc<P>,
    pub(super) servers: Vec<SocketAddr>,
    pub(super) search: Vec<String>,
    pub(super) limits: Limits,
    pub(super) counts: Arc<Counts>,
    /// A permit for each lookup that may be under way.
    pub(super) slots: Arc<Semaphore>,
}

/// What to do about a packet.
pub(super) enum Received<A> {
    /// This is the answer, if there is one.
    Answer(Option<Vec<u8>>),
    /// There is something to look up first.
    Pending(Box<Pending<A>>),
}

/// A lookup to be made.
pub(super) struct Pending<A> {
    asker: A,
    question: Question,
    _slot: OwnedSemaphorePermit,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no answer in time")]
    Late,
    #[error("{0}")]
    Upstream(#[from] upstream::Failure),
    #[error("{0}")]
    Broken(#[from] Broken),
}

impl<P: Policy> Desk<P> {
    /// Takes a packet, and reports it if it is refused.
    pub(super) fn receive(
        &self,
        packet: &[u8],
        transport: Transport,
        source: SocketAddr,
    ) -> Received<P::Asker> {
        let asker = self.policy.asker(transport, source);
        let judge = |name: &str| match &asker {
            Some(asker) => self.policy.judge(asker, name),
            None => Judgement::Refused,
        };
        match (handle_packet(packet, transport, judge, &self.search), asker) {
            (Handled::Ignored, _) => Received::Answer(None),
            (Handled::Answered(answer), _) => Received::Answer(Some(answer)),
            (Handled::Refused { answer, name, record_type }, asker) => {
                if let Some(asker) = asker {
                    self.policy.refused(&asker, &name, &record_type, Refusal::NotAllowed);
                }
                Received::Answer(Some(answer))
            }
            (Handled::Lookup(question), Some(asker)) => {
                self.policy.looked_up(&asker, &question.name);
                match self.slots.clone().try_acquire_owned() {
                    Ok(slot) => Received::Pending(Box::new(Pending { asker, question, _slot: slot })),
                    Err(_) => {
                        self.counts.count_overloaded();
                        let reply = Reply::empty(ResponseCode::ServFail);
                        Received::Answer(reply.encode(&question.query, transport))
                    }
                }
            }
            (Handled::Lookup(_), None) => Received::Answer(None),
        }
    }

    /// Looks it up, and grants what it leads to.
    pub(super) async fn answer(
        &self,
        pending: Box<Pending<P::Asker>>,
        transport: Transport,
    ) -> Option<Vec<u8>> {
        let Pending { asker, question, .. } = &*pending;
        let found = timeout(self.limits.lookup, self.look_up(question)).await;
        let reply = match found.map_err(|_| Failure::Late).flatten() {
            Ok(Found { code, chain, authority }) => self
                .grant(asker, question, &chain)
                .map_or_else(Reply::empty, |()| Reply { code, authority, answers: chain.into_records() }),
            Err(error) => {
                tracing::debug!("{}: {error}", question.name);
                self.counts.count_unanswered();
                Reply::empty(ResponseCode::ServFail)
            }
        };
        reply.encode(&question.query, transport)
    }

    /// Asks until there are addresses, or until it is said that there are none.
    async fn look_up(&self, question: &Question) -> Result<Found, Failure> {
        let record_type = question.asked.query_type;
        let mut chain = Chain::new(question.asked.name.clone(), record_type);
        loop {
            let response = upstream::ask(&self.servers, chain.end(), record_type, &self.limits).await?;
            if let Some((code, authority)) = follow(&mut chain, response)? {
                return Ok(Found { code, chain, authority });
            }
        }
    }

    /// Grants the addresses, or says with what code to answer instead.
    fn grant(&self, asker: &P::Asker, question: &Question, chain: &Chain) -> Result<(), ResponseCode> {
        let addresses = chain.addresses();
        let special = addresses.iter().find(|&&address| !question.private && is_special(address));
        if let Some(&address) = special {
            let record_type = question.asked.query_type.to_string();
            self.policy.refused(asker, &question.name, &record_type, Refusal::Private(address));
            return Err(ResponseCode::Refused);
        }
        for &address in addresses {
            if let Err(error) = self.policy.grant(&question.name, address, chain.ttl()) {
                tracing::warn!("failed to grant {address} of {}: {error}", question.name);
                self.counts.count_ungranted();
                return Err(ResponseCode::ServFail);
            }
        }
        Ok(())
    }
}

/// Goes as far as an answer leads. `None`: from where it has come to, the next is to be asked. Otherwise, what is
/// answered to the client beside the chain.
fn follow(chain: &mut Chain, response: Response) -> Result<Option<(ResponseCode, Option<Record>)>, Broken> {
    let so_far = chain.len();
    chain.follow(&response.answers)?;
    let code = response.code;
    // A server that does not follow aliases stops at one, and says nothing of where it leads.
    let stopped = code == ResponseCode::NoError
        && chain.addresses().is_empty()
        && chain.len() > so_far
        && response.authority.is_none();
    let fitting = |soa: &Record| soa.name.zone_of(chain.end());
    let authority = response.authority.filter(fitting).filter(|_| chain.addresses().is_empty());
    Ok((!stopped).then_some((code, authority)))
}

/// What comes of a lookup if a name server sends this packet and nothing else: the addresses that are granted, and the
/// answer to the client. As [`handle_packet`], it does no I/O. `None`: it would be waited on, or asked again.
#[must_use]
pub fn handle_answer(
    question: &Question,
    packet: &[u8],
    id: u16,
    transport: Transport,
) -> Option<(Vec<IpAddr>, Option<Vec<u8>>)> {
    let Read::Response(response) = Read::read(packet, id, &question.asked) else {
        return None;
    };
    let mut chain = Chain::new(question.asked.name.clone(), question.asked.query_type);
    let (code, authority) = follow(&mut chain, *response).ok()??;
    let addresses = chain.addresses().to_vec();
    let reply = Reply { code, authority, answers: chain.into_records() };
    Some((addresses, reply.encode(&question.query, transport)))
}

/// What was found.
struct Found {
    code: ResponseCode,
    chain: Chain,
    authority: Option<Record>,
}
