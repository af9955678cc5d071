// SPDX-License-Identifier: MIT OR Apache-2.0

//! Marks for the map types: userspace may write them as bytes.

use crate::{
    address::{Grant, GrantKey},
    budget::FileKey,
    hello::NameKey,
    latency::Latency,
    lookup::{Asker, Port},
    offsets::Offsets,
    run::{Counters, Label, Run},
    select::{Chosen, Home, Template},
    tasks::Attach,
};

// SAFETY: `repr(C)`, integers only, no implicit padding (the sizes are asserted where the types are defined).
unsafe impl aya::Pod for GrantKey {}
// SAFETY: as above.
unsafe impl aya::Pod for Grant {}
// SAFETY: as above.
unsafe impl aya::Pod for NameKey {}
// SAFETY: as above.
unsafe impl aya::Pod for Port {}
// SAFETY: as above.
unsafe impl aya::Pod for Asker {}
// SAFETY: as above.
unsafe impl aya::Pod for FileKey {}
// SAFETY: as above.
unsafe impl aya::Pod for Offsets {}
// SAFETY: as above.
unsafe impl aya::Pod for Counters {}
// SAFETY: as above.
unsafe impl aya::Pod for Latency {}
// SAFETY: as above.
unsafe impl aya::Pod for Label {}
// SAFETY: as above.
unsafe impl aya::Pod for Run {}
// SAFETY: as above.
unsafe impl aya::Pod for Template {}
// SAFETY: as above.
unsafe impl aya::Pod for Home {}
// SAFETY: as above.
unsafe impl aya::Pod for Chosen {}
// SAFETY: as above.
unsafe impl aya::Pod for Attach {}
