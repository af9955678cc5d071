// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who needed something.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    recording::format::Image,
    report::{escape::escape, json::Text},
};

/// Names that are shown.
const SHOWN: usize = 3;

/// Some of those who needed something: the first by name, so that it does not matter in which order they are met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Who {
    first: BTreeSet<Arc<str>>,
    more: bool,
}

impl Who {
    pub(super) fn of(name: Arc<str>) -> Self {
        Self { first: BTreeSet::from([name]), more: false }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.more |= other.more;
        self.first.extend(other.first);
        while self.first.len() > SHOWN {
            self.first.pop_last();
            self.more = true;
        }
    }

    /// Behind a `#`.
    pub(super) fn shown(&self) -> String {
        let names: Vec<&str> = self.first.iter().map(|name| &**name).collect();
        let more = if self.more { " and others" } else { "" };
        format!("{}{more}", names.join(", "))
    }
}

/// Package and script, whatever the version; or the name of the program that acts for no package.
pub(super) fn name(image: &Image) -> String {
    let shown = |text: &Text| escape(&text.bytes().unwrap_or_default());
    match (&image.package, &image.exe) {
        (Some(package), _) => {
            let script = package.script.as_ref().map(|script| format!(" {}", shown(script)));
            format!("{}{}", shown(&package.name), script.unwrap_or_default())
        }
        (None, Some(exe)) => {
            let exe = exe.bytes().unwrap_or_default();
            escape(exe.rsplit(|&byte| byte == b'/').next().unwrap_or_default())
        }
        (None, None) => "unknown".to_owned(),
    }
}
