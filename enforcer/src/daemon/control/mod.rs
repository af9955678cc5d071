// SPDX-License-Identifier: MIT OR Apache-2.0

//! The service's socket. Who may connect is the file's matter: root, and the group `enforcer` where there is one. Only root
//! may change anything, and nobody that is in a run may ask at all.

pub mod client;
pub mod protocol;

use std::{
    fs::{self, Permissions},
    io,
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{FileTypeExt as _, PermissionsExt as _, chown},
            net,
        },
    },
    path::Path,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use enforcer_common::run::Counters;
use nix::unistd::Group;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream, unix::WriteHalf},
    sync::{OwnedSemaphorePermit, Semaphore, broadcast::error::RecvError},
    time::timeout,
};

use self::protocol::{Ask, Profile, REQUEST_MAX, Reply, Request, RunStatus, Selected, Status, VERSION, line};
use super::{Error, claim::Claim, state::State};
use crate::{
    kernel::{
        Service,
        hooks::{GATE, HOOKS, REDIRECTS},
    },
    profile::Mode,
};

/// The group whose members may look.
const GROUP: &str = "enforcer";
/// Clients that are answered at a time, root's and those of others.
const CLIENTS: usize = 64;
/// Those, and clients that wait for that.
const CONNECTED: usize = 1024;
/// Clients that follow events at a time.
const FOLLOWERS: usize = 64;
/// How often is looked whether one of them has gone.
const GONE_TICK: Duration = Duration::from_secs(5);
/// How long a client may take to say what it wants, and to take a line.
const PATIENCE: Duration = Duration::from_secs(5);

/// What has come of stopping.
const STOPPED: &str = "the service ends; what is selected goes on being enrolled";
pub(crate) const DISARMED: &str = "nothing is enrolled any more; runs stay enforced for as long as they live";

/// The socket.
pub(super) struct Control(UnixListener);

impl Control {
    /// Binds it.
    pub(super) fn bind(path: &Path) -> Result<Self, Error> {
        listen(path).map(Self)
    }

    /// Answers.
    pub(super) async fn serve(self, state: Rc<State>) {
        let connected = Arc::new(Semaphore::new(CONNECTED));
        // Others do not keep root waiting.
        let [of_root, of_others] = [(); 2].map(|()| Arc::new(Semaphore::new(CLIENTS)));
        let followers = Arc::new(Semaphore::new(FOLLOWERS));
        loop {
            // Whoever comes when there are too many waits.
            let Ok(seat) = Arc::clone(&connected).acquire_owned().await else { return };
            match self.0.accept().await {
                Ok((stream, _)) => {
                    let is_root = stream.peer_cred().is_ok_and(|peer| peer.uid() == 0);
                    let clients = Arc::clone(if is_root { &of_root } else { &of_others });
                    let (state, followers) = (Rc::clone(&state), Arc::clone(&followers));
                    tokio::task::spawn_local(async move {
                        let Ok(place) = clients.acquire_owned().await else { return };
                        if let Err(error) = answer(stream, &state, Places { seat, place, followers }).await {
                            tracing::debug!("a client: {error}");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!("a client could not be accepted: {error}");
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }
}

/// Listens at a socket for root and the group, in place of what a service before us has left.
pub(super) fn listen(path: &Path) -> Result<UnixListener, Error> {
    // What is in a run is kept away from there by the kernel, whatever its profile says, and from nowhere else.
    if path.parent() != Some(Service::runtime_directory()) {
        return Err(Error::Elsewhere { path: path.to_owned() });
    }
    let is_socket = fs::symlink_metadata(path).is_ok_and(|about| about.file_type().is_socket());
    // Where somebody listens, or something else is, there is no room for us.
    if is_socket && net::UnixStream::connect(path).is_err() {
        fs::remove_file(path).map_err(Error::file("remove", path))?;
    }
    let listener = UnixListener::bind(path).map_err(Error::file("listen at", path))?;
    let group = Group::from_name(GROUP).ok().flatten().map(|group| group.gid.as_raw());
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    chown(path, Some(0), Some(group.unwrap_or(0))).map_err(Error::file("give its group to", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(Error::file("open to its group", path))?;
    Ok(listener)
}

/// What a client takes up as long as it is answered, and where those are who stay longer.
struct Places {
    seat: OwnedSemaphorePermit,
    place: OwnedSemaphorePermit,
    followers: Arc<Semaphore>,
}

/// Answers one client.
async fn answer(mut stream: UnixStream, state: &Rc<State>, places: Places) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let root = peer.uid() == 0;
    let process = peer.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default();
    let mut text = Vec::new();
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader.take(REQUEST_MAX as u64));
    timeout(PATIENCE, reader.read_until(b'\n', &mut text)).await??;
    let ask = match serde_json::from_slice::<Request>(&text) {
        Ok(Request { version: VERSION, ask }) => ask,
        Ok(Request { version, .. }) => {
            let why = format!("the service speaks version {VERSION} of the protocol, and not {version}");
            return tell(&mut writer, &Reply::Error(why)).await;
        }
        Err(error) => return tell(&mut writer, &Reply::Error(format!("this is no request: {error}"))).await,
    };
    if ask.changes() && !root {
        return tell(&mut writer, &Reply::Error("only root may do this".to_owned())).await;
    }
    match ask {
        Ask::Status => {
            let reply = status(state).map_or_else(
                |error| Reply::Error(error.to_string()),
                |status| Reply::Status(Box::new(status)),
            );
            tell(&mut writer, &reply).await
        }
        Ask::Run { profile } => {
            drop((places.seat, places.place));
            match Claim::new(state, process, peer.uid(), &profile) {
                Ok(claim) => claimed(&mut reader, &mut writer, claim).await,
                Err(error) => tell(&mut writer, &Reply::Error(error.to_string())).await,
            }
        }
        Ask::Events => {
            let Ok(_follower) = places.followers.try_acquire() else {
                let why = format!("{FOLLOWERS} clients follow events already");
                return tell(&mut writer, &Reply::Error(why)).await;
            };
            drop((places.seat, places.place));
            events(&mut writer, state).await
        }
        Ask::Kill { run } => tell(&mut writer, &end(state, run, false)).await,
        Ask::Freeze { run } => tell(&mut writer, &end(state, run, true)).await,
        Ask::Reload => {
            state.reload();
            let problem = state.problem.borrow().clone();
            let reply = problem.map_or_else(|| Reply::Done(state.summary()), Reply::Error);
            tell(&mut writer, &reply).await
        }
        Ask::Stop { disarm } => {
            let done = if disarm { state.disarm() } else { Ok(()) };
            let reply = match done {
                Ok(()) => Reply::Done(if disarm { DISARMED } else { STOPPED }.to_owned()),
                Err(error) => Reply::Error(error.to_string()),
            };
            tell(&mut writer, &reply).await?;
            state.ask_to_stop();
            Ok(())
        }
    }
}

/// Tells a client of the run that it has asked for, until that is over or the client has gone: what it was promised ends with it, not with
/// the last that has its socket.
async fn claimed(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    mut claim: Claim,
) -> io::Result<()> {
    let ended = claim.ended();
    tokio::pin!(ended);
    tell(writer, &Reply::Claimed).await?;
    loop {
        tokio::select! {
            () = &mut ended => return Ok(()),
            reply = claim.next() => match reply {
                Some(reply) => tell(writer, &reply).await?,
                None => return Ok(()),
            },
            // It has nothing more to say.
            _ = reader.read_u8() => return Ok(()),
        }
    }
}

/// Passes events on until the client has gone. It may have said that it has nothing more to say, so that is no sign.
async fn events(writer: &mut WriteHalf<'_>, state: &State) -> io::Result<()> {
    let mut events = state.events.subscribe();
    let mut tick = tokio::time::interval(GONE_TICK);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => timeout(PATIENCE, writer.write_all(event.as_bytes())).await??,
                Err(RecvError::Lagged(missed)) => tell(writer, &Reply::Missed(missed)).await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            _ = tick.tick() => if has_gone(writer.as_ref()) {
                return Ok(());
            },
        }
    }
}

/// Whether the other end of a socket is closed.
fn has_gone(stream: &UnixStream) -> bool {
    let mut poll = libc::pollfd { fd: stream.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one element, which lives.
    unsafe { libc::poll(&raw mut poll, 1, 0) };
    poll.revents & libc::POLLHUP != 0
}

/// Ends or freezes a run.
fn end(state: &State, run: u32, freeze: bool) -> Reply {
    let Some(member) = state.members.borrow().get(&run).cloned() else {
        return Reply::Error(format!("there is no run {run}"));
    };
    if let Err(error) = state.kernel.borrow_mut().halt(run, freeze) {
        return Reply::Error(error.to_string());
    }
    let (file, what) = if freeze { ("cgroup.freeze", "frozen") } else { ("cgroup.kill", "killed") };
    let Some(cgroup) = member.cgroup else {
        return Reply::Done(format!(
            "whatever of run {run} attempts something is {what}; it has no cgroup, so what only sleeps is not"
        ));
    };
    match fs::write(cgroup.join(file), "1") {
        Ok(()) => Reply::Done(format!("run {run} is {what}")),
        Err(error) => Reply::Error(format!(
            "{}: {error}; whatever of the run attempts something is {what}",
            cgroup.display()
        )),
    }
}

/// How things are.
fn status(state: &State) -> Result<Status, crate::kernel::Error> {
    let kernel = state.kernel.borrow();
    let profile = |loaded: &Arc<super::profiles::Loaded>| Profile {
        name: loaded.compiled.name.clone(),
        file: loaded.compiled.source.to_string(),
        sha256: loaded.compiled.digest_text(),
        mode: match loaded.compiled.mode {
            Mode::Audit => "audit",
            Mode::Enforce => "enforce",
        }
        .to_owned(),
        selects: loaded.compiled.select.len(),
    };
    let tasks_in_runs = kernel.members()?;
    let run = |(&run, member): (&u32, &super::state::Member)| {
        let counters = kernel.counters(run)?;
        let decisions = counters.decisions();
        let Counters { tasks, denied, lost_events, lost_images, tripped, .. } = counters;
        Ok(RunStatus {
            run,
            known: member.known.clone(),
            stages: member.stages_of(run, &tasks_in_runs),
            packages: member.packages_of(run, &tasks_in_runs),
            tasks,
            decisions,
            denied: denied.iter().sum(),
            lost: lost_events + lost_images,
            tripped: tripped != 0,
        })
    };
    let chosen = kernel.chosen()?;
    Ok(Status {
        version: VERSION,
        enforcer: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        hooks: HOOKS.len() + REDIRECTS.len() + [GATE].len(),
        armed: kernel.is_armed()?,
        profiles: state.profiles.borrow().iter().map(profile).collect(),
        problem: state.problem.borrow().clone(),
        runs: state.members.borrow().iter().map(run).collect::<Result<_, crate::kernel::Error>>()?,
        selected: Selected {
            enrolled: chosen.enrolled,
            full: chosen.full,
            unusable: chosen.unusable,
            missed: chosen.missed,
            gone: chosen.gone,
        },
        otlp: state.otlp.as_ref().map(super::otlp::Otlp::told),
    })
}

async fn tell(writer: &mut (impl tokio::io::AsyncWrite + Unpin), reply: &Reply) -> io::Result<()> {
    timeout(PATIENCE, writer.write_all(line(reply)?.as_bytes())).await?
}
