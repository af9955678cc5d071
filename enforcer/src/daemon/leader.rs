// SPDX-License-Identifier: MIT OR Apache-2.0

//! The process that the kernel enrolled, as far as it can still be seen.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Uid, User, getgrouplist};

use crate::{
    events::Image,
    run::{
        environment::Environment,
        invoker::{Invoker, Source},
    },
};

/// A process, and whom it runs as.
#[derive(Debug)]
pub(super) struct Leader {
    pub(super) invoker: Invoker,
    pub(super) command: Vec<OsString>,
    pub(super) executable: PathBuf,
}

impl Leader {
    /// Takes over what the kernel has seen, which is so even if the process has ended.
    pub(super) fn saw(&mut self, image: Option<&Image>) {
        if let Some(image) = image {
            self.command = image.argv.iter().cloned().map(OsString::from_vec).collect();
            self.executable = PathBuf::from(OsString::from_vec(image.path.clone()));
        }
    }

    /// Looks at a process of a user. If it has ended, what the user database says has to do.
    pub(super) fn of(pid: u32, uid: u32) -> Self {
        let about = Path::new("/proc").join(pid.to_string());
        let read = |name: &str| fs::read(about.join(name)).unwrap_or_default();
        let command = read("cmdline");
        let command = command.split(|&byte| byte == 0).filter(|word| !word.is_empty());
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let gid = user.as_ref().map_or(Gid::from_raw(uid), |user| user.gid);
        let groups = user.as_ref().and_then(|user| {
            let name = std::ffi::CString::new(user.name.as_str()).ok()?;
            getgrouplist(&name, gid).ok()
        });
        let (name, home) = user.map(|user| (user.name, user.dir)).unzip();
        Self {
            invoker: Invoker {
                uid: Uid::from_raw(uid),
                gid,
                groups: Some(groups.unwrap_or_else(|| vec![gid])),
                name,
                home,
                environment: Environment::parse(&read("environ")),
                source: Source::Own,
            },
            command: command.map(|word| OsString::from_vec(word.to_vec())).collect(),
            executable: fs::read_link(about.join("exe")).unwrap_or_default(),
        }
    }
}
