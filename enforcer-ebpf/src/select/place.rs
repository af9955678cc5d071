// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A place for a run that the kernel begins: its record from a template, and the values of its variables.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{bpf_probe_read_kernel, bpf_probe_read_user_str},
    },
    macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use core::{
    ffi::c_void,
    ptr::{addr_of_mut, write_volatile},
};
use enforcer_common::{
    anchor::{ANCHOR_MAX, ANCHOR_WORDS, ANCHORS},
    run::{ENROLLED, RUNS as PLACES, Run, place},
    select::{Home, Source, Template, VARIABLES},
    table::{Space as _, Step},
};

use super::{Value, directory};
use crate::{
    atomic,
    maps::{HOMES, RESOLVERS, RUNS, TEMPLATES},
    space::Kernel,
    subject::bound,
};

/// Why there is none.
pub(super) enum Refused {
    /// All are taken.
    Full,
    /// A directory cannot be the value of a variable.
    Unusable,
    /// There is no such template any more.
    Gone,
}

/// Takes a place, and says the run's number. Whoever does settles it, or gives it back.
#[inline(always)]
pub(super) fn take(template: u32, claimant: u32, values: *mut Value, text: *mut u8) -> Result<u32, Refused> {
    let template = TEMPLATES.get(template).filter(|template| template.run.live != 0).ok_or(Refused::Gone)?;
    let mut free = Free { place: 0 };
    Kernel::repeat(PLACES - ENROLLED, &mut free);
    let place = free.place;
    if place == 0 {
        return Err(Refused::Full);
    }
    let run = RUNS.get_ptr_mut(place).ok_or(Refused::Full)?;
    // SAFETY: a map value, and the place is ours.
    let before = unsafe { (*run).id };
    let resolver = RESOLVERS.get(place).copied().unwrap_or(0);
    if RUNS.set(place, &template.run, 0).is_err() {
        return Err(Refused::Full);
    }
    // SAFETY: as above.
    unsafe {
        (*run).resolver = resolver;
        (*run).leader = (bpf_get_current_pid_tgid() >> 32) as u32;
        (*run).uid = bpf_get_current_uid_gid() as u32;
        (*run).claimant = claimant;
    }
    let mut anchors = Fill { run, template, values, text, unusable: false };
    Kernel::repeat(ANCHORS as u32, &mut anchors);
    let id = (before / PLACES).wrapping_add(1).wrapping_mul(PLACES) | place;
    // SAFETY: as above. From here on the record is that of a run.
    unsafe { write_volatile(addr_of_mut!((*run).id), id) };
    if anchors.unusable {
        give_back(id);
        return Err(Refused::Unusable);
    }
    Ok(id)
}

/// There is a run at the place, with a task in it.
#[inline(always)]
pub(super) fn settle(run: u32) {
    if let Some(run) = RUNS.get_ptr_mut(place(run)) {
        // SAFETY: a map value, and the place is ours.
        unsafe { write_volatile(addr_of_mut!((*run).live), Run::TAKEN) };
    }
}

/// Gives back the place of a run that nobody is in.
#[inline(always)]
pub(super) fn give_back(run: u32) {
    let id = run;
    // SAFETY: map values.
    if let Some(run) = RUNS.get_ptr_mut(place(id)).filter(|run| unsafe { (**run).id } == id) {
        // SAFETY: as above.
        unsafe { atomic::exchange(addr_of_mut!((*run).live), 0) };
    }
}

/// Gives back the place of a run that is over. Never attached: the service runs it through `BPF_PROG_TEST_RUN`. What it writes
/// itself, all at once, could fall upon what the next run has been given there.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn release(ctx: RawTracePointContext) -> i32 {
    // SAFETY: the kernel refuses a test run whose context is shorter than what is read here.
    give_back(unsafe { *ctx.as_ptr().cast::<u64>() } as u32);
    0
}

/// The search for a place. 0 is none: it is a wrapper's.
struct Free {
    place: u32,
}

impl Step for Free {
    #[inline(always)]
    fn step(&mut self, index: u32) -> bool {
        let place = ENROLLED + index;
        let Some(run) = RUNS.get_ptr_mut(place) else {
            return true;
        };
        // SAFETY: a map value.
        if unsafe { atomic::exchange_if(addr_of_mut!((*run).live), 0, Run::TAKING) } != 0 {
            return false;
        }
        self.place = place;
        true
    }
}

/// The values of variables, on their way into the record.
struct Fill {
    run: *mut Run,
    template: &'static Template,
    values: *mut Value,
    text: *mut u8,
    unusable: bool,
}

impl Step for Fill {
    /// Fills in one; true if it cannot be.
    #[inline(always)]
    fn step(&mut self, index: u32) -> bool {
        let index = index as usize & (ANCHORS - 1);
        let source = &self.template.sources[index];
        // SAFETY: the buffer is far longer than a value.
        let len = unsafe {
            match index {
                0 => {
                    directory(self.text);
                    length(self.text)
                }
                _ => self.value(source, index),
            }
        };
        let Some(len) = len else {
            self.unusable = true;
            return true;
        };
        let mut word = 0;
        while word < ANCHOR_WORDS {
            // SAFETY: the buffer's address is a multiple of eight, and the record a map value.
            unsafe { (*self.run).anchors.words[index][word] = *self.text.cast::<u64>().add(word) };
            word += 1;
        }
        // SAFETY: as above.
        unsafe { (*self.run).anchors.len[index] = len };
        false
    }
}

impl Fill {
    /// Writes the value of an anchor; says its length, or that it cannot be one.
    ///
    /// # Safety
    ///
    /// The buffer is longer than a value.
    #[inline(always)]
    unsafe fn value(&mut self, source: &Source, index: usize) -> Option<u16> {
        let number = source.variable as usize;
        // SAFETY: masked to their number; they lie behind the text.
        let at = unsafe { (*self.values.add(number & (VARIABLES - 1))).at };
        let mut written = 0;
        if number < VARIABLES && at != 0 {
            // SAFETY: what the caller promises.
            written = unsafe {
                bpf_probe_read_user_str(self.text.cast(), ANCHOR_MAX as u32 + 2, at as *const c_void)
            };
        }
        // SAFETY: as above.
        unsafe {
            if written <= 1 {
                self.default(source);
            }
            if index == HOME {
                self.home(written > 1);
            }
            length(self.text)
        }
    }

    /// Writes what an anchor is where its variable is not set.
    ///
    /// # Safety
    ///
    /// As above.
    #[inline(always)]
    unsafe fn default(&mut self, source: &Source) {
        let base = source.base as usize;
        let mut len = 0;
        // SAFETY: the record is a map value, the template one, and the buffer has room for both parts.
        unsafe {
            if base < ANCHORS {
                len = (*self.run).anchors.len[base & (ANCHORS - 1)];
                let words = &raw const (*self.run).anchors.words[base & (ANCHORS - 1)];
                bpf_probe_read_kernel(self.text.cast(), SIZE, words.cast());
            }
            let rest = self.text.add(bound(usize::from(len), SIZE as usize));
            bpf_probe_read_kernel(rest.cast(), SIZE, (&raw const source.words).cast());
            let end = usize::from(len) + source.len as usize;
            *self.text.add(bound(end, 2 * SIZE as usize)) = 0;
        }
    }

    /// Puts the user's home directory in place of `HOME`, if that is as the system lists it, or not there.
    ///
    /// # Safety
    ///
    /// As above.
    #[inline(always)]
    unsafe fn home(&mut self, given: bool) {
        let uid = bpf_get_current_uid_gid() as u32;
        // SAFETY: the value is copied at once.
        let Some(home) = (unsafe { HOMES.get(&uid) }) else {
            return;
        };
        // SAFETY: as above.
        unsafe {
            if given && !same(self.text, home) {
                return;
            }
            bpf_probe_read_kernel(self.text.cast(), SIZE, (&raw const home.words).cast());
            *self.text.add(bound(home.len as usize, SIZE as usize)) = 0;
        }
    }
}

/// The anchor that is the user's home directory.
const HOME: usize = 1;
/// Bytes of an anchor's value.
const SIZE: u32 = ANCHOR_WORDS as u32 * 8;

/// Whether the text is a user's home directory as the system lists it.
///
/// # Safety
///
/// The buffer is as long as a value.
#[inline(always)]
unsafe fn same(text: *const u8, home: &Home) -> bool {
    let listed: *const u8 = home.listed.as_ptr().cast();
    let mut index = 0;
    while index < SIZE as usize {
        // SAFETY: what the caller promises, and within the value.
        let (a, b) = unsafe { (*text.add(index), *listed.add(index)) };
        if a != b {
            return false;
        }
        if a == 0 {
            return true;
        }
        index += 1;
    }
    false
}

/// How long the value in the buffer is, without the slash that it may end with; 0 for none, or the root directory, below which
/// everything is; `None` if it cannot be an anchor's.
///
/// # Safety
///
/// The buffer is longer than a value.
#[inline(always)]
unsafe fn length(text: *const u8) -> Option<u16> {
    let mut len = 0;
    // SAFETY: what the caller promises.
    unsafe {
        while len <= ANCHOR_MAX && *text.add(len) != 0 {
            len += 1;
        }
        if len == 0 {
            return Some(0);
        }
        if len > ANCHOR_MAX || *text != b'/' {
            return None;
        }
        if *text.add(len - 1) == b'/' { Some(len as u16 - 1) } else { Some(len as u16) }
    }
}
