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

/// Starts threads that do nothing, up to 9,000, and says how many there were.
const THREADS: &str = r#"
import _thread, time
_thread.stack_size(32768)
made = 0
try:
    while made < 9000:
        _thread.start_new_thread(time.sleep, (1000,))
        made += 1
except RuntimeError:
    pass
print(made, flush=True)
import os
os._exit(0)
"#;

#[test]
fn one_run_does_not_take_the_labels_of_all() {
    let place = Place::new();
    let script = place.file("threads.py", THREADS);
    let profile = place.profile_file(
        "stages:\n  all:\n    exec: { default: allow }\n    files: { read: { default: allow }, write: { default: allow } }\n",
    );
    let command = ["python3", script.to_str().unwrap()];
    // 8,192 tasks, of which the first thread is one.
    let run = place.run(&profile, &command);
    assert_eq!(run.ended.stdout, "8191\n", "{run:#?}");
    assert_eq!(run.trailer()["refused_forks"], 1, "{run:#?}");
    assert_eq!(sh(&command.join(" ")).success().stdout, "9000\n");
}
