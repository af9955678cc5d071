// SPDX-License-Identifier: MIT OR Apache-2.0

//! Finds the offsets that the kernel programs need in the running kernel's type information.

use std::{fs, path::Path};

use enforcer_common::offsets::Offsets;

use super::{Error, btf::Btf};

/// Where the kernel publishes its types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// The running kernel's type information.
pub(super) fn kernel_btf() -> Result<Vec<u8>, Error> {
    let path = Path::new(VMLINUX);
    fs::read(path).map_err(|source| Error::NoBtf { path: path.into(), source })
}

/// Whether pages are sent to sockets on a way of their own: until 6.5 protocols have an operation for that.
pub(super) fn sends_pages(data: &[u8]) -> Result<bool, Error> {
    let failed = |source| Error::Offset { of: "struct", member: "any", source };
    Ok(Btf::parse(data).map_err(failed)?.offset("proto_ops", "sendpage", 8).is_ok())
}

/// The offsets that these types have.
pub(super) fn from_btf(data: &[u8]) -> Result<Offsets, Error> {
    let failed = |of, member| move |source| Error::Offset { of, member, source };
    let btf = Btf::parse(data).map_err(failed("struct", "any"))?;
    let mut values = [0; Offsets::FIELDS.len()];
    for (value, &(of, member, size)) in values.iter_mut().zip(Offsets::FIELDS) {
        *value = btf.offset(of, member, size).map_err(failed(of, member))?;
    }
    Ok(Offsets::from_values(&values))
}
