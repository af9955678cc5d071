// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Programs: what is executed, and what the agent is told of it.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_get_smp_processor_id, bpf_ktime_get_boot_ns, bpf_probe_read_user},
    },
    macros::lsm,
    programs::LsmContext,
};
use core::{ffi::c_void, ptr::addr_of_mut};
use enforcer_common::{
    Arguments, Decision, Kind, Reason,
    event::ImagePart,
    run::{Label, NO_STAGE},
    table::{STAY, TEXT_SIZE},
};

use crate::{
    argv, atomic,
    budget::is_tripped,
    escape::is_traced,
    file::path_of,
    maps::{self, IMAGES, counters},
    offsets::{field, offset},
    select,
    subject::{GO_ON, Subject, Text, answer, bound, label, undecided},
};

/// Called once for each exec, before the first check: forgets the stage that an earlier, failed exec would have led to.
#[lsm(hook = "bprm_creds_for_exec")]
pub fn bprm_creds_for_exec(_ctx: LsmContext) -> i32 {
    if let Some(label) = label() {
        label.pending = NO_STAGE;
        label.checks = 0;
        label.flags &= !(Label::ARGUMENTS | Label::REQUIRED);
    }
    GO_ON
}

/// Decides about the file to execute. Called again with the interpreter of a script, which must be allowed as well.
#[lsm(hook = "bprm_check_security")]
pub fn bprm_check_security(ctx: LsmContext) -> i32 {
    let bprm: *const c_void = ctx.arg(0);
    let Some(label) = label() else {
        return GO_ON;
    };
    if label.flags & Label::ENTRY != 0 {
        return GO_ON; // The command that the operator named.
    }
    let run = label.run;
    let script = begin(label);
    // SAFETY: `bprm` is a trusted pointer, and so is the file that it holds.
    let file: *const c_void = unsafe { field(bprm, offset!(bprm_file)) };
    let mut subject = match Subject::new(label) {
        Ok(subject) => subject,
        Err(reason) => return undecided(ctx.as_ptr(), run, Kind::Exec, reason),
    };
    let text = path_of(subject.scratch().text(), file);
    let mut decision = subject.decide(Kind::Exec, &text, || 0);
    if script {
        decision = Decision::denied(Reason::Script);
    }
    let changes = decision.stage != STAY && decision.stage != u16::from(subject.label.stage);
    // A tracer could have it do whatever the new stage may, or change arguments that were judged.
    if (changes || decision.arguments != Arguments::Ignored) && is_traced(bprm, run) {
        decision = Decision::denied(Reason::Traced);
    }
    keep(subject.label, &decision);
    let allowed = subject.conclude(Kind::Exec, &text, decision);
    subject.label.checks = subject.label.checks.wrapping_add(1);
    answer(allowed)
}

/// Begins with a file of an exec. A file that was decided about before it in the same exec was a script, which is judged by its
/// path alone; true if that is not enough.
#[inline(always)]
fn begin(label: &mut Label) -> bool {
    let flags = label.flags;
    label.flags = flags & !(Label::ARGUMENTS | Label::REQUIRED);
    if flags & Label::ARGUMENTS != 0 && label.script != NO_STAGE {
        label.pending = label.script;
    }
    flags & Label::REQUIRED != 0
}

/// Keeps what a decision about a file says of the rest of its exec.
#[inline(always)]
fn keep(label: &mut Label, decision: &Decision) {
    let stage = if decision.allows() && decision.stage != STAY { decision.stage as u8 } else { NO_STAGE };
    match decision.arguments {
        Arguments::Ignored if stage == NO_STAGE => {}
        Arguments::Ignored => label.pending = stage,
        Arguments::Judged => (label.flags, label.script) = (label.flags | Label::ARGUMENTS, stage),
        Arguments::Required => label.flags |= Label::ARGUMENTS | Label::REQUIRED,
    }
}

/// The exec can no longer fail: who is not enrolled is, if the service says so; the arguments are judged where rules are
/// about them, the task enters its new stage, and the agent is told what it runs.
#[lsm(hook = "bprm_committed_creds")]
pub fn bprm_committed_creds(ctx: LsmContext) -> i32 {
    let bprm: *const c_void = ctx.arg(0);
    if label().is_none() {
        select::enrol(bprm);
    }
    let Some(label) = label() else {
        return GO_ON;
    };
    if label.flags & Label::ARGUMENTS != 0 && !argv::judge(ctx.as_ptr(), bprm) {
        return GO_ON; // Killed, and nothing of the program has run.
    }
    let parent = label.image;
    // SAFETY: no preconditions.
    let (time, cpu) = unsafe { (bpf_ktime_get_boot_ns(), bpf_get_smp_processor_id()) };
    label.image = time << 8 | u64::from(cpu & 0xff);
    label.flags &= !Label::ENTRY;
    if label.pending != NO_STAGE {
        label.stage = label.pending;
        label.pending = NO_STAGE;
    }
    let run = label.run;
    if let Ok(mut subject) = Subject::new(label) {
        tell(&mut subject, bprm, time, parent);
    } else if let Some(counters) = counters(run).filter(|counters| !is_tripped(*counters)) {
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).lost_images), 1) };
    }
    GO_ON
}

/// Sends the path, the arguments and the environment of the new image. They name things in reports and grant nothing:
/// the caller of exec chose them.
#[inline(always)]
fn tell(subject: &mut Subject, bprm: *const c_void, time: u64, parent: u64) {
    // SAFETY: `bprm` is a trusted pointer.
    let (file, start, end, argc): (*const c_void, u64, u64, u32) = unsafe {
        (
            field(bprm, offset!(bprm_file)),
            field(bprm, offset!(bprm_p)),
            field(bprm, offset!(bprm_exec)),
            field(bprm, offset!(bprm_argc)),
        )
    };
    let path_len = match path_of(subject.scratch().text(), file) {
        Text::Path(len) => len,
        _ => 0,
    };
    let mut part = ImagePart {
        time,
        image: subject.label.image,
        parent,
        run: subject.label.run,
        tgid: (bpf_get_current_pid_tgid() >> 32) as u32,
        argc,
        offset: ImagePart::PATH,
        len: path_len as u32,
        total: end.wrapping_sub(start) as u32,
        stage: subject.label.stage,
        reserved: [0; 7],
    };
    send(subject, part);
    let mut index = 0;
    while index < ImagePart::PARTS as u32 {
        part.offset = index * ImagePart::BYTES as u32;
        if part.offset >= part.total {
            return;
        }
        let left = part.total - part.offset;
        part.len = if left > ImagePart::BYTES as u32 { ImagePart::BYTES as u32 } else { left };
        let text = subject.scratch().text();
        let from = start + u64::from(part.offset);
        // SAFETY: at most BYTES bytes into a buffer of TEXT_SIZE.
        let failed = unsafe {
            bpf_probe_read_user(
                text.cast(),
                bound(part.len as usize, TEXT_SIZE) as u32,
                from as *const c_void,
            )
        };
        if failed != 0 {
            return;
        }
        send(subject, part);
        index += 1;
    }
}

/// Writes one record; a full ring is counted.
#[inline(always)]
fn send(subject: &mut Subject, part: ImagePart) {
    let counters = subject.counters();
    let at = subject.scratch().head(part);
    let size = size_of::<ImagePart>() as u64 + bound(part.len as usize, TEXT_SIZE) as u64;
    // SAFETY: header and text lie next to each other in the slot; the length is below the text's size.
    if !unsafe { maps::send(&IMAGES, part.run, at, size) } {
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).lost_images), 1) };
    }
}
