// SPDX-License-Identifier: MIT OR Apache-2.0

//! The directories of a recorded run, as a profile's variables.

use std::borrow::Cow;

use enforcer_common::anchor::Anchors;

use crate::{
    profile::{Compiled, variables::split_default},
    recording::format::Header,
    run::anchors::NAMES,
};

/// The values of a profile's variables in a recorded run. A variable that the run did not have gets its default, and
/// without one it stands for nothing.
pub(crate) fn anchors(profile: &Compiled, header: &Header) -> Anchors {
    let mut anchors = Anchors::NONE;
    let recorded = |name: &str| {
        let found = header.variables.iter().find(|variable| variable.name == name);
        found.and_then(|variable| variable.value.bytes()).map(Cow::into_owned)
    };
    for (index, name) in NAMES.iter().enumerate() {
        if let Some(value) = recorded(name) {
            // A recording that says otherwise than a run could has no such directory.
            let _ = anchors.set(index, &value);
        }
    }
    for variable in &profile.variables {
        let default = || {
            let (anchor, rest) = split_default(variable.default.as_deref()?);
            let base = anchor.map_or(Some(Vec::new()), |index| recorded(NAMES.get(index)?))?;
            Some([base.as_slice(), rest.as_bytes()].concat())
        };
        if let Some(value) = recorded(&variable.to_string()).or_else(default) {
            let _ = anchors.set(variable.anchor, &value);
        }
    }
    anchors
}
