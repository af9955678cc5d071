// SPDX-License-Identifier: MIT OR Apache-2.0

//! Jobs in containers: with namespaces and a root directory of their own.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use super::{JOB, Service, as_builder, quiet, runs, status};
use crate::guest::{Place, sh, until};

/// What runs a command in a container, which has a directory as /app.
fn container(work: &str) -> String {
    format!(
        "bwrap --unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib \
         --symlink usr/lib64 /lib64 --proc /proc --dev /dev --bind {work} /app --chdir /app"
    )
}

#[test]
fn a_job_in_a_container_is_held_by_the_paths_that_it_sees() {
    let place = Place::new();
    let work = place.for_builder("work");
    fs::create_dir_all(&work).unwrap();
    for (name, text) in [("job", JOB), ("other", JOB), ("secret", "x"), ("open", "x")] {
        fs::write(work.join(name), text).unwrap();
        fs::set_permissions(work.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let work = work.to_str().unwrap();
    sh(&format!("chown -R builder {work}")).success();
    // By the directory that it is started in, by the container's path, and by the machine's.
    let profile = format!(
        "select: [{{ argv: [job, '**'], uid: builder }}]\nstages:\n  all:\n    exec: {{ default: allow }}\n    \
         files: {{ read: {{ default: allow, deny: ['${{workspace}}/secret', /app/job.key, '{work}/open'] }}, write: {{ default: allow }} }}\n"
    );
    sh(&format!("echo x >{work}/job.key && chown builder {work}/job.key")).success();
    let _service = Service::start(&place, &[("containers", &profile)]);
    let inside = |program: &str| {
        as_builder(&format!("cd /; {} -- /app/{program} secret job.key open", container(work)))
            .success()
            .stdout
    };
    let enrolled = || status()["selected"]["enrolled"].as_u64().unwrap();
    let before = enrolled();
    assert_eq!(inside("other"), "read secret\nread job.key\nread open\n");
    assert_eq!(enrolled(), before);
    assert_eq!(inside("job"), "denied secret\ndenied job.key\nread open\n");
    assert_eq!(enrolled(), before + 1);
    // On the machine itself the same profile means the machine's paths.
    let outside = as_builder(&format!("cd {work}; ./job secret job.key open")).success().stdout;
    assert_eq!(outside, "denied secret\nread job.key\ndenied open\n");
    // What is held makes no container of its own, by which paths would change their meaning.
    let script = format!("#!/bin/sh\nbwrap --unshare-user --bind / / --bind {work} /mnt cat /mnt/secret\n");
    fs::write(format!("{work}/job"), script).unwrap();
    let within = as_builder(&format!("cd {work}; ./job"));
    assert!(within.status != 0 && within.stdout.is_empty(), "{within:#?}");
    fs::rename(format!("{work}/job"), format!("{work}/made")).unwrap();
    assert_eq!(as_builder(&format!("cd {work}; ./made")).success().stdout, "x");
    quiet();
}

#[test]
fn a_search_path_in_a_container_leads_the_service_to_no_program_of_the_machine() {
    let place = Place::new();
    // Programs of the project would not be asked.
    let [work, evil] = ["work", "evil"].map(|name| place.for_builder(name));
    let (asked, over) = (work.join("asked"), work.join("over"));
    for (file, text) in [
        (work.join("job"), "#!/bin/sh\nuntil [ -e over ]; do sleep 0.1; done\n".to_owned()),
        (evil.join("npm"), format!("#!/bin/sh\ntouch {}\n", asked.display())),
    ] {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let [work, evil] = [&work, &evil].map(|path| path.to_str().unwrap());
    sh(&format!("chown -R builder {work}")).success();
    let profile = "select: [{ argv: [job, '**'], uid: builder }]\nstages:\n  all:\n    exec: { default: allow }\n    \
                   network: { allow: [{ host: '${npm.registry}' }] }\n    files: { read: { default: allow }, write: { default: allow } }\n";
    let _service = Service::start(&place, &[("containers", profile)]);
    let path = format!("PATH={evil}:/usr/bin:/bin");
    let job = |within: &str| {
        let mut job = Command::new("runuser");
        let script = format!("cd {work}; export {path}; {within}; true");
        let mut job =
            job.args(["-u", "builder", "--", "bash", "-c", &script]).stdin(Stdio::null()).spawn().unwrap();
        // What is known is written down when it has been asked where packages come from.
        let known = || format!("/run/enforcer/runs/{}.json", runs()[0]["run"]);
        until("it has been asked", || runs().len() == 1 && Path::new(&known()).exists());
        let was_asked = asked.exists();
        fs::write(&over, "").unwrap();
        job.wait().unwrap();
        quiet();
        fs::remove_file(&over).unwrap();
        was_asked
    };
    assert!(!job(&format!("{} -- /app/job", container(work))));
    // On the machine itself it is the user's own choice.
    assert!(job("./job"));
}
