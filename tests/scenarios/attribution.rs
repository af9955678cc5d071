// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whom an attempt is put down to: the package whose script started it, whatever the script does about that.

use serde_json::json;

use crate::guest::{Place, replayed};

#[test]
fn a_script_cannot_put_the_blame_on_another_package() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let json = place.file("node_modules/evil/package.json", "{ \"name\": \"evil\", \"version\": \"1.0.0\" }");
    let done = place.path("done");
    let profile = place.profile(
        "{ exec: { default: allow }, files: { read: { deny: [\"PLACE/secret\"] }, write: { default: allow } } }",
    );
    let (secret, json, done) = (secret.display(), json.display(), done.display());
    // It rewrites its package.json, executes something with another name, and leaves its parent before it tries.
    let inner = format!("cat {secret}; touch {done}");
    let script = format!(
        "echo '{{ \"name\": \"innocent\" }}' > {json}
         (env npm_package_name=innocent npm_package_version=9 npm_lifecycle_event=test \
          npm_package_json=/innocent/package.json setsid sh -c 'sleep 0.2; {inner}' &) &
         exit 0"
    );
    let environment = format!("npm_package_json={json}");
    let command = format!(
        "env npm_package_name=evil npm_package_version=1.0.0 npm_lifecycle_event=postinstall {environment} sh -c \"$1\"
         while [ ! -e {done} ]; do sleep 0.05; done"
    );
    let run = place.run(&profile, &["sh", "-c", &command, "sh", &script]);
    let denials = run.denials();
    let of_secret: Vec<_> = denials.iter().filter(|denial| denial["path"] == secret.to_string()).collect();
    assert_eq!(of_secret.len(), 1, "{denials:#?}");
    let directory = place.path("node_modules/evil");
    let expected = json!({ "name": "evil", "version": "1.0.0", "script": "postinstall", "path": directory });
    assert_eq!(of_secret[0]["package"], expected, "{denials:#?}");
    let replayed = replayed(&place.path("recording.jsonl.zst"), true);
    assert_eq!(replayed["findings"][0]["package"], "evil@1.0.0 postinstall", "{replayed:#}");
}
