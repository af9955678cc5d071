// SPDX-License-Identifier: MIT OR Apache-2.0

//! Addresses that a run may reach for a while.

use std::{collections, io, net::IpAddr, time::Duration};

use aya::maps::{HashMap, MapData};
use enforcer_common::{
    address::{GRANT_RECORDED, Grant, GrantKey},
    hello::{NAME_MAX, NAME_SIZE, NameKey},
};
use nix::time::{ClockId, clock_gettime};

use super::destinations::Way;

/// How long an address stays open when the answer that led to it is out of date. Clients keep what they found for a
/// while, whatever the answer says: libcurl, and with it cargo and git, for 60 seconds (`CURLOPT_DNS_CACHE_TIMEOUT`).
pub(super) const GRACE: Duration = Duration::from_secs(60);

/// The kernel's map, and what is in it.
#[derive(Debug)]
pub(crate) struct Leases {
    run: u32,
    map: HashMap<MapData, GrantKey, Grant>,
    held: collections::HashMap<GrantKey, Grant>,
    names: HashMap<MapData, NameKey, u64>,
    held_names: collections::HashMap<NameKey, u64>,
}

impl Leases {
    /// None of this run's yet.
    pub(crate) fn new(
        run: u32,
        map: HashMap<MapData, GrantKey, Grant>,
        names: HashMap<MapData, NameKey, u64>,
    ) -> Self {
        Self { run, map, held: collections::HashMap::new(), names, held_names: collections::HashMap::new() }
    }

    /// Opens the address that a name leads to for good.
    pub(super) fn forever(&mut self, name: &str, address: IpAddr, way: Way) -> io::Result<()> {
        self.until(name, address, way, u64::MAX)
    }

    /// Opens the address that a name leads to until then.
    pub(super) fn until(&mut self, name: &str, address: IpAddr, way: Way, until: u64) -> io::Result<()> {
        let Way { stage, rule, flags, .. } = way;
        let key = GrantKey { run: self.run, stage: u32::from(stage), endpoint: way.endpoint(address) };
        if flags & Grant::NAMED != 0 {
            self.name(name_key(&key, name)?, until)?;
        }
        let new = Grant { until, rule, flags, reserved: [0; 2] };
        let grant = self.held.get(&key).map_or(new, |old| join(*old, new));
        if self.held.get(&key) == Some(&grant) {
            return Ok(());
        }
        if self.map.insert(key, grant, 0).is_err() {
            // It is full, most likely of what is over.
            self.sweep(now()?);
            self.map.insert(key, grant, 0).map_err(io::Error::other)?;
        }
        self.held.insert(key, grant);
        Ok(())
    }

    /// Keeps a name that led somewhere.
    fn name(&mut self, key: NameKey, until: u64) -> io::Result<()> {
        if self.held_names.get(&key).is_some_and(|&held| held >= until) {
            return Ok(());
        }
        if self.names.insert(key, until, 0).is_err() {
            self.sweep(now()?);
            self.names.insert(key, until, 0).map_err(io::Error::other)?;
        }
        self.held_names.insert(key, until);
        Ok(())
    }

    /// Forgets what is over.
    fn sweep(&mut self, now: Duration) {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let Self { map, held, names, held_names, .. } = self;
        held_names.retain(|key, until| *until > now || names.remove(key).is_ok_and(|()| false));
        // What the kernel no longer has need not be removed.
        held.retain(|key, grant| grant.until > now || map.remove(key).is_ok_and(|()| false));
    }
}

/// The key of a name that led somewhere.
fn name_key(to: &GrantKey, name: &str) -> io::Result<NameKey> {
    let mut bytes = [0; NAME_SIZE];
    let room = bytes.get_mut(..name.len()).filter(|_| name.len() <= NAME_MAX as usize);
    room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.to_ascii_lowercase().as_bytes());
    Ok(NameKey { run: to.run, stage: to.stage, endpoint: to.endpoint, name: bytes })
}

/// Two grants of one address: the longer time; what either says nothing of
/// is not asked; and the rule that was written first, if possible one whose uses need
/// not be recorded.
pub(crate) fn join(a: Grant, b: Grant) -> Grant {
    let order = |rule: u16| (rule & GRANT_RECORDED, rule);
    let rule = if order(a.rule) <= order(b.rule) { a.rule } else { b.rule };
    Grant { until: a.until.max(b.until), rule, flags: a.flags & b.flags, reserved: [0; 2] }
}

/// Until when an address is open that an answer led to: for as long as the answer is good, and [`GRACE`].
pub(super) fn end(now: Duration, ttl: Duration) -> u64 {
    u64::try_from((now + ttl.saturating_add(GRACE)).as_nanos()).unwrap_or(u64::MAX)
}

/// The time since boot, as the kernel programs tell it.
pub(crate) fn now() -> io::Result<Duration> {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_time_and_the_first_rule() {
        let grant = |until, rule| Grant { until, rule, flags: Grant::NAMED, reserved: [0; 2] };
        assert_eq!(join(grant(5, 7), grant(9, 8)), grant(9, 7));
        assert_eq!(join(grant(9, 8), grant(5, 7)), grant(9, 7));
        let exception = 3 | GRANT_RECORDED;
        assert_eq!(join(grant(5, exception), grant(5, 8)), grant(5, 8));
        assert_eq!(join(grant(5, 8), grant(5, exception)), grant(5, 8));
        assert_eq!(join(grant(5, 7), Grant { flags: 0, ..grant(5, 8) }), Grant { flags: 0, ..grant(5, 7) });
    }
}
