// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where this checkout is.

use std::path::Path;

/// The root of the repository.
pub fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}
