// SPDX-License-Identifier: MIT OR Apache-2.0

//! The largest profile that the language promises.

use std::fmt::Write as _;

use crate::guest::{Place, Tally, attack, bare};

#[test]
fn sixteen_stages_of_a_thousand_globs_are_enforced() {
    let place = Place::new();
    let [file, other] = ["team-7/a/b/x3.js", "team-7/a/b/x3.c"].map(|name| place.file(name, ""));
    let [file, other] = [&file, &other].map(|path| path.to_str().unwrap());
    let mut stages = String::from("stages:\n");
    for stage in 0..16 {
        let _ = writeln!(stages, "  s{stage}:\n    exec:\n      allow:");
        if stage < 15 {
            let next = stage + 1;
            let _ = writeln!(stages, "        - {{ path: \"/mnt/**\", stage: s{next}, widen: true }}");
        }
        let _ = writeln!(stages, "        - \"true\"\n    files:\n      write:\n        allow:");
        for glob in 0..1000 {
            let (team, number) = (glob * 7 % 1000, glob * 3 % 1000);
            let _ = writeln!(stages, "          - \"PLACE/team-{team}/**/x{number}.?s\"");
        }
    }
    let profile = place.profile_file(&stages);
    let attack = attack();
    let attack = attack.to_str().unwrap();
    for (path, expected) in [(file, Tally::allowed(1)), (other, Tally::denied(1))] {
        assert_eq!(bare(&["write", path]), Tally::allowed(1));
        // The entry is in the first stage; each exec after it leads to the next.
        let chain: Vec<&str> = std::iter::repeat_n([attack, "then"], 15).flatten().collect();
        let command: Vec<&str> = chain.into_iter().chain([attack, "write", path]).collect();
        let run = place.run(&profile, &command);
        assert_eq!(run.ended.tally(), expected, "{path}");
        let stage =
            if expected == Tally::denied(1) { run.denials()[0]["stage"].clone() } else { "s15".into() };
        assert_eq!(stage, "s15");
    }
}
