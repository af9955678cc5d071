// SPDX-License-Identifier: MIT OR Apache-2.0

//! Places that are ready before a run begins in them: with rings, so that its first programs are seen, and with the sockets
//! that its questions go to, where they wait until somebody answers.
//!
//! The kernel takes the lowest place that is free, so these are the lowest. What a run has had is used again; only when
//! twice as many are ready as there should be, the highest are given up.

use std::collections::BTreeMap;

use crate::{
    dns::Resolver,
    kernel::{self, Service, service::Ready},
};

/// Places by number.
#[derive(Default)]
pub(super) struct Reserve(BTreeMap<u32, Spare>);

/// A place, and who will answer there.
pub(super) struct Spare {
    pub(super) ready: Ready,
    pub(super) resolver: Resolver,
}

impl Reserve {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The one at a place.
    pub(super) fn take(&mut self, place: u32) -> Option<Spare> {
        self.0.remove(&place)
    }

    /// Keeps a place whose run is over.
    pub(super) fn keep(
        &mut self,
        place: u32,
        kernel: &mut Service,
        recorded: bool,
        wanted: usize,
    ) -> Result<(), kernel::Error> {
        // Something of the run may be left, or another may have begun there.
        if kernel.is_free(place)? {
            self.0.insert(place, Spare::at(kernel, place, recorded)?);
        }
        while self.len() > 2 * wanted
            && let Some((place, spare)) = self.0.pop_last()
        {
            kernel.retire(place, spare.ready)?;
        }
        Ok(())
    }

    /// Makes one more ready, if there is a free place.
    pub(super) fn add(&mut self, kernel: &mut Service, recorded: bool) -> Result<bool, kernel::Error> {
        let Some(place) = kernel.spare(|place| self.0.contains_key(&place))? else {
            return Ok(false);
        };
        let spare = Spare::at(kernel, place, recorded)?;
        self.0.insert(place, spare);
        Ok(true)
    }
}

impl Spare {
    /// Makes a place ready.
    pub(super) fn at(kernel: &mut Service, place: u32, recorded: bool) -> Result<Self, kernel::Error> {
        let resolver = Resolver::bind()
            .map_err(|source| kernel::Error::System { action: "open the resolver's sockets", source })?;
        let ready = kernel.ready(place, resolver.port(), recorded)?;
        Ok(Self { ready, resolver })
    }
}
