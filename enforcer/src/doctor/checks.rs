// SPDX-License-Identifier: MIT OR Apache-2.0

//! The checks that only look.

use std::{fs, path::Path};

use nix::sys::{statfs, utsname};

use super::{
    Finding,
    State::{Failed, Note, Ok as Good},
};
use crate::{
    dns::resolv::Configuration,
    kernel::{self, ACTIVE_LSMS, cgroup, hooks::HOOKS},
    run::invoker,
};

/// Every check.
pub(super) const ALL: [fn() -> Finding; 10] =
    [privileges, release, modules, lockdown, types, hooks, file_system, hierarchy, name_servers, neighbours];

/// The oldest kernel that all is tested on.
const OLDEST: (u32, u32) = (6, 1);

fn privileges() -> Finding {
    let check = "privileges";
    if invoker::privileged() {
        Finding::new(check, Good, "root")
    } else {
        Finding::new(check, Failed, "not root, hence nothing below can be seen as it is")
            .mend("sudo enforcer doctor")
    }
}

fn release() -> Finding {
    let check = "kernel";
    let release = utsname::uname()
        .map_or_else(|_| String::new(), |uname| uname.release().to_string_lossy().into_owned());
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (major, minor) = OLDEST;
    if version < OLDEST {
        Finding::new(check, Failed, format!("Linux {release}"))
            .mend(format!("boot Linux {major}.{minor} or later"))
    } else {
        Finding::new(check, Good, format!("Linux {release}"))
    }
}

fn modules() -> Finding {
    let check = "security modules";
    match fs::read_to_string(ACTIVE_LSMS) {
        Ok(active) if active.trim().split(',').any(|name| name == "bpf") => {
            Finding::new(check, Good, active.trim())
        }
        Ok(active) => {
            let active = active.trim();
            Finding::new(check, Failed, format!("{active}, without bpf: nothing would be enforced")).mend(format!(
                "add `lsm={active},bpf` to the kernel's command line (GRUB_CMDLINE_LINUX in /etc/default/grub, then \
                 `update-grub` or `grub2-mkconfig`), and boot again"
            ))
        }
        Err(error) => Finding::new(check, Note, format!("{ACTIVE_LSMS} cannot be read: {error}"))
            .mend("mount -t securityfs securityfs /sys/kernel/security"),
    }
}

/// Under `confidentiality` no program may read what the kernel holds (`LOCKDOWN_BPF_READ_KERNEL`).
fn lockdown() -> Finding {
    let check = "lockdown";
    let text = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let mode =
        text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("none", |(mode, _)| mode);
    if mode == "confidentiality" {
        Finding::new(check, Failed, mode).mend("boot with lockdown=integrity, or without")
    } else {
        Finding::new(check, Good, mode)
    }
}

fn types() -> Finding {
    let check = "type information";
    match kernel::offsets() {
        Ok(count) => Finding::new(check, Good, format!("all of {count} offsets found")),
        Err(error) => Finding::new(check, Failed, error.to_string()),
    }
}

fn hooks() -> Finding {
    let check = "hooks";
    match kernel::missing_hooks() {
        Ok(missing) if missing.is_empty() => Finding::new(check, Good, format!("all of {}", HOOKS.len())),
        Ok(missing) => Finding::new(check, Failed, format!("this kernel has no {}", missing.join(", ")))
            .mend("boot a kernel with CONFIG_BPF_LSM=y and CONFIG_SECURITY_NETWORK=y"),
        Err(error) => Finding::new(check, Failed, error.to_string()),
    }
}

fn file_system() -> Finding {
    let (check, path) = ("bpf file system", "/sys/fs/bpf");
    match statfs::statfs(path) {
        Ok(stat) if stat.filesystem_type() == statfs::BPF_FS_MAGIC => Finding::new(check, Good, path),
        Ok(_) => {
            Finding::new(check, Failed, format!("{path} is none")).mend(format!("mount -t bpf bpf {path}"))
        }
        Err(error) => Finding::new(check, Failed, format!("{path}: {error}")),
    }
}

fn hierarchy() -> Finding {
    let check = "cgroup v2";
    match cgroup::mount() {
        Ok(path) if writable(&path) => Finding::new(check, Good, path.display().to_string()),
        Ok(path) => Finding::new(
            check,
            Note,
            format!("{} cannot be written: a profile with budgets cannot be used", path.display()),
        ),
        Err(error) => {
            Finding::new(check, Failed, error.to_string()).mend("mount -t cgroup2 cgroup2 /sys/fs/cgroup")
        }
    }
}

fn writable(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok()
}

fn name_servers() -> Finding {
    let check = "name servers";
    let servers = Configuration::read().servers;
    if servers.is_empty() {
        return Finding::new(
            check,
            Note,
            "none in /etc/resolv.conf: host rules lead nowhere but by /etc/hosts",
        );
    }
    let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
    Finding::new(check, Good, servers.join(", "))
}

/// Other programs at the same hooks: they deny on their own account, and their denials are not in our reports.
fn neighbours() -> Finding {
    let check = "other tools";
    match kernel::other_programs() {
        Ok(names) if names.is_empty() => {
            Finding::new(check, Good, "no other BPF programs among the security modules")
        }
        Ok(names) => Finding::new(
            check,
            Note,
            format!("other BPF programs among the security modules: {}", names.join(", ")),
        ),
        Err(error) => Finding::new(check, Note, error.to_string()),
    }
}
