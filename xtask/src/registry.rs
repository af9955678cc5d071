// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's package registry: what is seeded into the image when it is made.
//!
//! Verdaccio itself does the seeding, twice, on the loopback address of the host:
//!
//! 1. with the user's own npm registry behind it, for what `tests/fixtures/apps/real` needs (kept in the cache);
//! 2. with nothing behind it, where the fixture packages are published with `npm publish`.
//!
//! Its storage is then the guest's. No lifecycle script runs on the host.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};

use crate::{cache, cmd, node, repo};

/// Changes when what is kept in the cache changes without its inputs.
const RECIPE: &str = "1";

/// Where the guest keeps the testbed's files.
const SHARE: &str = "usr/local/share/testbed";

/// How long verdaccio may take to answer, or to answer one request (it may fetch from the user's registry for it).
const PATIENCE: Duration = Duration::from_secs(120);

/// Seeds the registry into the guest's root tree.
///
/// `root` is the unpacked tree of the guest (verdaccio is in `/opt/verdaccio` of it), `node_bin` the directory that holds
/// `node` and `npm` and runs on the host too, `cache` the place for what is downloaded. Called as root. It is called again
/// when one of these changed: `tests/fixtures/`, `xtask/src/registry.rs`, `xtask/guest/registry/`.
pub fn seed(root: &Path, node_bin: &Path, cache: &Path) -> Result<()> {
    let registry = root.join("srv/registry");
    let compiled = registry.join("compile-cache");
    let host = Host { verdaccio: root.join("opt/verdaccio"), node_bin, cache, compiled };
    let real = host.real_packages()?;
    let storage = registry.join("storage");
    fs::create_dir_all(&storage).with_context(|| format!("creating {}", storage.display()))?;
    copy_tree(&real, &storage)?;
    host.publish_fixtures(&storage).context("publishing the fixture packages")?;
    install_files(root)
}

/// What runs on the host to fill a registry.
struct Host<'a> {
    verdaccio: PathBuf,
    node_bin: &'a Path,
    cache: &'a Path,
    /// Where node leaves what it compiled, for the guest, where that is slow.
    compiled: PathBuf,
}

impl Host<'_> {
    /// Verdaccio's storage with the packages of `apps/real`: from the cache, or fetched.
    fn real_packages(&self) -> Result<PathBuf> {
        let app = fixtures().join("apps/real");
        let inputs = cache::digest_files(&[app.join("package.json"), app.join("package-lock.json")])?;
        let name = format!("real-{}", cache::digest([RECIPE.as_bytes(), inputs.as_bytes()]));
        let kept = self.cache.join("registry");
        let done = kept.join(&name);
        if done.is_dir() {
            return Ok(done);
        }
        fs::create_dir_all(&kept).with_context(|| format!("creating {}", kept.display()))?;
        let work = tempfile::Builder::new()
            .prefix("work-")
            .tempdir_in(&kept)
            .context("making a working directory")?;
        let storage = work.path().join("storage");
        self.fetch(&app, work.path(), &storage)
            .context("fetching the real packages through the user's npm registry")?;
        fs::rename(&storage, &done).context("keeping the fetched packages")?;
        cache::prune(&kept, "real-", &name)?;
        Ok(done)
    }

    fn fetch(&self, app: &Path, work: &Path, storage: &Path) -> Result<()> {
        let upstream = self.upstream(work)?;
        let verdaccio = Verdaccio::start(self, work, storage, Some(&upstream))?;
        let copy = work.join("app");
        fs::create_dir(&copy).context("making a place for the project")?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(app.join(file), copy.join(file)).with_context(|| format!("copying {file}"))?;
        }
        // Verdaccio has to know a package before it is asked for its tarball. An install without a lock file asks about
        // the packages of other platforms too.
        let locked = locked_versions(&app.join("package-lock.json"))?;
        let names = locked.iter().map(|(name, _)| name).collect::<BTreeSet<_>>();
        for name in &names {
            verdaccio.get(&format!("/{}", name.replace('/', "%2f")))?;
        }
        // npm checks each tarball against the integrity in the lock file.
        let mut npm = self.npm(&verdaccio, work)?;
        npm.current_dir(&copy).args(["ci", "--ignore-scripts", "--replace-registry-host=always"]);
        cmd::output(&mut npm)?;
        drop(verdaccio);
        for name in names {
            keep_stored(&storage.join(name), name, &locked).with_context(|| format!("trimming {name}"))?;
        }
        Ok(())
    }

    /// The user's npm registry, and how npm reaches it, as verdaccio's configuration has it.
    fn upstream(&self, neutral: &Path) -> Result<Value> {
        let setting = |name: &str| -> Result<Option<String>> {
            let mut npm = node::npm(self.node_bin, self.cache);
            npm.current_dir(neutral).args(["config", "get", name]);
            let value = cmd::output(&mut npm)?.trim().to_owned();
            Ok((!value.is_empty() && value != "null" && value != "undefined").then_some(value))
        };
        let url = setting("registry")?.context("npm has no registry configured")?;
        let mut upstream = json!({"url": url, "timeout": "60s", "max_fails": 20, "maxage": "60m"});
        for (name, own) in [("proxy", "http_proxy"), ("https-proxy", "https_proxy"), ("cafile", "ca")] {
            if let Some(value) = setting(name)? {
                upstream[own] = value.into();
            }
        }
        Ok(upstream)
    }

    fn publish_fixtures(&self, storage: &Path) -> Result<()> {
        let work = tempfile::tempdir().context("making a working directory")?;
        let verdaccio = Verdaccio::start(self, work.path(), storage, None)?;
        let common = fixtures().join("common");
        for source in directories(&fixtures().join("packages"))? {
            let staged = work.path().join("package");
            copy_tree(&source, &staged)?;
            // Private in the repository, so that nobody publishes one by mistake.
            let path = staged.join("package.json");
            let mut manifest = read_json(&path)?;
            let fields = manifest.as_object_mut().context("package.json is not an object")?;
            fields.remove("private");
            if fields.contains_key("scripts") {
                copy_tree(&common, &staged.join("common"))?;
            }
            write_json(&path, &manifest)?;
            let mut npm = self.npm(&verdaccio, work.path())?;
            npm.current_dir(&staged).args(["publish", "--ignore-scripts", "--access=public"]);
            cmd::output(&mut npm)?;
            fs::remove_dir_all(&staged).context("removing the staged package")?;
        }
        Ok(())
    }

    /// npm that knows no registry but `verdaccio`.
    fn npm(&self, verdaccio: &Verdaccio, work: &Path) -> Result<Command> {
        let config = work.join("npmrc");
        // Verdaccio lets anybody publish; npm wants to see a token all the same.
        fs::write(&config, format!("//127.0.0.1:{}/:_authToken=anybody\n", verdaccio.port))
            .context("writing npmrc")?;
        let mut npm = node::npm(self.node_bin, self.cache);
        let registry = format!("http://127.0.0.1:{}/", verdaccio.port);
        npm.arg("--registry")
            .arg(registry)
            .arg("--userconfig")
            .arg(config)
            .arg("--cache")
            .arg(work.join("npm-cache"));
        npm.args([
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
            "--noproxy=127.0.0.1",
            "--proxy=",
            "--https-proxy=",
        ]);
        Ok(npm)
    }
}

/// A verdaccio on a free port of the loopback address, ended on drop.
struct Verdaccio {
    process: Child,
    port: u16,
}

impl Verdaccio {
    fn start(host: &Host<'_>, work: &Path, storage: &Path, upstream: Option<&Value>) -> Result<Self> {
        let port = free_port()?;
        let mut packages = json!({"access": "$all", "publish": "$all"});
        let mut config = json!({
            "storage": storage,
            "listen": format!("127.0.0.1:{port}"),
            "web": {"enable": false},
            "auth": {"htpasswd": {"file": work.join("htpasswd")}},
            "max_body_size": "64mb",
            "log": {"type": "stdout", "format": "json", "level": "warn"},
        });
        if let Some(upstream) = upstream {
            packages["proxy"] = "upstream".into();
            config["uplinks"] = json!({"upstream": upstream});
        }
        config["packages"] = json!({"**": packages});
        // JSON is YAML.
        let path = work.join("verdaccio.yaml");
        write_json(&path, &config)?;
        let log_path = work.join("verdaccio.log");
        let log = fs::File::create(&log_path).context("creating verdaccio's log")?;
        let mut command = Command::new(host.node_bin.join("node"));
        command.arg(host.verdaccio.join("node_modules/verdaccio/bin/verdaccio")).arg("--config").arg(&path);
        command.current_dir(work).env("HOME", work).stdin(Stdio::null());
        command.env("NODE_COMPILE_CACHE", &host.compiled).env("NODE_COMPILE_CACHE_PORTABLE", "1");
        command.stdout(log.try_clone().context("opening verdaccio's log")?).stderr(log).process_group(0);
        let process = command.spawn().context("starting verdaccio")?;
        let mut own = Self { process, port };
        let deadline = Instant::now() + PATIENCE;
        while own.get("/-/ping").is_err() {
            let ended = own.process.try_wait().context("waiting for verdaccio")?;
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(&log_path).unwrap_or_default();
                let what =
                    ended.map_or_else(|| "does not answer".to_owned(), |status| format!("ended: {status}"));
                bail!("verdaccio on 127.0.0.1:{port} {what}\n{}", said.trim());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(own)
    }

    /// GETs `path`; fails unless the status is 200.
    fn get(&self, path: &str) -> Result<()> {
        let mut stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).context("connecting to verdaccio")?;
        stream.set_read_timeout(Some(PATIENCE)).context("setting a time limit")?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port)
            .context("asking verdaccio")?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).with_context(|| format!("reading verdaccio's answer to {path}"))?;
        let status = reply.split(|&byte| byte == b'\r').next().unwrap_or_default();
        if status.split(|&byte| byte == b' ').nth(1) != Some(b"200") {
            bail!("verdaccio answered {} to GET {path}", String::from_utf8_lossy(status));
        }
        Ok(())
    }
}

impl Drop for Verdaccio {
    fn drop(&mut self) {
        // Asked first, so that what it is writing gets written. Each of these fails only when it has ended already.
        let _ = cmd::output(Command::new("kill").arg(self.process.id().to_string()));
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}

/// Every (name, version) that a lock file names, those for other platforms included.
fn locked_versions(lock: &Path) -> Result<BTreeSet<(String, String)>> {
    let lock = read_json(lock)?;
    let packages = lock["packages"].as_object().context("the lock file has no packages")?;
    let mut found = BTreeSet::new();
    for (path, entry) in packages {
        let Some((_, name)) = path.rsplit_once("node_modules/") else { continue };
        let version = entry["version"].as_str().with_context(|| format!("{path} has no version"))?;
        found.insert((name.to_owned(), version.to_owned()));
    }
    Ok(found)
}

/// Reduces what verdaccio stored about one package to the versions that the guest can use.
///
/// So an install without a lock file picks a version that is there, `latest` is one too, and the emulated guest need not
/// parse megabytes about versions that it cannot have.
fn keep_stored(folder: &Path, name: &str, locked: &BTreeSet<(String, String)>) -> Result<()> {
    let path = folder.join("package.json");
    let mut stored = read_json(&path)?;
    let latest = stored["dist-tags"]["latest"].as_str().unwrap_or_default().to_owned();
    let times = stored["time"].as_object().cloned().unwrap_or_default();
    let versions = stored["versions"].as_object_mut().context("no versions are stored")?;
    versions.retain(|version, _| locked.contains(&(name.to_owned(), version.clone())));
    let time_of = |version: &str| times.get(version).and_then(Value::as_str).unwrap_or_default().to_owned();
    let newest = if versions.contains_key(&latest) {
        latest
    } else {
        versions
            .keys()
            .max_by_key(|version| time_of(version))
            .cloned()
            .ok_or_else(|| anyhow!("no version is left"))?
    };
    let kept: Map<String, Value> = times
        .into_iter()
        .filter(|(key, _)| ["created", "modified"].contains(&key.as_str()) || versions.contains_key(key))
        .collect();
    stored["time"] = kept.into();
    stored["dist-tags"] = json!({"latest": newest});
    for emptied in ["_uplinks", "_distfiles"] {
        stored[emptied] = json!({});
    }
    stored["readme"] = "".into();
    write_json(&path, &stored)
}

/// Puts what runs in the guest into its tree.
fn install_files(root: &Path) -> Result<()> {
    let guest = repo::root().join("xtask/guest/registry");
    let bin = root.join("usr/local/bin");
    let share = root.join(SHARE);
    fs::create_dir_all(&bin).with_context(|| format!("creating {}", bin.display()))?;
    fs::create_dir_all(&share).with_context(|| format!("creating {}", share.display()))?;
    let copy = |from: PathBuf, to: PathBuf| {
        fs::copy(&from, &to)
            .map(drop)
            .with_context(|| format!("copying {} to {}", from.display(), to.display()))
    };
    copy(guest.join("testbed-services"), bin.join("testbed-services"))?;
    for file in ["verdaccio.yaml", "dnsmasq.conf"] {
        copy(guest.join(file), share.join(file))?;
    }
    for tool in ["testbed-app", "testbed-evidence"] {
        copy(fixtures().join("bin").join(tool), bin.join(tool))?;
    }
    for tree in ["apps", "listener"] {
        copy_tree(&fixtures().join(tree), &share.join(tree))?;
    }
    Ok(())
}

fn fixtures() -> PathBuf {
    repo::root().join("tests/fixtures")
}

/// Copies the content of a directory to one that is made when missing.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    let mut cp = Command::new("cp");
    cp.args(["-r", "--preserve=mode", "--reflink=auto", "--"]).arg(from.join(".")).arg(to);
    cmd::output(&mut cp).map(drop)
}

/// The directories in `folder`, in order.
fn directories(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("parsing {}", path.display()))
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_vec_pretty(value).context("writing JSON")?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
