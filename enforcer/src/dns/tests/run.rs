// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run that remembers what it was told.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use crate::dns::{Counts, Judgement, Policy, Refusal, Resolver, Transport, limits::Limits};

/// A run that may look up `registry.test`, and `internal.test` even where it is private.
#[derive(Default)]
pub(super) struct Run {
    pub(super) granted: RefCell<Vec<(String, IpAddr, Duration)>>,
    pub(super) refused: RefCell<Vec<String>>,
    /// Nothing more can be granted.
    pub(super) full: Cell<bool>,
    /// Queries are of somebody else.
    pub(super) stranger: Cell<bool>,
}

impl Policy for Run {
    type Asker = ();

    fn asker(&self, _: Transport, source: SocketAddr) -> Option<()> {
        (source.ip().is_loopback() && !self.stranger.get()).then_some(())
    }

    fn judge(&self, (): &(), name: &str) -> Judgement {
        match name {
            "registry.test" => Judgement::Allowed { private: false },
            "internal.test" => Judgement::Allowed { private: true },
            _ => Judgement::Refused,
        }
    }

    fn grant(&self, asked: &str, address: IpAddr, ttl: Duration) -> io::Result<()> {
        if self.full.get() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.granted.borrow_mut().push((asked.to_owned(), address, ttl));
        Ok(())
    }

    fn refused(&self, (): &(), name: &str, record_type: &str, why: Refusal) {
        self.refused.borrow_mut().push(format!("{record_type} {name}: {why}"));
    }
}

impl Run {
    /// The addresses that were granted, and for how many seconds.
    pub(super) fn grants(&self) -> Vec<String> {
        let shown =
            |(name, address, ttl): &(String, IpAddr, Duration)| format!("{name} {address} {}", ttl.as_secs());
        self.granted.borrow().iter().map(shown).collect()
    }
}

/// A resolver under test.
pub(super) struct Served {
    pub(super) port: u16,
    pub(super) has_ipv6: bool,
    pub(super) run: Rc<Run>,
    pub(super) counts: Arc<Counts>,
}

/// Limits under which nothing fails that can succeed.
pub(super) fn patient() -> Limits {
    let long = Duration::from_secs(60);
    Limits { idle: long, attempt: long, lookup: long, ..Limits::default() }
}

/// Limits under which nobody waits for what never comes.
pub(super) fn impatient() -> Limits {
    let short = Duration::from_millis(20);
    Limits { attempt: short, ..patient() }
}

/// Serves while the test runs.
pub(super) async fn serve<F: Future>(
    limits: Limits,
    servers: &[SocketAddr],
    test: impl FnOnce(Served) -> F,
) -> F::Output {
    let mut resolver = Resolver::bind().unwrap();
    resolver.limits = limits;
    let run = Rc::new(Run::default());
    let served = Served {
        port: resolver.port(),
        has_ipv6: resolver.has_ipv6(),
        run: Rc::clone(&run),
        counts: resolver.counts(),
    };
    tokio::select! {
        ended = resolver.serve(run, servers.to_vec(), vec!["corp.test".into()]) => panic!("{ended:?}"),
        output = test(served) => output,
    }
}
