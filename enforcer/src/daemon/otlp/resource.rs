// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who tells: this machine, and this service.

use std::fs;

use opentelemetry_proto::tonic::{common::v1::InstrumentationScope, resource::v1::Resource};

use super::attributes::Attributes;

/// The name of the service.
const NAME: &str = "enforcer";
/// Its version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// This service, on this machine.
pub(super) fn resource() -> Resource {
    let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let host = nix::sys::utsname::uname().ok().map(|names| names.nodename().to_string_lossy().into_owned());
    let mut attributes = Attributes::default();
    attributes
        .text("service.name", NAME)
        .text("service.version", VERSION)
        // The next service is another one, on the same host.
        .text_if("service.instance.id", line("/proc/sys/kernel/random/uuid").as_deref())
        .text_if("host.name", host.as_deref())
        .text_if("host.id", line("/etc/machine-id").filter(|id| !id.is_empty()).as_deref());
    Resource { attributes: attributes.0, ..Resource::default() }
}

/// What of the service tells.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        ..InstrumentationScope::default()
    }
}
