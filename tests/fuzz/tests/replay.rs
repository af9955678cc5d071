// SPDX-License-Identifier: MIT OR Apache-2.0

//! Feeds the corpus to the targets: what was found once is not found again.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use enforcer_fuzz::TARGETS;

/// What one input may take, on a slow machine and without optimisation. While fuzzing it is less.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_corpus_is_taken_by_its_targets() {
    for (name, target) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut files: Vec<_> =
            fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(files.len() >= 10, "{name}: the corpus has {} inputs", files.len());
        for file in files {
            // Shown if the target panics.
            println!("{}", file.display());
            let started = Instant::now();
            target(&fs::read(&file).unwrap());
            assert!(started.elapsed() < LIMIT, "{} took {:?}", file.display(), started.elapsed());
        }
    }
}
