// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the kernel has of what the programs need, and who else is there.

use std::collections::HashSet;

use aya::{Btf, Endianness, maps::MapInfo, programs::loaded_programs};
use aya_obj::{btf::BtfKind, generated::bpf_prog_type};
use enforcer_common::offsets::Offsets;

use super::{Error, hooks::HOOKS, offsets as found, pins::Pins, programs};

/// How many offsets were found.
///
/// # Errors
///
/// Which was not.
pub fn offsets() -> Result<usize, Error> {
    found::from_btf(&found::kernel_btf()?)?;
    Ok(Offsets::FIELDS.len())
}

/// Hooks of the security modules that this kernel does not have.
///
/// # Errors
///
/// The kernel does not publish its types.
pub fn missing_hooks() -> Result<Vec<&'static str>, Error> {
    let types = found::kernel_btf()?;
    let btf = Btf::parse(&types, Endianness::default()).map_err(|error| Error::Load(error.into()))?;
    let lacks = |name: &str| btf.id_by_type_name_kind(&format!("bpf_lsm_{name}"), BtfKind::Func).is_err();
    Ok(HOOKS.iter().map(|hook| hook.name).filter(|name| lacks(name)).collect())
}

/// The names of BPF programs among the security modules that are not ours.
///
/// # Errors
///
/// The programs cannot be listed.
pub fn other_programs() -> Result<Vec<String>, Error> {
    let own: HashSet<u32> = Pins::present()?
        .iter()
        .filter_map(|pins| MapInfo::from_pin(programs::pin_of_runs(pins)).ok())
        .map(|map| map.id())
        .collect();
    let mut names = Vec::new();
    for program in loaded_programs() {
        let failed = |source| Error::Program { action: "list", hook: "other tools", source };
        let program = program.map_err(failed)?;
        let maps = program.map_ids().ok().flatten().unwrap_or_default();
        let ours = maps.iter().any(|map| own.contains(map));
        if program.program_type() == bpf_prog_type::BPF_PROG_TYPE_LSM && !ours {
            names.push(program.name_as_str().unwrap_or("(without a name)").to_owned());
        }
    }
    Ok(names)
}
