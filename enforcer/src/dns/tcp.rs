// SPDX-License-Identifier: MIT OR Apache-2.0

//! Queries in streams.

use std::{io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::spawn_local,
    time::{sleep, timeout},
};

use super::{
    lookup::{Desk, Received},
    policy::{Policy, Transport},
    stream,
};

/// How long to wait when there is no memory or no file left.
const PAUSE: Duration = Duration::from_millis(10);

/// Serves for ever. Connections beyond the limit wait until one of the others ends, all but one of them in the kernel.
pub(super) async fn serve<P: Policy>(desk: Rc<Desk<P>>, listener: TcpListener, slots: Arc<Semaphore>) {
    loop {
        let (stream, source) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("failed to accept a DNS connection: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let desk = Rc::clone(&desk);
        spawn_local(async move {
            let _slot = slot;
            if let Err(error) = converse(&desk, stream, source).await {
                tracing::debug!("DNS connection from {source}: {error}");
            }
        });
    }
}

/// Answers the queries of a connection, one after the other.
async fn converse<P: Policy>(desk: &Desk<P>, mut stream: TcpStream, source: SocketAddr) -> io::Result<()> {
    let idle = desk.limits.idle;
    while let Some(packet) = timeout(idle, stream::read(&mut stream)).await?? {
        let answer = match desk.receive(&packet, Transport::Tcp, source) {
            Received::Answer(answer) => answer,
            Received::Pending(pending) => desk.answer(pending, Transport::Tcp).await,
        };
        if let Some(answer) = answer {
            timeout(idle, stream::write(&mut stream, &answer)).await??;
        }
    }
    Ok(())
}
