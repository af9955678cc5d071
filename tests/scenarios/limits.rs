// SPDX-License-Identifier: MIT OR Apache-2.0

//! The largest profile that the language promises.

use std::fmt::Write as _;

use serde_json::json;

use crate::guest::{Place, attack, sh};

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
    let writes = [format!("write {file}"), format!("write {other}")];
    let each = [attack, "each", &writes[0], &writes[1]];
    assert_eq!(sh(&each.map(|word| format!("'{word}' ")).concat()).success().stdout, "0 0\n");
    // The entry is in the first stage; each exec after it leads to the next.
    let chain = std::iter::repeat_n([attack, "then"], 15).flatten();
    let run = place.run(&profile, &chain.chain(each).collect::<Vec<_>>());
    assert_eq!(run.ended.stdout, format!("0 {}\n", libc::EPERM), "{run:#?}");
    let denials = run.denials();
    assert_eq!((&denials[0]["path"], &denials[0]["stage"]), (&json!(other), &json!("s15")), "{denials:#?}");
}
