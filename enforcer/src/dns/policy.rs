// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the resolver asks, and tells, the run that it serves.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// What carries a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
}

/// Whether a name may be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may not.
    Refused,
    /// It may.
    Allowed {
        /// It may also lead to loopback, private and similar addresses (see [`super::special`]).
        private: bool,
    },
}

/// Why a lookup was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No rule allows the name.
    NotAllowed,
    /// The name led to this address, which no rule lets it.
    Private(IpAddr),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str("no rule allows the name"),
            Self::Private(address) => write!(f, "it leads to {address}, which is not public"),
        }
    }
}

/// The run.
pub trait Policy: 'static {
    /// Whom a query came from, for [`Policy::judge`] and for the record.
    type Asker;

    /// Who sent a query from this address. Nobody of the run: it is refused without being recorded.
    fn asker(&self, transport: Transport, source: SocketAddr) -> Option<Self::Asker>;

    /// Whether the asker may look up the name: in lower case, without a dot at the end, of letters, digits, `-`
    /// and `_`.
    fn judge(&self, asker: &Self::Asker, name: &str) -> Judgement;

    /// Lets the run reach an address of the name that was asked for, from now on; the record that says so is good
    /// for `ttl`. Called before the answer goes out.
    ///
    /// # Errors
    ///
    /// It could not be granted. The lookup then fails.
    fn grant(&self, asked: &str, address: IpAddr, ttl: Duration) -> io::Result<()>;

    /// An allowed name's addresses are about to be looked up.
    fn looked_up(&self, _asker: &Self::Asker, _name: &str) {}

    /// A lookup was refused. The name may be anything here, in ASCII, with escapes as in zone files.
    fn refused(&self, asker: &Self::Asker, name: &str, record_type: &str, why: Refusal);
}
