// SPDX-License-Identifier: MIT OR Apache-2.0

//! The way from a name to its addresses, through its aliases.

use std::{net::IpAddr, time::Duration};

use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// Aliases that a name may have one behind the other.
const MOST: usize = 16;

/// The way is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("an alias leads back to where it came from")]
    Loop,
    #[error("more than {MOST} aliases")]
    TooLong,
}

/// The records from a name to its addresses, and nothing else of what servers sent along.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    names: Vec<Name>,
    record_type: RecordType,
    records: Vec<Record>,
    addresses: Vec<IpAddr>,
}

impl Chain {
    /// From this name to addresses of this type. The name's spelling is kept.
    pub(super) fn new(name: Name, record_type: RecordType) -> Self {
        Self { names: vec![name], record_type, records: Vec::new(), addresses: Vec::new() }
    }

    /// The name that it has come to.
    pub(super) fn end(&self) -> &Name {
        // There is always the first.
        self.names.last().unwrap_or(&self.names[0])
    }

    /// How many names it has been to.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Goes as far as the records of an answer lead.
    pub(super) fn follow(&mut self, answers: &[Record]) -> Result<(), Broken> {
        loop {
            let name = self.end().clone();
            let own = || answers.iter().filter(|r| r.dns_class == DNSClass::IN && r.name == name);
            for record in own().filter(|record| record.record_type() == self.record_type) {
                let address = match &record.data {
                    RData::A(address) => IpAddr::V4(address.0),
                    RData::AAAA(address) => IpAddr::V6(address.0),
                    _ => continue,
                };
                self.addresses.push(address);
                self.records.push(Record::from_rdata(name.clone(), seconds(record), record.data.clone()));
            }
            let alias = own().find_map(|record| match &record.data {
                RData::CNAME(target) => Some((record, target.0.clone())),
                _ => None,
            });
            let Some((record, target)) = alias.filter(|_| self.addresses.is_empty()) else { return Ok(()) };
            if self.names.contains(&target) {
                return Err(Broken::Loop);
            }
            if self.names.len() > MOST {
                return Err(Broken::TooLong);
            }
            self.records.push(Record::from_rdata(name, seconds(record), record.data.clone()));
            self.names.push(target);
        }
    }

    /// The addresses that it leads to.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// How long all of it is good for.
    pub(super) fn ttl(&self) -> Duration {
        Duration::from_secs(self.records.iter().map(|record| record.ttl).min().unwrap_or(0).into())
    }

    /// Its records, in order.
    pub(super) fn into_records(self) -> Vec<Record> {
        self.records
    }
}

/// The time to live; with the first bit set it means zero (RFC 2181, 8).
fn seconds(record: &Record) -> u32 {
    if record.ttl > i32::MAX as u32 { 0 } else { record.ttl }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, CNAME};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn alias(from: &str, to: &str, ttl: u32) -> Record {
        Record::from_rdata(name(from), ttl, RData::CNAME(CNAME(name(to))))
    }

    fn address(of: &str, last: u8, ttl: u32) -> Record {
        Record::from_rdata(name(of), ttl, RData::A(A::new(192, 0, 2, last)))
    }

    fn follow(answers: &[Record]) -> Result<Chain, Broken> {
        let mut chain = Chain::new(name("A.test."), RecordType::A);
        chain.follow(answers).map(|()| chain)
    }

    #[test]
    fn only_what_leads_from_the_question_is_taken() {
        let answers = [
            address("other.test.", 9, 1),
            address("c.test.", 1, 60),
            alias("b.test.", "C.test.", 30),
            alias("a.test.", "b.test.", 90),
            address("c.test.", 2, 60),
            alias("other.test.", "c.test.", 1),
        ];
        let chain = follow(&answers).unwrap();
        assert_eq!(chain.addresses(), [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])]);
        assert_eq!(chain.ttl(), Duration::from_secs(30));
        let records: Vec<_> = chain.into_records().iter().map(|r| r.name.to_ascii()).collect();
        assert_eq!(records, ["A.test.", "b.test.", "C.test.", "C.test."]);
    }

    #[test]
    fn other_types_and_classes_are_left_out() {
        let mut chaos = address("a.test.", 9, 60);
        chaos.dns_class = DNSClass::CH;
        let six = Record::from_rdata(name("a.test."), 60, RData::AAAA("2001:db8::1".parse().unwrap()));
        assert!(follow(&[chaos, six]).unwrap().addresses().is_empty());
    }

    #[test]
    fn loops_and_long_chains_are_broken() {
        assert_eq!(follow(&[alias("a.test.", "a.test.", 1)]).unwrap_err(), Broken::Loop);
        let round = [alias("a.test.", "b.test.", 1), alias("b.test.", "A.TEST.", 1)];
        assert_eq!(follow(&round).unwrap_err(), Broken::Loop);
        let mut line = vec![alias("a.test.", "0.test.", 1)];
        line.extend((0..15).map(|i| alias(&format!("{i}.test."), &format!("{}.test.", i + 1), 1)));
        assert_eq!(follow(&line).unwrap().len(), MOST + 1);
        line.push(alias("15.test.", "16.test.", 1));
        assert_eq!(follow(&line).unwrap_err(), Broken::TooLong);
    }

    #[test]
    fn a_time_to_live_beyond_bounds_is_none() {
        assert_eq!(follow(&[address("a.test.", 1, u32::MAX)]).unwrap().ttl(), Duration::ZERO);
    }
}
