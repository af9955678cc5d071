// SPDX-License-Identifier: MIT OR Apache-2.0

//! COMMAND's life: the kernel half set up and proven, COMMAND started, events read, signals passed on, the end.

use std::io;

use enforcer_common::run::Counters;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::Child;

use super::{
    Error, Options,
    breaker::Breaker,
    child::Start,
    egress::Service,
    plan::Plan,
    signals::{Received, Signals},
    watch::{TICK, Until, Watch},
};
use crate::{
    events::Pump,
    evidence::Trace,
    exit::Exit,
    kernel::{EgressMaps, Enforcement, Rings},
    recording::Recorder,
    report::{Reporter, terminal::Terminal},
};

/// Runs COMMAND as planned.
pub(super) async fn supervise(
    plan: Plan,
    options: &Options,
    terminal: &Terminal,
    signals: &Signals,
) -> Result<Exit, Error> {
    let mut kernel = Enforcement::start(&plan.table, &plan.setup)?;
    let (rings, maps, before) = match prepare(&mut kernel) {
        Ok(ready) => ready,
        Err(error) => return Err(undo(kernel, error)),
    };
    match signals.pending_stop() {
        Ok(None) => {}
        Ok(Some(signal)) => {
            kernel.finish()?;
            return Ok(Exit::Signal(signal as u8));
        }
        Err(source) => return Err(undo(kernel, Error::System { action: "wait for signals", source })),
    }
    let mut reporter = Reporter::new(*terminal, plan.legend.clone(), plan.enforces());
    let (header, enforces) = (plan.header(), plan.enforces());
    let Plan {
        file,
        command,
        inherited,
        invoker,
        credentials,
        destinations,
        resolver,
        breaker,
        json,
        recording,
        evidence,
        ..
    } = plan;
    let mut evidence = evidence;
    reporter.record(json, header);
    let recorder = recording.map(|(writer, facts)| {
        let trace = options.attest.is_some().then(Trace::default);
        Recorder::new(writer, trace, facts)
    });
    let records = recorder.is_some();
    let answering = Service::start(resolver, destinations, maps, enforces, records)
        .map_err(Error::system("start the resolver"));
    let service = match answering {
        Ok(service) => service,
        Err(error) => return Err(undo(kernel, error)),
    };
    if let Err(error) = evidence.begin() {
        return Err(undo(kernel, error));
    }
    let begun = match options.tree {
        Some(pid) => take_in(&mut kernel, pid, &breaker, terminal).map(|()| None),
        None => kernel.enroller().map_err(Error::from).and_then(|enroller| {
            let (argv, environment, credentials) = (&command, &invoker.environment, &credentials);
            let cgroup = breaker.entrance()?;
            Start { file: &file, argv, environment, credentials, inherited, cgroup }.spawn(enroller).map(Some)
        }),
    };
    let child = match begun {
        Ok(child) => child,
        Err(error) => {
            evidence.refused(&error);
            return Err(undo(kernel, error));
        }
    };
    let mut pump = Pump::default();
    if records {
        pump.images().keep_account();
    }
    let mut watch = Watch::new(rings, pump, reporter, recorder, evidence, breaker);
    watch.service = Some(service);
    let status = match child {
        Some(mut child) => watch.until(exit(&mut child, signals), &kernel, true).await,
        None => watch.until(left(&kernel, signals), &kernel, true).await,
    };
    watch.settle(&kernel).await;
    let status = status.and_then(|until| match until {
        Until::Over(status) => status,
        Until::Frozen => Ok(Exit::Tripped),
    });
    let status = status.unwrap_or_else(|error| {
        terminal.warning(&format!("failed to wait for COMMAND: {error}"));
        Exit::Failed
    });
    Ok(watch.end(kernel, before, status, options.fail_on_denial, terminal))
}

/// Proves that denials happen, and takes the maps. What the proof itself is counted for is not the run's.
fn prepare(kernel: &mut Enforcement) -> Result<(Rings, EgressMaps, Counters), Error> {
    kernel.probe()?;
    let (rings, maps) = kernel.take()?;
    Ok((rings, maps, kernel.counters()?))
}

/// Puts a tree that runs already under the run.
fn take_in(kernel: &mut Enforcement, root: u32, breaker: &Breaker, terminal: &Terminal) -> Result<(), Error> {
    let processes = kernel.attach(root)?;
    let apart = breaker.take_in(&processes);
    if apart > 0 {
        terminal.warning(&format!(
            "{apart} processes could not be put into the run's cgroup: over a budget, they are ended when they attempt something"
        ));
    }
    let more = processes.len() - 1;
    terminal.note(&format!("process {root} is held to the profile, and {more} more that descend from it"));
    Ok(())
}

/// Waits until nothing of the run is left, or somebody asks us to stop.
async fn left(kernel: &Enforcement, signals: &Signals) -> io::Result<Exit> {
    loop {
        tokio::select! {
            signal = signals.asked_to_stop() => return signal.map(|signal| Exit::Signal(signal as u8)),
            () = tokio::time::sleep(TICK) => {}
        }
        if kernel.counters().map_err(io::Error::other)?.tasks == 0 {
            return Ok(Exit::SUCCESS);
        }
    }
}

/// Takes the kernel half down again after an error; nothing was started.
fn undo(kernel: Enforcement, error: Error) -> Error {
    if let Err(error) = kernel.finish() {
        tracing::warn!("failed to clean up: {error}");
    }
    error
}

/// Passes signals on until COMMAND has ended.
pub(super) async fn exit(child: &mut Child, signals: &Signals) -> io::Result<Exit> {
    loop {
        tokio::select! {
            status = child.wait() => return status.map(Exit::from_status),
            received = signals.next() => pass_on(received?, child),
        }
    }
}

/// Passes a signal on to COMMAND, if it has not got it already. COMMAND has not been waited for, so its pid is its own.
fn pass_on(received: Received, child: &Child) {
    let signal: Option<Signal> = received.to_pass_on();
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let (Some(signal), Some(pid)) = (signal, pid) {
        tracing::debug!("passing {signal} on");
        // It may have ended this moment.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}
