// SPDX-License-Identifier: MIT OR Apache-2.0
//! Disks for guests. Every supported kernel has ext4 built in, and none has 9p, so directories reach a guest as ext4.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cmd;

/// Makes an ext4 image of `dir`, owned as `dir` is, with `spare` MB of room, no mounting involved.
pub fn make(dir: &Path, image: &Path, spare: u64) -> Result<()> {
    let usage = cmd::output(Command::new("du").args(["-s", "--inodes", "--"]).arg(dir))?;
    let inodes: u64 = usage.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let usage = cmd::output(Command::new("du").args(["-s", "-k", "--"]).arg(dir))?;
    let kilobytes: u64 =
        usage.split_whitespace().next().and_then(|text| text.parse().ok()).context("odd output of du")?;
    // Room for the data, for half a block lost in every file, for the inodes, and for what ext4 itself needs.
    let nodes = inodes + inodes / 10 + 64 + spare * 100;
    let size = kilobytes + kilobytes / 20 + inodes * 2 + nodes / 4 + 4096 + spare * 1024;
    let file = fs::File::create(image).with_context(|| format!("creating {}", image.display()))?;
    file.set_len(size * 1024).with_context(|| format!("sizing {}", image.display()))?;
    let mut command = cmd::system("mke2fs");
    command.args("-q -F -t ext4 -b 4096 -m 0 -O ^has_journal,^resize_inode,^metadata_csum".split(' '));
    command.args(["-E", "lazy_itable_init=1,nodiscard", "-N"]).arg(nodes.to_string());
    command.arg("-d").arg(dir).arg(image);
    cmd::output(&mut command)?;
    // A share looks as the directory does.
    cmd::output(cmd::system("debugfs").args(["-w", "-R", "rmdir /lost+found"]).arg(image)).map(drop)
}
