// SPDX-License-Identifier: MIT OR Apache-2.0

//! How full the maps are in which there is only so much room. Where there is none left, something is refused.

use aya::{
    Pod,
    maps::{HashMap, Map, MapData, MapError},
};
use enforcer_common::{
    address::{Grant, GrantKey},
    budget::FileKey,
    hello::NameKey,
    run::TASKS,
};

use super::{Error, place, programs::Programs};

/// How full a map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The map, as people are told of it.
    pub map: &'static str,
    /// What is in it.
    pub entries: u64,
    /// What finds room.
    pub limit: u64,
}

impl Fill {
    const fn empty(map: &'static str) -> Self {
        Self { map, entries: 0, limit: 0 }
    }

    /// The fuller one.
    fn max(self, other: Self) -> Self {
        if other.entries * self.limit.max(1) >= self.entries * other.limit.max(1) { other } else { self }
    }
}

/// How full they are: of maps that each run has, the fullest.
pub(super) fn fills(programs: &Programs) -> Result<Vec<Fill>, Error> {
    let mut labels = Fill { map: "labels", entries: 0, limit: u64::from(TASKS) };
    let mut of_runs = ["grants", "names", "files"].map(Fill::empty);
    for (at, _) in place::live(programs)? {
        // Each task of a run has a label.
        labels.entries += place::counters(programs, at)?.tasks;
        let [grants, names, files] = &mut of_runs;
        fullest::<GrantKey, Grant>(programs, "GRANTS", at, grants)?;
        fullest::<NameKey, u64>(programs, "NAMES", at, names)?;
        fullest::<FileKey, u8>(programs, "FILES", at, files)?;
    }
    let claims = fill::<u32, u32>(programs.map("CLAIMS")?, "claims");
    let claims = claims.map_err(|source| Error::Map { action: "read", map: "CLAIMS", source })?;
    Ok([labels, claims].into_iter().chain(of_runs).collect())
}

/// Looks at a run's own map, if it has one.
fn fullest<K: Pod, V: Pod>(
    programs: &Programs,
    name: &'static str,
    place: u32,
    most: &mut Fill,
) -> Result<(), Error> {
    if let Some(map) = place::found(programs, name, place)? {
        let failed = |source| Error::Map { action: "read", map: name, source };
        *most = most.max(fill::<K, V>(map, most.map).map_err(failed)?);
    }
    Ok(())
}

fn fill<K: Pod, V: Pod>(map: MapData, name: &'static str) -> Result<Fill, MapError> {
    let limit = map.info()?.max_entries();
    let map: HashMap<MapData, K, V> = Map::HashMap(map).try_into()?;
    // Whoever looks for the next key begins anew if the last one has gone meanwhile.
    let entries = map.keys().take(limit as usize).try_fold(0, |entries, key| key.map(|_| entries + 1))?;
    Ok(Fill { map: name, entries, limit: u64::from(limit) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_is_the_one_with_the_least_room_for_its_size() {
        let of = |entries, limit| Fill { map: "files", entries, limit };
        assert_eq!(Fill::empty("files").max(of(0, 10)), of(0, 10));
        assert_eq!(of(5, 10).max(of(7, 100)), of(5, 10));
        assert_eq!(of(5, 10).max(of(60, 100)), of(60, 100));
    }
}
