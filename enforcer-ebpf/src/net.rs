// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Sockets: which may be made, what they may reach, what they may take, and where their questions for names go.

mod create;
mod gate;
mod gated;
mod hello;
mod lent;
mod listen;
mod local;
mod packet;
mod reach;
mod redirect;
mod refusal;
mod route;
mod sockaddr;
mod tag;

/// Address families, from `linux/socket.h`.
const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

pub(crate) use tag::Sockets;
