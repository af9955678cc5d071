// SPDX-License-Identifier: MIT OR Apache-2.0
//! The demonstration on this machine's own kernel: the guest's disk in memory, in namespaces of its own.

use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};

use crate::vm::Agent;
use crate::{cmd, image, repo, setup};

/// Runs it; its status is the demonstration's.
pub(super) fn run() -> Result<ExitStatus> {
    let cache = setup::ensure_build()?;
    let agent = Agent::Build.binary()?.context("the enforcer was not built")?;
    let mut check = cmd::as_root(&agent.to_string_lossy())?;
    check.args(["run", "--quiet", "--profile"]).arg(repo::root().join("profiles/npm-install.yaml"));
    if !status(check.args(["--", "true"]))?.success() {
        bail!(
            "this machine's kernel cannot enforce, as said above; without --host the demonstration runs in a guest"
        );
    }
    let disk = image::ensure(&cache)?;
    let room = cache.join("host");
    std::fs::create_dir_all(&room).with_context(|| format!("creating {}", room.display()))?;
    let mut demo = cmd::as_root("unshare")?;
    demo.args(["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child", "bash"]);
    demo.arg(repo::root().join("xtask/guest/demo/host.sh")).args([&room, &disk, &agent]);
    status(&mut demo)
}

fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("starting: {}", cmd::shown(command)))
}
