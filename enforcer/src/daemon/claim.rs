// SPDX-License-Identifier: MIT OR Apache-2.0

//! A client that has asked for a run, and hears of it: what it starts next is enrolled by the kernel, like what an item of
//! `select` chooses.

use std::rc::Rc;

use tokio::sync::mpsc;

use super::{Error, control::protocol::Reply, state::State};

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
    replies: mpsc::Receiver<Reply>,
}

impl Claim {
    /// Promises to a process that what it starts next is under a profile.
    pub(super) fn new(state: &Rc<State>, process: u32, profile: &str) -> Result<Self, Error> {
        let (sender, replies) = mpsc::channel(LINES);
        state.claim(process, profile, Listener(sender))?;
        Ok(Self { state: Rc::clone(state), process, replies })
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
