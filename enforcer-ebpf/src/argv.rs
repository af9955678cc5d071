// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Arguments of programs, where rules are about them.
//!
//! They are judged when the exec is committed. Before, they are in an address space that programs cannot read; from then
//! on they are in that of the new program, which nobody else has, and which has not run yet. What other threads of the old
//! program write no longer reaches it. The exec cannot fail any more, hence who is denied is killed.

use aya_ebpf::helpers::generated::{bpf_probe_read_user, bpf_probe_read_user_str};
use core::ffi::c_void;
use enforcer_common::{
    Kind, Reason,
    argv::{SEPARATOR, folded},
    run::Label,
    table::{STAY, Space as _, Step, TEXT_SIZE},
};

use crate::{
    budget,
    file::path_of,
    offsets::{field, offset},
    space::Kernel,
    subject::{GO_ON, Subject, Text, bound, label, undecided},
};

/// Decides about the arguments of the program that `bprm` has loaded; false if the process is killed for them.
#[inline(never)] // The hook has no room on the stack for what it needs.
pub(crate) fn judge(ctx: *mut c_void, bprm: *const c_void) -> bool {
    let Some(label) = label() else {
        return true;
    };
    label.flags &= !(Label::ARGUMENTS | Label::REQUIRED);
    let run = label.run;
    let allowed = match Subject::new(label) {
        Ok(mut subject) => allows(&mut subject, bprm),
        Err(reason) => undecided(ctx, run, Kind::Argv, reason) == GO_ON,
    };
    if !allowed {
        budget::kill();
    }
    allowed
}

/// Decides; an exec that the arguments lead to another stage is to enter that one.
#[inline(always)]
fn allows(subject: &mut Subject, bprm: *const c_void) -> bool {
    let text = text_of(subject.scratch().text(), bprm);
    let decision = subject.decide(Kind::Argv, &text, || 0);
    if decision.allows() && decision.stage != STAY {
        subject.label.pending = decision.stage as u8;
    }
    subject.conclude(Kind::Argv, &text, decision)
}

/// Path and arguments, left in the buffer as [`enforcer_common::argv`] has them; of what is too long, as much as there is
/// room for.
#[inline(always)]
pub(crate) fn text_of(text: *mut u8, bprm: *const c_void) -> Text {
    // SAFETY: `bprm` is a trusted pointer.
    let (file, start, end, argc): (*const c_void, u64, u64, u32) = unsafe {
        (
            field(bprm, offset!(bprm_file)),
            field(bprm, offset!(bprm_p)),
            field(bprm, offset!(bprm_exec)),
            field(bprm, offset!(bprm_argc)),
        )
    };
    let path = match path_of(text, file) {
        Text::Path(len) => len,
        other => return other,
    };
    // SAFETY: the buffer has twice TEXT_SIZE bytes; less than the one half is in front, and less than the other is read.
    let (name, failed) = unsafe {
        let behind = text.add(bound(path, TEXT_SIZE) + 1).cast();
        // The program's own name, for its length alone.
        let name = bpf_probe_read_user_str(behind, TEXT_SIZE as u32 - 1, start as *const c_void);
        let from = start.wrapping_add(name as u64);
        let left = end.wrapping_sub(from);
        let len = if left < TEXT_SIZE as u64 - 1 { left as usize } else { TEXT_SIZE - 1 };
        (name, bpf_probe_read_user(behind, bound(len, TEXT_SIZE) as u32, from as *const c_void))
    };
    if name <= 0 || failed != 0 {
        return Text::None(Reason::Unresolved);
    }
    if name >= TEXT_SIZE as i64 - 1 {
        return Text::None(Reason::TooLong); // It may go on.
    }
    // SAFETY: within the buffer.
    unsafe { *text.add(bound(path, TEXT_SIZE)) = if argc > 1 { SEPARATOR } else { 0 } };
    let mut fold = Fold { text, path: path as u32, left: argc, end: path as u32 };
    if argc > 1 {
        fold.end = 0;
        fold.left -= 1;
    }
    Kernel::repeat(TEXT_SIZE as u32, &mut fold);
    match fold.end {
        0 => Text::None(Reason::TooLong),
        end => Text::Path(end as usize),
    }
}

/// Makes a text of a path, a separator, and arguments with a NUL behind each.
struct Fold {
    text: *mut u8,
    /// Bytes of the path.
    path: u32,
    /// Arguments whose NUL is still to come.
    left: u32,
    /// Where the text ends; 0 as long as that is not known.
    end: u32,
}

impl Step for Fold {
    /// Takes a byte; true when the text has ended. One a turn: with more, the verifier would follow every order of their
    /// kinds.
    #[inline(always)]
    fn step(&mut self, at: u32) -> bool {
        // SAFETY: masked to the text's size.
        let place = unsafe { &mut *self.text.add(at as usize & (TEXT_SIZE - 1)) };
        let byte = *place;
        if at == self.path {
            return byte == 0;
        }
        if byte != 0 {
            *place = folded(byte);
            return false;
        }
        if self.left == 1 {
            self.end = at;
            return true;
        }
        self.left -= 1;
        *place = SEPARATOR;
        false
    }
}
