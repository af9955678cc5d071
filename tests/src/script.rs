// SPDX-License-Identifier: MIT OR Apache-2.0

//! Many attempts of different kinds, one after the other.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use anyhow::{Context as _, bail};

use crate::{files, network};

/// Does what each line says: `read PATH`, `write PATH`, `update PATH` (both at once), `exec PATH`, `connect ADDRESS`.
pub(crate) fn run(file: &Path) -> anyhow::Result<()> {
    let mut results = String::new();
    for line in fs::read_to_string(file).context("reading the script")?.lines() {
        results.push(match attempt(line)? {
            Ok(()) => '.',
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => 'x',
            Err(error) => bail!("{line}: {error}"),
        });
    }
    println!("{results}");
    Ok(())
}

fn attempt(line: &str) -> anyhow::Result<io::Result<()>> {
    let (what, to) = line.split_once(' ').context("a line without an object")?;
    Ok(match what {
        "read" => files::read(Path::new(to)),
        "write" => files::write(Path::new(to)),
        "update" => File::options().read(true).append(true).open(to).map(drop),
        "exec" => files::exec(Path::new(to)),
        "connect" => network::send(network::Way::Sendto, to.parse()?),
        other => bail!("there is no attempt {other}"),
    })
}
