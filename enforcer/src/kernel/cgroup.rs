// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the cgroup v2 hierarchy is mounted.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

/// The directory that the hierarchy is mounted on.
///
/// # Errors
///
/// It is mounted nowhere, or nobody can tell.
pub fn mount() -> io::Result<PathBuf> {
    find(&fs::read_to_string("/proc/self/mountinfo")?)
        .ok_or_else(|| io::Error::other("no cgroup v2 hierarchy is mounted"))
}

/// The hierarchy's root, as far as it can be seen from here.
pub(super) fn root() -> io::Result<File> {
    File::open(mount()?)
}

/// From `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
fn find(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (fields, rest) = line.split_once(" - ")?;
        let mounted = rest.starts_with("cgroup2 ").then(|| fields.split(' ').nth(4))?;
        mounted.map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_a_pure_and_in_a_mixed_hierarchy() {
        let pure = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let mixed = "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                     32 30 0:28 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup rw\n";
        assert_eq!(find(pure), Some("/sys/fs/cgroup".into()));
        assert_eq!(find(mixed), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(find("1 1 0:1 / / rw - ext4 /dev/vda rw\n"), None);
    }
}
