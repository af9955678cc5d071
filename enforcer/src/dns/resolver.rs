// SPDX-License-Identifier: MIT OR Apache-2.0

//! The resolver.

use std::{io, iter, net::SocketAddr, rc::Rc, sync::Arc};

use tokio::{
    net::{TcpListener, UdpSocket},
    sync::Semaphore,
    task::{JoinSet, LocalSet},
};

use super::{
    limits::{Counts, Limits},
    lookup::Desk,
    policy::Policy,
    sockets::{Pair, Sockets},
    tcp, udp,
};

/// A resolver that has its port and answers nobody yet.
#[derive(Debug)]
pub struct Resolver {
    sockets: Sockets,
    counts: Arc<Counts>,
    pub(super) limits: Limits,
}

impl Resolver {
    /// Binds UDP and TCP sockets of 127.0.0.1 and ::1, all to one port that nobody else has.
    ///
    /// # Errors
    ///
    /// The system refuses. That the host has no IPv6 is no error.
    pub fn bind() -> io::Result<Self> {
        Ok(Self { sockets: Sockets::bind()?, counts: Arc::default(), limits: Limits::default() })
    }

    /// The port of all its sockets.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.sockets.port
    }

    /// Whether it can be reached at `::1`.
    #[cfg(test)]
    pub(super) const fn has_ipv6(&self) -> bool {
        self.sockets.v6.is_some()
    }

    /// What went wrong so far; to be kept while it serves.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves until dropped, which ends everything that it has begun. `servers` are asked in this order; `search`
    /// are the domains that the system's resolver appends to names (see [`super::resolv`]).
    ///
    /// # Errors
    ///
    /// The sockets could not be given to the runtime, or serving one of them failed. Nothing is answered any more then.
    pub async fn serve<P: Policy>(
        self,
        policy: Rc<P>,
        servers: Vec<SocketAddr>,
        search: Vec<String>,
    ) -> io::Result<()> {
        let Self { sockets, counts, limits } = self;
        let slots = Arc::new(Semaphore::new(limits.lookups));
        let desk = Rc::new(Desk { policy, servers, search, limits, counts, slots });
        let connections = Arc::new(Semaphore::new(limits.connections));
        let tasks = LocalSet::new();
        let serving = async {
            let mut servers = JoinSet::new();
            for Pair { udp, tcp } in iter::once(sockets.v4).chain(sockets.v6) {
                servers.spawn_local(udp::serve(Rc::clone(&desk), UdpSocket::from_std(udp)?));
                let listener = TcpListener::from_std(tcp)?;
                servers.spawn_local(tcp::serve(Rc::clone(&desk), listener, Arc::clone(&connections)));
            }
            // None of them ends unless it fails.
            servers.join_next().await.transpose().map_err(io::Error::other).map(|_| ())
        };
        tasks.run_until(serving).await
    }
}
