// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What is sent by lending pages, on kernels where that does not pass where messages do: until 6.5 `sendfile` and `splice`
//! have a way of their own into a socket. The one hook on it is that of writing to a file, which reading and writing
//! pass all the time; so the agent attaches this only where it must.

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_sock_from_file, macros::lsm, programs::LsmContext};
use core::ffi::c_void;
use enforcer_common::{Kind, Reason};

use super::{
    reach::reach,
    sockaddr::{Sock, endpoint},
    tag::Tag,
};
use crate::{
    offsets::{field, offset},
    subject::{GO_ON, label, undecided},
};

/// `MAY_WRITE`, `linux/fs.h`.
const MAY_WRITE: i32 = 2;
/// `S_IFMT` and `S_IFSOCK`, `linux/stat.h`.
const FORMAT: u16 = 0o170_000;
const SOCKET: u16 = 0o140_000;

/// Reading or writing what is open.
#[lsm(hook = "file_permission")]
pub fn file_permission(ctx: LsmContext) -> i32 {
    let (file, mask): (*const c_void, i32) = (ctx.arg(0), ctx.arg(1));
    // SAFETY: `file` is a trusted pointer, and an open file has an inode.
    let mode: u16 = unsafe { field(field(file, offset!(file_inode)), offset!(inode_mode)) };
    if mask & MAY_WRITE == 0 || mode & FORMAT != SOCKET {
        return GO_ON;
    }
    let Some(label) = label() else {
        return GO_ON;
    };
    let run = label.run;
    // SAFETY: a trusted pointer.
    let socket: *const c_void = unsafe { bpf_sock_from_file(file.cast_mut().cast()) }.cast();
    if socket.is_null() {
        return GO_ON;
    }
    let Some(sock) = Sock::of(socket) else {
        return undecided(ctx.as_ptr(), run, Kind::Connect, Reason::Family);
    };
    // A gate, if it has one, stands where packets leave.
    let judged = Tag::get(sock.sock).is_some_and(|tag| tag.has(run, Tag::JUDGED));
    if !sock.is_ip() || judged || !sock.has_peer() {
        return GO_ON;
    }
    reach(&ctx, label, &sock, endpoint(&sock.peer(), sock.family, sock.protocol), true, true, true)
}
