// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Files: what is opened, for reading and for writing.

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_d_path, macros::lsm, programs::LsmContext};
use core::ffi::c_void;
use enforcer_common::{Budget, Kind, Reason, table::TEXT_SIZE};

use crate::{
    offsets::{field, offset},
    subject::{GO_ON, Subject, Text, answer, label, undecided},
};

/// `FMODE_READ`, `include/linux/fs.h`.
const MODE_READ: u32 = 1;
/// `FMODE_WRITE`, the same place.
const MODE_WRITE: u32 = 2;
/// `__FMODE_EXEC`, the same place: the kernel's own opens for exec. User flags never carry it.
const FLAG_EXEC: u32 = 0x20;

/// `PIDFS_MAGIC`, `include/uapi/linux/magic.h`.
const PIDFS: u64 = 0x5049_4446;

/// Whether it is a process, and not a file: since 6.9 a pidfd is made by opening something in a file system of its own
/// (`fs/pidfs.c`), for reading and writing. Before, this hook did not see it.
#[inline(always)]
fn is_process(file: *const c_void) -> bool {
    // SAFETY: `file` is a trusted pointer, an open file has an inode, and an inode a file system.
    unsafe {
        let inode: *const c_void = field(file, offset!(file_inode));
        let fs: *const c_void = field(inode, offset!(inode_sb));
        field::<u64>(fs, offset!(sb_magic)) == PIDFS
    }
}

/// The path of an open file, left in the buffer.
#[inline(always)]
pub(crate) fn path_of(text: *mut u8, file: *const c_void) -> Text {
    // SAFETY: `file` is a trusted pointer, and the offset is that of its `struct path`.
    unsafe { written(text, file, offset!(file_path)) }
}

/// A path, left in the buffer.
///
/// # Safety
///
/// `of` is a trusted pointer to a struct with a `struct path` at `offset`, and the buffer has [`TEXT_SIZE`] bytes.
#[inline(always)]
pub(crate) unsafe fn written(text: *mut u8, of: *const c_void, offset: usize) -> Text {
    // SAFETY: what the caller promises.
    let len = unsafe {
        let path = of.cast::<u8>().add(offset).cast_mut().cast();
        bpf_d_path(path, text.cast(), TEXT_SIZE as u32)
    };
    // -ENAMETOOLONG: the buffer is as long as the longest path that can be opened by name, but a path can be longer.
    match len {
        1..=4096 => Text::Path((len - 1) as usize),
        -36 => Text::None(Reason::TooLong),
        _ => Text::None(Reason::Unresolved),
    }
}

/// Reading and writing are decided here, from the path that was really opened, before any byte moves.
#[lsm(hook = "file_open")]
pub fn file_open(ctx: LsmContext) -> i32 {
    let file: *const c_void = ctx.arg(0);
    let Some(label) = label() else {
        return GO_ON;
    };
    // SAFETY: `file` is a trusted pointer.
    let (mode, flags): (u32, u32) =
        unsafe { (field(file, offset!(file_mode)), field(file, offset!(file_flags))) };
    // What is executed is decided in `bprm_check_security`.
    if flags & FLAG_EXEC != 0 || is_process(file) {
        return GO_ON;
    }
    let run = label.run;
    let mut subject = match Subject::new(label) {
        Ok(subject) => subject,
        Err(reason) => return undecided(ctx.as_ptr(), run, Kind::Read, reason),
    };
    let text = path_of(subject.scratch().text(), file);
    let written =
        mode & MODE_WRITE == 0 || opened(&mut subject, &text, file, Kind::Write, Budget::FilesWritten);
    let mut read = || opened(&mut subject, &text, file, Kind::Read, Budget::FilesRead);
    answer(written && (mode & MODE_READ == 0 || read()))
}

/// Decides about one way of opening, and charges it; true if it may go ahead.
#[inline(always)]
fn opened(subject: &mut Subject, text: &Text, file: *const c_void, kind: Kind, budget: Budget) -> bool {
    let decision = subject.decide(kind, text, || 0);
    subject.conclude(kind, text, decision)
        && (!subject.is_new(file, budget) || subject.spend(budget, kind, text))
}
