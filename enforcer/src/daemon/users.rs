// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where users are at home, as the kernel is told.

use std::{
    ffi::CStr,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::PathBuf,
    sync::Mutex,
};

use enforcer_common::{
    anchor::Anchors,
    select::{HOMES, Home},
};

/// The system's list is one for the whole process.
static LIST: Mutex<()> = Mutex::new(());

/// The users that the system lists, with their home directories; those that a variable cannot have as its value are left out.
pub(super) fn homes() -> Vec<(u32, Home)> {
    let _list = LIST.lock();
    let mut homes = Vec::new();
    // SAFETY: nobody else reads the list meanwhile; each entry is copied before the next is asked for.
    unsafe {
        libc::setpwent();
        while homes.len() < HOMES as usize {
            let entry = libc::getpwent();
            if entry.is_null() {
                break;
            }
            let directory = CStr::from_ptr((*entry).pw_dir).to_bytes().to_vec();
            homes.extend(home(directory).map(|home| ((*entry).pw_uid, home)));
        }
        libc::endpwent();
    }
    homes
}

fn home(listed: Vec<u8>) -> Option<Home> {
    let listed = PathBuf::from(std::ffi::OsString::from_vec(listed));
    let resolved = listed.canonicalize().unwrap_or_else(|_| listed.clone());
    let mut both = Anchors::NONE;
    both.set(0, listed.as_os_str().as_bytes()).ok()?;
    both.set(1, resolved.as_os_str().as_bytes()).ok()?;
    let len = both.len[1];
    (len > 0).then_some(Home { listed: both.words[0], words: both.words[1], len: len.into() })
}

/// The user of a name.
pub(super) fn named(name: &str) -> Option<u32> {
    nix::unistd::User::from_name(name).ok().flatten().map(|user| user.uid.as_raw())
}
