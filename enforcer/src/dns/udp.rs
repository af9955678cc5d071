// SPDX-License-Identifier: MIT OR Apache-2.0

//! Queries in datagrams.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use tokio::{net::UdpSocket, task::spawn_local, time::sleep};

use super::{
    lookup::{Desk, Received},
    policy::{Policy, Transport},
};

/// The longest query that is read whole; the rest of a longer one is cut off, and it cannot be read then.
const QUERY_MOST: usize = 4096;
/// How long to wait when the kernel has no memory.
const PAUSE: Duration = Duration::from_millis(10);

/// Serves for ever. What needs no lookup is answered at once, in turn.
pub(super) async fn serve<P: Policy>(desk: Rc<Desk<P>>, socket: UdpSocket) {
    let socket = Rc::new(socket);
    let mut packet = vec![0; QUERY_MOST];
    loop {
        let (len, source) = match socket.recv_from(&mut packet).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!("failed to receive a DNS query: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        match desk.receive(&packet[..len], Transport::Udp, source) {
            Received::Answer(None) => {}
            Received::Answer(Some(answer)) => send(&socket, &answer, source).await,
            Received::Pending(pending) => {
                let (desk, socket) = (Rc::clone(&desk), Rc::clone(&socket));
                spawn_local(async move {
                    if let Some(answer) = desk.answer(pending, Transport::Udp).await {
                        send(&socket, &answer, source).await;
                    }
                });
            }
        }
    }
}

/// Sends an answer. Whoever asked may be gone.
async fn send(socket: &UdpSocket, answer: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(answer, to).await {
        tracing::debug!("failed to answer {to}: {error}");
    }
}
