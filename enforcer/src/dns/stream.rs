// SPDX-License-Identifier: MIT OR Apache-2.0

//! Messages in a TCP stream: each behind its length (RFC 1035, 4.2.2).

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Reads a message; `None` at the end of the stream. Memory is taken as the bytes arrive, not as they are announced.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 2];
    if stream.read(&mut len[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut len[1..]).await?;
    let len = u16::from_be_bytes(len);
    let mut message = Vec::new();
    stream.take(len.into()).read_to_end(&mut message).await?;
    if message.len() < len.into() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(message))
}

/// Writes a message, with its length in the same segment.
pub(super) async fn write(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let len = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut framed = Vec::with_capacity(2 + message.len());
    framed.extend(len.to_be_bytes());
    framed.extend(message);
    stream.write_all(&framed).await
}
