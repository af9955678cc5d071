// SPDX-License-Identifier: MIT OR Apache-2.0

//! A user with programs of their own.

use std::{fs, os::unix::fs::symlink};

use super::*;
use crate::run::invoker::Invoker;

/// A home directory, with programs in `bin`, and an empty project.
pub(in super::super) struct User {
    dir: tempfile::TempDir,
    environment: Environment,
    credentials: Credentials,
    workspace: PathBuf,
}

impl User {
    pub(in super::super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (bin, workspace) = (dir.path().join("bin"), dir.path().join("project"));
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&workspace).unwrap();
        let path = format!("{}:{}", workspace.display(), bin.display());
        let mut environment = Environment::default();
        environment.set("HOME", dir.path());
        environment.set("INIT_CWD", &workspace);
        environment.set("PATH", path);
        let credentials = Credentials::of(&Invoker::detect().unwrap());
        Self { dir, environment, credentials, workspace }
    }

    pub(in super::super) fn asker(&self) -> Asker<'_> {
        let Self { environment, credentials, workspace, .. } = self;
        Asker { environment, credentials, workspace }
    }

    /// Sets a variable.
    pub(in super::super) fn set(&mut self, name: &str, value: &str) {
        self.environment.set(name, value);
    }

    /// Writes a file into the home directory.
    pub(in super::super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&file);
        fs::write(&file, text).unwrap();
        file
    }

    /// Puts a shell script into `bin`. Somebody else writes it there: what is open for writing in this process, or in a
    /// child that another test is just about to start, cannot be executed.
    pub(in super::super) fn program(&self, name: &str, script: &str) {
        let text = self.file("script", &format!("#!/bin/sh\n{script}\n"));
        let file = self.dir.path().join("bin").join(name);
        let done = Command::new("install").args(["-D", "-m", "755"]).args([text, file]).status();
        assert!(done.unwrap().success());
    }

    /// Makes a symbolic link in `bin`.
    pub(in super::super) fn link(&self, name: &str, to: &str) {
        symlink(to, self.dir.path().join("bin").join(name)).unwrap();
    }
}

#[test]
fn programs_of_the_project_are_not_asked() {
    let path = OsStr::new(
        "/srv/app/node_modules/.bin:/usr/bin:node_modules/.bin::/srv/app/bin:/srv/node_modules/.bin:/bin2",
    );
    assert_eq!(outside(path, Path::new("/srv/app")), "/usr/bin:/bin2");
    let user = User::new();
    user.program("../project/tool", "exit 0");
    assert!(user.asker().find("tool").is_ok_and(|found| found.is_none()));
}

#[test]
fn files_of_the_project_are_not_read() {
    let user = User::new();
    let (own, theirs) = (user.file("own", "text"), user.file("project/theirs", "text"));
    assert_eq!(user.asker().read(&own), Ok(Some("text".to_owned())));
    assert_eq!(user.asker().read(&own.with_file_name("absent")), Ok(None));
    assert!(user.asker().read(&theirs).unwrap_err().contains("lies in the project"));
}

#[tokio::test]
async fn variables_that_lead_into_the_project_are_dropped() {
    let mut user = User::new();
    let inside = user.workspace.join("pip.conf").display().to_string();
    user.set("PIP_CONFIG_FILE", &inside);
    user.set("PYTHONPATH", &format!("/usr/lib/x:{inside}"));
    user.set("NODE_OPTIONS", "--require=/x");
    user.set("KEPT", "1");
    user.program("tool", r#"echo "$PIP_CONFIG_FILE$PYTHONPATH$NODE_OPTIONS$INIT_CWD$KEPT""#);
    let tool = user.asker().need("tool").unwrap();
    assert_eq!(tool.ask(&[]).await.as_deref(), Ok("1\n"));
}

#[test]
fn what_is_no_file_is_not_waited_for_and_no_more_is_read_than_there_is_in_one() {
    let user = User::new();
    let fifo = user.file("fifo", "");
    fs::remove_file(&fifo).unwrap();
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (file, why) in [(fifo, "no regular file"), (PathBuf::from("/dev/zero"), "no regular file")] {
        assert!(user.asker().read(&file).unwrap_err().contains(why));
    }
    assert!(user.asker().read(&user.file("large", &"x".repeat(MOST + 1))).is_err());
    assert!(user.asker().read(&user.file("small", &"x".repeat(MOST))).is_ok());
}

#[tokio::test]
async fn of_a_program_that_writes_for_ever_not_all_is_kept() {
    let user = User::new();
    user.program("tool", "exec /usr/bin/yes");
    let output = user.asker().need("tool").unwrap().run(&[], &[]).await.unwrap();
    assert!(!output.status.success() && output.stdout.len() == MOST);
}
