// SPDX-License-Identifier: MIT OR Apache-2.0

//! Operations by way of an io_uring.

use std::{io, net::SocketAddr, os::fd::AsRawFd as _};

use io_uring::{IoUring, opcode, squeue, types};

use crate::socket::{Address, datagram, stream, with_message};

/// Which task does it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// The one that submits.
    Caller,
    /// A worker of the ring.
    Worker,
    /// The kernel thread that polls the ring.
    Poller,
}

/// A ring, for one operation at a time.
pub(crate) struct Ring {
    ring: IoUring,
    flags: squeue::Flags,
}

impl Ring {
    pub(crate) fn new(by: By) -> io::Result<Self> {
        Ok(match by {
            By::Caller => Self { ring: IoUring::new(4)?, flags: squeue::Flags::empty() },
            By::Worker => Self { ring: IoUring::new(4)?, flags: squeue::Flags::ASYNC },
            By::Poller => {
                Self { ring: IoUring::builder().setup_sqpoll(1000).build(4)?, flags: squeue::Flags::empty() }
            }
        })
    }

    /// Does one operation, and returns what the system call of that name would.
    ///
    /// # Safety
    ///
    /// What the operation points to is valid until this returns.
    pub(crate) unsafe fn run(&self, operation: squeue::Entry) -> io::Result<i32> {
        // SAFETY: nobody else uses the queues.
        let result = unsafe {
            self.ring.submission_shared().push(&operation.flags(self.flags)).map_err(io::Error::other)?;
            self.ring.submit_and_wait(1)?;
            self.ring.completion_shared().next().ok_or_else(|| io::Error::other("no completion"))?.result()
        };
        if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) }
    }
}

/// What is sent how.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// Connect, then send.
    Connect,
    /// Send to an address.
    Send,
    /// Send a message to an address.
    Message,
    /// The same, without copying.
    ZeroCopy,
    /// Send a message to an address with `MSG_FASTOPEN`.
    FastOpen,
}

/// Sends bytes to an address.
pub(crate) fn send(operation: Operation, by: By, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    let (ring, address) = (Ring::new(by)?, Address::from(to));
    let socket = match operation {
        Operation::Connect | Operation::FastOpen => stream(to)?,
        Operation::Send | Operation::Message | Operation::ZeroCopy => datagram(to)?,
    };
    let fd = types::Fd(socket.as_raw_fd());
    let plain = opcode::Send::new(fd, bytes.as_ptr(), bytes.len() as u32);
    // SAFETY: the bytes, the address and the message outlive the operation, which is waited for.
    unsafe {
        match operation {
            Operation::Connect => {
                ring.run(opcode::Connect::new(fd, address.as_ptr(), address.len()).build())?;
                ring.run(plain.build())
            }
            Operation::Send => {
                ring.run(plain.dest_addr(address.as_ptr()).dest_addr_len(address.len()).build())
            }
            Operation::Message => with_message(bytes, Some(&address), &[], |message| {
                ring.run(opcode::SendMsg::new(fd, message).build())
            }),
            Operation::ZeroCopy => with_message(bytes, Some(&address), &[], |message| {
                ring.run(opcode::SendMsgZc::new(fd, message).build())
            }),
            Operation::FastOpen => with_message(bytes, Some(&address), &[], |message| {
                ring.run(opcode::SendMsg::new(fd, message).flags(libc::MSG_FASTOPEN as u32).build())
            }),
        }
    }
    .map(drop)
}
