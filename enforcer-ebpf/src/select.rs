// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The service's enrolment: a command that an item of `select` describes is under its profile before the first
//! instruction of the program runs, whether or not the service is there at that moment.

use aya_ebpf::helpers::{
    bpf_get_current_task_btf, bpf_get_current_uid_gid,
    generated::{bpf_get_current_task, bpf_probe_read_user_str},
};
use core::{ffi::c_void, ptr::addr_of_mut};
use enforcer_common::{
    run::Label,
    select::{Aspect, Chosen, ITEMS, Set, VARIABLES, fits, item, suits, words},
    table::{Space as _, Step, TEXT_SIZE},
};

use crate::{
    argv, atomic, budget,
    enrol::put,
    file::written,
    maps::{BEGUN, CHOSEN, CLAIMS, SELECTION},
    offsets::{field, offset},
    scratch::Scratch,
    space::Kernel,
    subject::Text,
};

mod cgroup;
mod place;

/// Strings that are looked at, arguments and variables together.
const STRINGS: u32 = 1 << 13;

/// A variable of the new program's environment: where its value is, 0 if it was not found.
#[derive(Clone, Copy)]
#[repr(C)]
struct Value {
    at: u64,
}

/// Enrols the current task, if an item chooses what it is about to run. Who is chosen and cannot be enrolled is killed.
#[inline(never)] // The hook has no room on the stack for what it needs.
pub(crate) fn enrol(bprm: *const c_void) {
    let Some(chunks) = SELECTION.get(0) else {
        return; // There is no service.
    };
    let Some(mut scratch) = Scratch::take() else {
        return count(|chosen| addr_of_mut!(chosen.missed));
    };
    let text = scratch.text();
    let Some(space) = Kernel::new(chunks, text) else {
        return;
    };
    let claim = claim();
    let Some((template, values)) = chosen(space, text, bprm, claim.template) else {
        return;
    };
    match place::take(template, claim.parent, values, text) {
        Ok(run) => match label(run) {
            true => {
                place::settle(run);
                count(|chosen| addr_of_mut!(chosen.enrolled));
                if claim.parent != 0 {
                    let _ = CLAIMS.remove(&claim.parent);
                }
                // Full, it has been told already.
                let _ = BEGUN.output::<u32>(&run, 0);
            }
            false => {
                place::give_back(run);
                refuse(|chosen| addr_of_mut!(chosen.full));
            }
        },
        Err(place::Refused::Full) => refuse(|chosen| addr_of_mut!(chosen.full)),
        Err(place::Refused::Gone) => refuse(|chosen| addr_of_mut!(chosen.gone)),
        Err(place::Refused::Unusable) => refuse(|chosen| addr_of_mut!(chosen.unusable)),
    }
}

/// Counts what came of a command.
#[inline(always)]
fn count(which: impl FnOnce(&mut Chosen) -> *mut u64) {
    if let Some(chosen) = CHOSEN.get_ptr_mut(0) {
        // SAFETY: a map value.
        unsafe { atomic::add(which(&mut *chosen), 1) };
    }
}

/// Kills a command that would have to be enrolled and cannot be.
#[inline(always)]
fn refuse(why: impl FnOnce(&mut Chosen) -> *mut u64) {
    budget::kill();
    count(why);
}

/// What the service was asked for: that a process's next child is enrolled.
struct Claim {
    /// The process; 0 if it was not.
    parent: u32,
    template: u32,
}

/// No template.
const NONE: u32 = u32::MAX;

/// What was asked of the service for the current task.
#[inline(always)]
fn claim() -> Claim {
    // SAFETY: the current task is a trusted pointer, and every task has a parent.
    let parent: u32 = unsafe {
        let parent: *const c_void = field(bpf_get_current_task_btf().cast(), offset!(task_parent));
        field(parent, offset!(task_tgid))
    };
    // SAFETY: the value is copied at once.
    match unsafe { CLAIMS.get(&parent) } {
        Some(&template) => Claim { parent, template },
        None => Claim { parent: 0, template: NONE },
    }
}

/// The template that a command is chosen for, and the values of variables, which lie behind the text. `claimed` is for what no
/// item chooses: asking for a profile does not lift the one that is due.
#[inline(always)]
fn chosen(space: Kernel, text: *mut u8, bprm: *const c_void, claimed: u32) -> Option<(u32, *mut Value)> {
    command(text, bprm);
    let (mut candidates, _) = fits(space, Aspect::Command);
    if candidates.is_empty() && claimed == NONE {
        return None;
    }
    directory(text);
    candidates = candidates.and(fits(space, Aspect::Directory).0);
    if !candidates.is_empty() && space.word(words::ASKS_CGROUP) != 0 {
        cgroup::write(text);
        candidates = candidates.and(fits(space, Aspect::Cgroup).0);
    }
    if candidates.is_empty() && claimed == NONE {
        return None;
    }
    // SAFETY: the buffer has twice TEXT_SIZE bytes, and its address is a multiple of eight.
    let values: *mut Value = unsafe { text.add(TEXT_SIZE).cast() };
    let met = environment(space, text, values, bprm);
    let mut choice = Choice { space, candidates, met, uid: bpf_get_current_uid_gid() as u32, template: NONE };
    Kernel::repeat(ITEMS as u32, &mut choice);
    let template = if choice.template == NONE { claimed } else { choice.template };
    (template != NONE).then_some((template, values))
}

/// Writes path and arguments; as much as there is room for.
#[inline(always)]
fn command(text: *mut u8, bprm: *const c_void) {
    let end = match argv::text_of(text, bprm) {
        Text::Path(_) => return,
        _ => TEXT_SIZE - 1,
    };
    // SAFETY: within the buffer.
    unsafe { *text.add(end) = 0 };
}

/// Writes the working directory.
#[inline(always)]
fn directory(text: *mut u8) {
    // SAFETY: the current task is a trusted pointer and has a place among the files, which has a `struct path`.
    let found = unsafe {
        let fs: *const c_void = field(bpf_get_current_task_btf().cast(), offset!(task_fs));
        written(text, fs, offset!(fs_pwd))
    };
    if !matches!(found, Text::Path(_)) {
        // SAFETY: within the buffer.
        unsafe { *text = 0 };
    }
}

/// Looks through the environment: what it meets, and where the values of variables are.
#[inline(always)]
fn environment(space: Kernel, text: *mut u8, values: *mut Value, bprm: *const c_void) -> Set {
    let mut index = 0;
    while index < VARIABLES {
        // SAFETY: behind the text, in the same buffer.
        unsafe { (*values.add(index)).at = 0 };
        index += 1;
    }
    // SAFETY: `bprm` is a trusted pointer.
    let (at, end, arguments): (u64, u64, u32) = unsafe {
        (field(bprm, offset!(bprm_p)), field(bprm, offset!(bprm_exec)), field(bprm, offset!(bprm_argc)))
    };
    let mut scan = Scan { space, text, values, at, end, arguments, within: false, met: Set::NONE };
    Kernel::repeat(STRINGS, &mut scan);
    scan.met
}

/// A look through the strings of the new program.
struct Scan {
    space: Kernel,
    text: *mut u8,
    values: *mut Value,
    at: u64,
    end: u64,
    /// Arguments that are still to come.
    arguments: u32,
    /// Whether this is not the beginning of a string.
    within: bool,
    met: Set,
}

impl Step for Scan {
    /// Takes one string, or as much of it as there is room for; true behind the last.
    #[inline(always)]
    fn step(&mut self, _index: u32) -> bool {
        if self.at >= self.end {
            return true;
        }
        // SAFETY: the buffer has TEXT_SIZE bytes.
        let len =
            unsafe { bpf_probe_read_user_str(self.text.cast(), TEXT_SIZE as u32, self.at as *const c_void) };
        if len <= 0 {
            return true;
        }
        let (at, begins) = (self.at, !self.within);
        self.within = len == TEXT_SIZE as i64;
        self.at += if self.within { len as u64 - 1 } else { len as u64 };
        if self.arguments > 0 {
            self.arguments -= u32::from(!self.within);
            return false;
        }
        if begins {
            self.variable(at);
        }
        false
    }
}

impl Scan {
    /// Looks at a variable. The first of a name counts, as it does for `getenv`.
    #[inline(always)]
    fn variable(&mut self, at: u64) {
        let (met, variable) = fits(self.space, Aspect::Variable);
        let Some((number, name)) = variable else {
            self.met = self.met.or(met);
            return;
        };
        // SAFETY: masked to their number; they lie behind the text.
        let value = unsafe { &mut *self.values.add(usize::from(number) & (VARIABLES - 1)) };
        if value.at == 0 {
            value.at = at + u64::from(name);
            self.met = self.met.or(met);
        }
    }
}

/// The choice among candidates: the first that suits.
struct Choice {
    space: Kernel,
    candidates: Set,
    met: Set,
    uid: u32,
    template: u32,
}

impl Step for Choice {
    #[inline(always)]
    fn step(&mut self, index: u32) -> bool {
        if !self.candidates.has(index) {
            return false;
        }
        let item = item(&self.space, index);
        if suits(&item, self.uid, self.met) {
            self.template = u32::from(item.template);
        }
        self.template != NONE
    }
}

/// Labels the current task, which has no other threads; false if there is no room.
#[inline(always)]
fn label(run: u32) -> bool {
    // SAFETY: no preconditions.
    put(unsafe { bpf_get_current_task() } as u64, &Label::new(run, 0, 0)).is_ok()
}
