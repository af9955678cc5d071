// SPDX-License-Identifier: MIT OR Apache-2.0

//! `npm-publish`, with a real registry.

use std::{fs, path::Path};

use crate::guest::{Ended, Place, builder, read_record, sh};

/// A package that is published, by `builder`.
struct Library<'a> {
    place: &'a Place,
    dir: &'a Path,
}

impl Library<'_> {
    /// Publishes a version, with what `files` and `prepack` of its package.json say.
    fn publish(&self, version: &str, files: &[&str], prepack: &str, profile: Option<&str>) -> Ended {
        let manifest = serde_json::json!({
            "name": "library-fixture",
            "version": version,
            "license": "MIT OR Apache-2.0",
            "files": files,
            "scripts": { "prepack": prepack },
        });
        fs::write(self.dir.join("package.json"), manifest.to_string()).unwrap();
        let record = self.place.for_builder("record.jsonl");
        let wrapper = profile.map_or_else(String::new, |profile| {
            format!("sudo enforcer run --profile {profile} --json {} -- ", record.display())
        });
        let dir = self.dir.display();
        let builder = builder(&dir.to_string());
        sh(&format!(
            "chown -R builder: {dir}
             {builder} {wrapper}npm publish"
        ))
    }

    /// What the registry has in the tarball of a version, all in one; nothing if there is none.
    fn in_registry(&self, version: &str) -> String {
        let tarball = format!("/srv/registry/storage/library-fixture/library-fixture-{version}.tgz");
        sh(&format!("test ! -e {tarball} || tar -xOzf {tarball}")).success().stdout
    }

    /// What was denied, as `action path` below the package.
    fn denials(&self) -> Vec<String> {
        let lines = read_record(&self.place.for_builder("record.jsonl"));
        assert_eq!(lines.last().unwrap()["type"], "trailer");
        let denials = lines.iter().filter(|line| line["type"] == "event");
        let prefix = format!("{}/", self.dir.display());
        let mut denials: Vec<_> = denials
            .map(|event| {
                let path = event["path"].as_str().unwrap_or_default();
                format!("{} {}", event["action"].as_str().unwrap(), path.replace(&prefix, ""))
            })
            .collect();
        denials.sort_unstable();
        denials.dedup();
        denials
    }
}

#[test]
fn a_publish_goes_through_without_what_is_internal() {
    let place = Place::new();
    sh("testbed-services
        grep -q _authToken /home/builder/.npmrc ||
            echo '//registry.test:4873/:_authToken=anybody' >>/home/builder/.npmrc
        testbed-app --empty /home/builder/library
        rm -rf /srv/registry/storage/library-fixture")
    .success();
    fs::write("/etc/sudoers.d/builder", "builder ALL=(root) NOPASSWD: ALL\n").unwrap();
    let library = Library { place: &place, dir: Path::new("/home/builder/library") };
    for (name, content) in [
        ("lib/index.js", "exports.answer = 42;\n"),
        ("lib/index.js.map", "{ \"sourcesContent\": [\"MAPPED\"] }\n"),
        ("src/index.ts", "export const answer: number = 42; // INTERNAL\n"),
        ("tools/licence.js", "require('fs').writeFileSync('lib/LICENCE', 'LICENSED');\n"),
        (
            "tools/leak.js",
            "const fs = require('fs');
             for (const file of ['lib/index.js.map', 'src/index.ts']) {
               try { fs.appendFileSync('lib/leak.txt', fs.readFileSync(file)); } catch {}
             }\n",
        ),
    ] {
        let path = library.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let (code, all) = (&["lib/*.js", "lib/*.txt", "lib/LICENCE"], &["lib"]);

    // Bare, both leak: by what a script does, and by what npm packs.
    library.publish("1.0.0", all, "node tools/leak.js", None).success();
    assert_eq!(library.in_registry("1.0.0").matches("INTERNAL").count(), 1);
    assert_eq!(library.in_registry("1.0.0").matches("MAPPED").count(), 2);
    fs::remove_file(library.dir.join("lib/leak.txt")).unwrap();

    // What a publish needs is allowed, and the script reads neither.
    let prepack = "node tools/licence.js && node tools/leak.js";
    library.publish("2.0.0", code, prepack, Some("npm-publish")).success();
    assert_eq!(library.denials(), ["read lib/index.js.map", "read src/index.ts"]);
    let published = library.in_registry("2.0.0");
    assert!(published.contains("answer = 42") && published.contains("LICENSED"), "{published}");
    assert!(!published.contains("INTERNAL") && !published.contains("MAPPED"), "{published}");

    // npm does not pack it.
    let ended = library.publish("3.0.0", all, "node tools/licence.js", Some("npm-publish"));
    assert_ne!(ended.status, 0);
    assert_eq!(library.denials(), ["read lib/index.js.map"]);
    assert_eq!(library.in_registry("3.0.0"), "");
}
