// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the service knows: the profiles, and the runs that are under way.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use enforcer_common::{
    run::{PROFILES, Run, place},
    select::Chosen,
    tasks::Labelled,
};
use tokio::sync::{Notify, broadcast};

use super::{
    Error, Options,
    claim::Listener,
    known::Known,
    member::{self, Since},
    metrics::Metrics,
    otlp::Otlp,
    profiles::{self, Loaded, Look},
    reserve::{Reserve, Spare},
    users,
};
use crate::{
    events::Packages,
    evidence::{Entry, Log, Signer, entry},
    kernel::{Service, Setup, service::Offer},
    profile::{Selection, selection},
    report::{denial::package_label, host::rfc3339, terminal::Terminal},
};

/// Events that a slow reader may be behind.
const EVENTS: usize = 4096;
/// Places that are made ready at a time: so that a burst of runs is not kept waiting for the last of them.
const BATCH: usize = 8;

/// What is known of a run that is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub(super) known: Known,
    /// Its profile's stages, by number.
    pub(super) stages: Vec<String>,
    /// The programs that have acted for packages in it.
    pub(super) packages: Packages,
    pub(super) cgroup: Option<PathBuf>,
}

impl Member {
    /// The tasks in each stage.
    pub(super) fn stages_of(&self, run: u32, tasks: &[Labelled]) -> BTreeMap<String, u64> {
        let mut stages = BTreeMap::new();
        for task in tasks.iter().filter(|task| task.run == run) {
            let stage = usize::try_from(task.stage).ok().and_then(|stage| self.stages.get(stage));
            *stages.entry(stage.cloned().unwrap_or_default()).or_default() += 1;
        }
        stages
    }

    /// The packages that processes act for, and how many do.
    pub(super) fn packages_of(&self, run: u32, tasks: &[Labelled]) -> BTreeMap<String, u64> {
        let known = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        let of_run = tasks.iter().filter(|task| task.run == run);
        // A process has the program of its threads, and counts once.
        let processes: BTreeSet<_> = of_run.map(|task| (task.tgid, task.image)).collect();
        let mut packages = BTreeMap::new();
        for package in processes.iter().filter_map(|(_, image)| known.get(image)) {
            *packages.entry(package_label(package)).or_default() += 1;
        }
        packages
    }
}

/// The service.
pub(super) struct State {
    pub(super) options: Options,
    pub(super) terminal: Terminal,
    pub(super) kernel: RefCell<Service>,
    /// What happens, as lines of JSON.
    pub(super) events: broadcast::Sender<Arc<str>>,
    /// The way to a collector.
    pub(super) otlp: Option<Otlp>,
    /// The templates that they are offered by.
    templates: RefCell<BTreeMap<String, u16>>,
    /// Who has asked for a run that has not begun: processes and their users.
    claims: RefCell<BTreeMap<u32, (u32, Listener)>>,
    /// The profiles that are selected by.
    pub(super) profiles: RefCell<Vec<Arc<Loaded>>>,
    /// Those, and what runs still have of before.
    held: RefCell<Vec<Arc<Loaded>>>,
    look: RefCell<Look>,
    /// What was wrong when profiles were last read.
    pub(super) problem: RefCell<Option<String>>,
    pub(super) members: RefCell<BTreeMap<u32, Member>>,
    reserve: RefCell<Reserve>,
    pub(super) metrics: RefCell<Metrics>,
    chosen: Cell<Chosen>,
    stop: Notify,
}

impl State {
    pub(super) fn new(options: Options, terminal: Terminal, kernel: Service) -> Result<Rc<Self>, Error> {
        let chosen = Cell::new(kernel.chosen()?);
        let otlp = options.otlp.clone().map(|collector| Otlp::start(collector, terminal));
        Ok(Rc::new(Self {
            options,
            terminal,
            kernel: RefCell::new(kernel),
            events: broadcast::channel(EVENTS).0,
            otlp,
            templates: RefCell::default(),
            claims: RefCell::default(),
            profiles: RefCell::default(),
            held: RefCell::default(),
            look: RefCell::default(),
            problem: RefCell::default(),
            members: RefCell::default(),
            reserve: RefCell::default(),
            metrics: RefCell::default(),
            chosen,
            stop: Notify::new(),
        }))
    }

    /// Loads the profiles for the first time. If that fails and a service before us has armed the kernel, that stays as it is.
    pub(super) fn load_at_start(&self) -> Result<(), Error> {
        match self.load() {
            Err(error) if self.kernel.borrow().is_armed()? => {
                self.failed(&error);
                Ok(())
            }
            loaded => loaded,
        }
    }

    /// Reads profiles anew. If something is wrong, everything stays as it is.
    pub(super) fn reload(&self) {
        match self.load() {
            Ok(()) => self.terminal.note(&format!("profiles read: {}", self.summary())),
            Err(error) => self.failed(&error),
        }
    }

    /// Whether profiles have changed since they were last read.
    pub(super) fn profiles_changed(&self) -> bool {
        profiles::look(&self.options.profiles).is_ok_and(|look| look != *self.look.borrow())
    }

    fn failed(&self, error: &Error) {
        self.terminal.warning(&format!("profiles stay as they were: {error}"));
        *self.problem.borrow_mut() = Some(error.to_string());
    }

    /// Reads, checks and compiles all profiles, and has the kernel enrol by them, all at once.
    fn load(&self) -> Result<(), Error> {
        let look = profiles::look(&self.options.profiles)?;
        // Also if they cannot be used: they are not looked at again before they change.
        self.look.replace(look.clone());
        let all = profiles::read(&look)?;
        if all.len() > PROFILES as usize {
            let (found, limit) = (all.len(), PROFILES as usize);
            return Err(selection::Error::Excess { what: "profiles", found, limit }.into());
        }
        let mut kernel = self.kernel.borrow_mut();
        let first = kernel.first_template()?;
        // Those that select nothing, too: they can be asked for.
        let numbered: Vec<_> = all.iter().map(|loaded| &loaded.compiled).zip(first..).collect();
        let selection = Selection::new(&numbered, users::named)?;
        let offers: Vec<Offer<'_>> = all
            .iter()
            .map(|loaded| Offer {
                table: &loaded.compiled.table,
                setup: Setup {
                    record: self.options.record.is_some(),
                    timed: self.options.metrics.is_some(),
                    ..Setup::of(&loaded.compiled, 0)
                },
                sources: selection.sources(&loaded.compiled),
            })
            .collect();
        kernel.users(&users::homes())?;
        kernel.arm(&offers, selection.words())?;
        self.templates.replace(all.iter().map(|loaded| loaded.compiled.name.clone()).zip(first..).collect());
        let live = kernel.runs()?;
        drop(kernel);
        let mut held = self.held.borrow_mut();
        held.retain(|loaded| live.iter().any(|(_, run)| run.digest == loaded.compiled.digest));
        held.extend(all.iter().cloned());
        self.metrics.borrow_mut().loaded(all.iter().map(AsRef::as_ref));
        self.profiles.replace(all);
        self.problem.replace(None);
        self.leave_evidence(true)
    }

    /// Adds to the evidence what is enrolled from now on.
    fn leave_evidence(&self, armed: bool) -> Result<(), Error> {
        let Some(path) = &self.options.evidence else { return Ok(()) };
        let signer = self.options.sign.as_deref().map(Signer::read).transpose()?;
        let profiles = self.profiles.borrow();
        let selecting =
            profiles.iter().map(|loaded| &loaded.compiled).filter(|profile| !profile.select.is_empty());
        let named = selecting.map(|profile| (profile.name.clone(), profile.digest_text()));
        let profiles = if armed { named.collect() } else { BTreeMap::new() };
        let entry = entry::Service { enforcer: env!("CARGO_PKG_VERSION"), armed, profiles };
        Log::open(path, signer)?.append(&[Entry::Service(entry)])?;
        Ok(())
    }

    /// Takes over the runs that a service before us has left.
    pub(super) fn adopt(self: &Rc<Self>) {
        self.find(true);
    }

    /// Takes up what has begun, and makes places ready for what will.
    pub(super) fn look(self: &Rc<Self>) {
        self.find(false);
        let (mut reserve, mut kernel) = (self.reserve.borrow_mut(), self.kernel.borrow_mut());
        for _ in 0..BATCH {
            if reserve.len() >= self.options.reserve {
                return;
            }
            match reserve.add(&mut kernel, self.options.record.is_some()) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!("no place could be made ready: {error}");
                    return;
                }
            }
        }
        // There is more to do, when what waits has had its turn.
        let state = Rc::clone(self);
        tokio::task::spawn_local(async move {
            tokio::task::yield_now().await;
            state.look();
        });
    }

    /// Takes up the runs that are not known yet.
    fn find(self: &Rc<Self>, adopted: bool) {
        let runs = match self.kernel.borrow().runs() {
            Ok(runs) => runs,
            Err(error) => {
                tracing::warn!("runs could not be looked for: {error}");
                return;
            }
        };
        self.metrics.borrow_mut().left(&runs);
        for (_, run) in runs {
            if !self.members.borrow().contains_key(&run.id) {
                self.take_up(run, adopted);
            }
        }
    }

    fn take_up(self: &Rc<Self>, run: Run, adopted: bool) {
        let recorded = self.options.record.is_some();
        let found = self.reserve.borrow_mut().take(place(run.id));
        let spare = match found {
            Some(spare) => Ok(spare),
            None => Spare::at(&mut self.kernel.borrow_mut(), place(run.id), recorded),
        };
        let loaded = self.held.borrow().iter().find(|loaded| loaded.compiled.digest == run.digest).cloned();
        let spare = match spare {
            Ok(spare) => spare,
            Err(error) => {
                // It is found again at the next look.
                let id = run.id;
                self.terminal
                    .of_run(id)
                    .warning(&format!("nobody watches this run yet: {error}; it is enforced"));
                return;
            }
        };
        // What the kernel tells. The command is known when its program has been seen.
        let profile = loaded.as_ref().map(|loaded| loaded.compiled.name.clone()).unwrap_or_default();
        let started = rfc3339(SystemTime::now());
        let known = Known { profile, pid: run.leader, uid: run.uid, started, ..Known::default() };
        self.metrics.borrow_mut().found(&run, &known, adopted, &self.kernel.borrow());
        self.members.borrow_mut().insert(run.id, Member { known, ..Member::default() });
        let listener = self.claims.borrow_mut().remove(&run.claimant).map(|(_, listener)| listener);
        tokio::task::spawn_local(member::keep(
            Rc::clone(self),
            run,
            spare,
            loaded,
            Since { adopted, listener },
        ));
    }

    /// A run has begun.
    pub(super) fn begun(&self, run: u32, known: Known, stages: Vec<String>, packages: Packages) {
        self.members.borrow_mut().insert(run, Member { known, stages, packages, cgroup: None });
    }

    /// What this process starts next is enrolled under the profile of this name.
    pub(super) fn claim(
        &self,
        process: u32,
        uid: u32,
        profile: &str,
        listener: Listener,
    ) -> Result<(), Error> {
        let templates = self.templates.borrow();
        let Some(&template) = templates.get(profile) else {
            let known: Vec<_> = templates.keys().cloned().collect();
            return Err(Error::NoProfile { name: profile.to_owned(), known: known.join(", ") });
        };
        let mut claims = self.claims.borrow_mut();
        if claims.contains_key(&process) {
            return Err(Error::Claimed);
        }
        self.kernel.borrow_mut().claim(process, template)?;
        claims.insert(process, (uid, listener));
        Ok(())
    }

    /// How many processes of a user wait for runs.
    pub(super) fn claims_of(&self, uid: u32) -> usize {
        self.claims.borrow().values().filter(|(of, _)| *of == uid).count()
    }

    /// It is not any more.
    pub(super) fn disclaim(&self, process: u32) {
        if self.claims.borrow_mut().remove(&process).is_some()
            && let Err(error) = self.kernel.borrow_mut().disclaim(process)
        {
            tracing::warn!("{error}");
        }
    }

    /// Takes back what a service before us has promised to processes that have ended.
    pub(super) fn forget_claims(&self) {
        let is_there = |process: u32| Path::new("/proc").join(process.to_string()).exists();
        if let Err(error) = self.kernel.borrow_mut().forget_claims(is_there) {
            tracing::warn!("{error}");
        }
    }

    /// The cgroup of a run.
    pub(super) fn in_cgroup(&self, run: u32, dir: Option<&Path>) {
        if let Some(member) = self.members.borrow_mut().get_mut(&run) {
            member.cgroup = dir.map(Path::to_owned);
        }
    }

    /// How many places are ready.
    pub(super) fn ready(&self) -> usize {
        self.reserve.borrow().len()
    }

    /// A run is over.
    pub(super) fn over(&self, run: u32) {
        self.members.borrow_mut().remove(&run);
        let (mut reserve, mut kernel) = (self.reserve.borrow_mut(), self.kernel.borrow_mut());
        if let Ok(runs) = kernel.runs() {
            self.metrics.borrow_mut().left(&runs);
        }
        let recorded = self.options.record.is_some();
        if let Err(error) = reserve.keep(place(run), &mut kernel, recorded, self.options.reserve) {
            tracing::warn!("a place could not be made ready again: {error}");
        }
    }

    /// Says what could not be enrolled since this was last asked.
    pub(super) fn tell_chosen(&self) {
        let Ok(now) = self.kernel.borrow().chosen() else { return };
        let before = self.chosen.replace(now);
        let told = [
            (now.full - before.full, "killed: there was no place for another run"),
            (
                now.unusable - before.unusable,
                "killed: one of the directories that the profile's variables stand for is too long, or not absolute",
            ),
            (now.gone - before.gone, "killed: the profile that was asked for had gone"),
            (
                now.missed - before.missed,
                "not looked at, hence not enrolled: there was no buffer to do that in",
            ),
        ];
        for (count, what) in told.into_iter().filter(|(count, _)| *count > 0) {
            self.terminal.warning(&format!("{count} commands were {what}"));
        }
    }

    /// Has the kernel enrol nothing any more.
    pub(super) fn disarm(&self) -> Result<(), Error> {
        // The places that are ready go with it: the programs are taken down if nothing is under way.
        self.reserve.take();
        self.kernel.borrow_mut().disarm()?;
        self.leave_evidence(false)
    }

    /// Waits until somebody has asked us to stop.
    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }

    /// Asks us to stop.
    pub(super) fn ask_to_stop(&self) {
        self.stop.notify_one();
    }

    /// One line about everything.
    pub(super) fn summary(&self) -> String {
        let profiles = self.profiles.borrow();
        let selecting = profiles.iter().filter(|loaded| !loaded.compiled.select.is_empty()).count();
        let problem = if self.problem.borrow().is_some() {
            "; the last change of the profiles was refused"
        } else {
            ""
        };
        format!(
            "{} profiles, {selecting} of which select commands; {} runs under way{problem}",
            profiles.len(),
            self.members.borrow().len()
        )
    }
}
