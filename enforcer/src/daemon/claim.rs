// SPDX-License-Identifier: MIT OR Apache-2.0

//! A client that has asked for a run, and hears of it: what it starts next is enrolled by the kernel, like what an item of
//! `select` chooses.

use std::{future, io, rc::Rc};

use enforcer_common::select::CLAIMS;
use tokio::sync::mpsc;

use super::{Error, control::protocol::Reply, state::State};
use crate::run::held::Held;

/// Processes of one user that may wait for runs at a time: half of what there is room for.
const OF_USER: usize = CLAIMS as usize / 2;
/// Lines that a client may be behind. What is more is not told to it: the run does not wait.
const LINES: usize = 1024;

/// What a client is told by.
#[derive(Clone, Debug)]
pub(crate) struct Listener(mpsc::Sender<Reply>);

impl Listener {
    /// Tells it something, if it listens.
    pub(crate) fn tell(&self, reply: Reply) {
        let _ = self.0.try_send(reply);
    }
}

/// What a client has been promised, as long as this lives.
pub(super) struct Claim {
    state: Rc<State>,
    process: u32,
    held: Option<Held>,
    replies: mpsc::Receiver<Reply>,
}

impl Claim {
    /// Promises to a process that what it starts next is under a profile.
    pub(super) fn new(state: &Rc<State>, process: u32, uid: u32, profile: &str) -> Result<Self, Error> {
        // Of a user's that has ended, another user's process may have the number by now.
        let held = Held::open(process).and_then(|held| match held.uid()? {
            of if of == uid && held.lives() => Ok(held),
            _ => Err(io::ErrorKind::NotFound.into()),
        });
        let held = held.map_err(|source| Error::NoClaimant { source })?;
        if state.claims_of(uid) >= OF_USER {
            return Err(Error::Claims { limit: OF_USER });
        }
        let (sender, replies) = mpsc::channel(LINES);
        state.claim(process, uid, profile, Listener(sender))?;
        Ok(Self { state: Rc::clone(state), process, held: Some(held), replies })
    }

    /// Waits until who has asked has ended; once.
    pub(super) fn ended(&mut self) -> impl Future<Output = ()> + use<> {
        let held = self.held.take();
        async {
            match held {
                Some(held) => held.ended().await,
                None => future::pending().await,
            }
        }
    }

    /// What is to be said to the client; `None` when there is no more.
    pub(super) async fn next(&mut self) -> Option<Reply> {
        self.replies.recv().await
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.state.disclaim(self.process);
    }
}
