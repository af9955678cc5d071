// SPDX-License-Identifier: MIT OR Apache-2.0

//! One run of the service's, from its beginning to its end.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    os::unix::{ffi::OsStringExt as _, fs::OpenOptionsExt as _},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use enforcer_common::{
    anchor::Anchors,
    run::{Counters, Run},
};

use super::{
    claim::Listener, control::protocol::Reply, group, known::Known, origins, otlp::About, profiles::Loaded,
    reserve::Spare, state::State,
};
use crate::{
    events::{Image, Pump},
    evidence::{Log, Signer, statement::name_of_run},
    exit::Exit,
    kernel::{Enforcement, Mode, Rings, Setup},
    recording::{Recorder, Writer},
    report::{Legend, Reporter, host::rfc3339, terminal::Terminal},
    run::{
        anchors::{Places, Variable},
        breaker::Breaker,
        egress::{Destinations, Service},
        evidenced::{Evidence, Told},
        process::Process,
        recorded::Recorded,
        registry::Registries,
        watch::{TICK, Until, Watch},
    },
};

/// How often, and after how long each time, is looked for a run's first program: what it was started with says whom to ask where
/// packages come from, and on a busy machine its exec may take a while.
const FIRST: usize = 400;
const FIRST_TICK: Duration = Duration::from_millis(5);

/// How a run came to us.
pub(super) struct Since {
    /// Another service has seen it begin.
    pub(super) adopted: bool,
    /// Who has asked for it.
    pub(super) listener: Option<Listener>,
}

/// Keeps a run until nothing of it is left.
pub(super) async fn keep(
    state: Rc<State>,
    run: Run,
    spare: Spare,
    loaded: Option<Arc<Loaded>>,
    since: Since,
) {
    let id = run.id;
    let terminal = state.terminal.of_run(id);
    let kept = match loaded {
        Some(loaded) => watched(&state, run, spare, &loaded, since, terminal).await,
        None => unwatched(&state, run, spare, terminal).await,
    };
    if let Err(error) = kept {
        terminal
            .warning(&format!("nobody watches this run: {error}; it stays enforced, and names lead nowhere"));
    }
    Known::forget(id);
    state.over(id);
}

/// Waits for the end of a run whose profile is not among those that are loaded.
async fn unwatched(
    state: &State,
    run: Run,
    spare: Spare,
    terminal: Terminal,
) -> Result<(), crate::run::Error> {
    terminal.warning(
        "its profile has changed while there was no service: nobody watches it; it stays enforced, and names lead nowhere",
    );
    let port = spare.resolver.port();
    let kernel = state.kernel.borrow_mut().begin(&run, spare.ready, port, 0)?;
    left(&kernel).await;
    state.metrics.borrow_mut().saw(run.id, &kernel.counters()?);
    kernel.finish()?;
    Ok(())
}

async fn watched(
    state: &Rc<State>,
    run: Run,
    spare: Spare,
    loaded: &Arc<Loaded>,
    Since { adopted, listener }: Since,
    terminal: Terminal,
) -> Result<(), crate::run::Error> {
    let profile = &loaded.compiled;
    let Spare { ready, resolver } = spare;
    let setup = Setup::of(profile, resolver.port());
    let mut kernel = state.kernel.borrow_mut().begin(&run, ready, resolver.port(), setup.files())?;
    let (mut rings, maps) = kernel.take()?;
    let mut pump = Pump::default();
    let packages = pump.images().share_packages();
    if state.options.record.is_some() {
        pump.images().keep_account();
    }
    let mut leader = Process::of(run.leader, run.uid);
    let is_on_host = !adopted && group::is_on_host(state, &run);
    if !adopted && let Some(image) = first(&mut pump, &mut rings, &kernel).await {
        leader.saw(image, is_on_host);
    }
    let places = places(&run.anchors, loaded);
    let legend = Legend::new(profile, &places);
    let mut known = match adopted.then(|| Known::read(&run)).flatten() {
        Some(known) => known,
        None => begun(&run, loaded, &leader),
    };
    let before = if adopted { Some(kernel.counters()?) } else { None };
    terminal.print(&format!(
        "enforcer: {} {} (pid {}, {}) under {}: {}",
        if adopted { "goes on," } else { "begun," },
        if setup.mode == Mode::Enforce { "enforced" } else { "audited" },
        known.pid,
        known.user.clone().unwrap_or_else(|| format!("uid {}", known.uid)),
        known.profile,
        known.command,
    ));
    state.begun(
        run.id,
        known.clone(),
        legend.stages.iter().map(|stage| stage.name.clone()).collect(),
        packages,
    );
    let enforces = setup.mode == Mode::Enforce;
    let mut reporter = Reporter::new(terminal, legend.clone(), enforces);
    reporter.tap(state.events.clone(), run.id);
    if let Some(otlp) = &state.otlp {
        reporter.export(otlp.of_run(About {
            run: run.id,
            profile: known.profile.clone(),
            mode: if enforces { "enforce" } else { "audit" },
            started: known.started.clone(),
        }));
    }
    if let Some(listener) = &listener {
        listener.tell(Reply::Begun { run: run.id, profile: known.profile.clone() });
        reporter.tell(listener.clone());
    }
    let breaker = group::around(state, &run).unwrap_or_else(|error| {
        // One that is over already needs none.
        let is_over = kernel.counters().is_ok_and(|counters| counters.tasks == 0);
        if !is_over {
            terminal.warning(&format!("the run has no cgroup, what only sleeps cannot be ended: {error}"));
        }
        Breaker::without()
    });
    state.in_cgroup(run.id, breaker.dir());
    // A recording begins with where packages come from, so it waits for that; without one, what happens meanwhile is told at once.
    let asked = if adopted {
        Some(known.registries())
    } else if state.options.record.is_some() {
        Some(told(origins::ask(&leader, loaded, &places.workspace).await, terminal))
    } else {
        None
    };
    let unknown = Registries::default();
    let recorded = Recorded {
        command: &leader.command,
        unmasked: false,
        invoker: &leader.invoker,
        file: &leader.executable,
        text: &loaded.text,
        profile,
        legend: &legend,
        registries: asked.as_ref().unwrap_or(&unknown),
        enforces,
        before,
    };
    let recorder = recorder(state, run.id, &recorded, terminal);
    let mut evidence = evidence(state, &recorded, terminal, adopted);
    if let Err(error) = evidence.begin() {
        terminal.warning(&format!("{error}; there is no evidence of this run"));
        evidence.log = None;
    }
    let mut watch = Watch::new(rings, pump, reporter, recorder, evidence, breaker);
    let registries = match asked {
        Some(registries) => registries,
        None => match watch.until(origins::ask(&leader, loaded, &places.workspace), &kernel, false).await {
            Ok(Until::Over(answer)) => told(answer, terminal),
            _ => Registries::default(),
        },
    };
    known.keep(&registries);
    if let Err(error) = known.write(run.id) {
        terminal.warning(&format!("what is known of the run could not be written down: {error}"));
    }
    let records = watch.recorder.is_some();
    let answering = Service::start(resolver, Destinations::new(profile, registries), maps, enforces, records);
    match answering {
        Ok(service) => watch.service = Some(service),
        Err(error) => terminal.warning(&format!("names lead nowhere in this run: {error}")),
    }
    if let Err(error) = watch.until(left(&kernel), &kernel, false).await {
        terminal.warning(&format!("failed to wait for the run: {error}"));
        left(&kernel).await;
    }
    watch.settle(&kernel).await;
    let counters = kernel.counters().unwrap_or_default();
    let denied = watch.reporter.saw_denials() || counters.denied.iter().any(|&denied| denied > 0);
    state.metrics.borrow_mut().saw(run.id, &counters);
    watch.end(kernel, Counters::default(), Exit::SUCCESS, false, &terminal);
    if let Some(listener) = listener {
        listener.tell(Reply::Over { denied, tripped: counters.tripped != 0 });
    }
    terminal.print("enforcer: over");
    Ok(())
}

/// The program that the run began with, as the kernel has seen it. The kernel tells of the run a moment before it tells of
/// the program.
async fn first<'p>(pump: &'p mut Pump, rings: &mut Rings, kernel: &Enforcement) -> Option<&'p Image> {
    for _ in 0..FIRST {
        // Asked first: what it has told by then is read.
        let is_over = kernel.counters().is_ok_and(|counters| counters.tasks == 0);
        pump.take_images(&mut rings.images);
        if is_over || pump.images().first().is_some() {
            break;
        }
        tokio::time::sleep(FIRST_TICK).await;
    }
    pump.images().first()
}

/// What is known of a run that has just begun.
fn begun(run: &Run, loaded: &Loaded, leader: &Process) -> Known {
    let words = leader.command.iter().map(|word| word.as_encoded_bytes().escape_ascii().to_string());
    Known {
        profile: loaded.compiled.name.clone(),
        pid: run.leader,
        uid: run.uid,
        user: leader.invoker.name.clone(),
        command: words.collect::<Vec<_>>().join(" "),
        started: rfc3339(std::time::SystemTime::now()),
        registries: Vec::new(),
    }
}

/// What was found out; that nothing was is told.
fn told(answer: Result<Registries, crate::run::Error>, terminal: Terminal) -> Registries {
    answer.unwrap_or_else(|error| {
        terminal.warning(&format!("{error}; packages cannot be fetched by this run"));
        Registries::default()
    })
}

/// Waits until no task of the run is left.
async fn left(kernel: &Enforcement) {
    loop {
        tokio::time::sleep(TICK).await;
        match kernel.counters() {
            Ok(counters) if counters.tasks > 0 => {}
            _ => return,
        }
    }
}

/// The places that the kernel has found.
fn places(anchors: &Anchors, loaded: &Loaded) -> Places {
    let value = |index: usize| -> Option<PathBuf> {
        let bytes: Vec<u8> = anchors.words[index].iter().flat_map(|word| word.to_le_bytes()).collect();
        let value = bytes.get(..usize::from(anchors.len[index])).filter(|value| !value.is_empty())?;
        Some(OsString::from_vec(value.to_vec()).into())
    };
    let place = |index| value(index).unwrap_or_default();
    let variables = loaded.compiled.variables.iter().map(|variable| Variable {
        name: variable.name.clone(),
        text: variable.to_string(),
        anchor: variable.anchor,
        value: value(variable.anchor),
    });
    Places { workspace: place(0), home: place(1), tmp: place(2), variables: variables.collect() }
}

/// The run's recording, if runs are recorded.
fn recorder(state: &State, run: u32, recorded: &Recorded<'_>, terminal: Terminal) -> Option<Recorder> {
    let directory = state.options.record.as_ref()?;
    let time = rfc3339(std::time::SystemTime::now()).replace(':', "");
    let path = directory.join(format!("{time}-{run}.jsonl.zst"));
    let file = fs::create_dir_all(directory)
        .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path));
    match file.and_then(|file| Writer::new(file, true)) {
        Ok(writer) => Some(Recorder::new(Some(writer), None, recorded.facts())),
        Err(error) => {
            terminal.warning(&format!("there is no recording of this run: {}: {error}", path.display()));
            None
        }
    }
}

/// What is left of the run for others to check.
fn evidence(state: &State, recorded: &Recorded<'_>, terminal: Terminal, adopted: bool) -> Evidence {
    let name = name_of_run().unwrap_or_default();
    let log = state.options.evidence.as_deref().and_then(|path| {
        let signer = state.options.sign.as_deref().map(Signer::read).transpose();
        match signer.and_then(|signer| Log::open(path, signer)) {
            Ok(log) => Some(log),
            Err(error) => {
                terminal.warning(&format!("{error}; there is no evidence of this run"));
                None
            }
        }
    });
    let opening = if log.is_some() && !adopted { recorded.opening(&name) } else { Vec::new() };
    let legend = recorded.legend.clone();
    Evidence { run: name, log, opening, attest: None, legend, terminal, told: Told::default() }
}
