//! What is counted of each function.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bench::plan::{self, Plan};
use bench::process::is_success;
use bench::stack::Stack;
use local::progress::Progress;
use local::template::Function;
use serde::{Deserialize, Serialize};
use shared::api::ROUTES;

use crate::Error;
use crate::callgrind::Counted;

/// Hashes cost next to nothing, so that a change of our own code is seen beside them.
const SETTINGS: &[(&str, &str)] = &[("Argon2MemoryKiB", "8"), ("Argon2Iterations", "1")];

/// What can't be asked again in the same words: who changed a password has no longer the old one.
const ONCE: &[&str] = &[plan::UNMEASURED, "user-password"];

/// Warm requests that are counted.
const REQUESTS: u32 = 10;

/// Runs of one event until one is without a store call that was made again, or given up.
const TRIES: u32 = 5;

/// Functions at a time.
const AT_ONCE: usize = 2;

/// The instructions of one function for one of its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Figures {
    /// From the start to the first connection, to whatever it is.
    pub before_first_connection: u64,
    /// From the start to the first question for an event.
    pub initialisation: u64,
    /// The first request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first_request: Option<u64>,
    /// A request after it, on average.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warm_request: Option<u64>,
}

impl Figures {
    /// Each with its name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let requests = [("first request", self.first_request), ("warm request", self.warm_request)];
        [("before the first connection", self.before_first_connection), ("initialisation", self.initialisation)]
            .into_iter()
            .chain(requests.into_iter().filter_map(|(name, figure)| Some((name, figure?))))
    }
}

/// What is counted, by event: its function, and of some functions also what follows a dot.
pub type Counts = BTreeMap<String, Figures>;

/// Everything that can be counted, and whether there is an event for it.
pub fn events() -> impl Iterator<Item = (&'static str, bool)> {
    let routes = ROUTES.iter().map(|route| (route.name, !ONCE.contains(&route.name)));
    let more = plan::MORE.iter().map(|event| (*event, true));
    routes.chain(more).chain([("rotate-signing-keys", false)])
}

/// The function's binary in a folder of them: of `sam build`, of `cargo lambda build`, or of cargo itself.
pub fn binary(folder: &Path, functions: &[Function], event: &str) -> Result<PathBuf, Error> {
    let name = plan::function(event);
    let logical = functions.iter().find(|function| function.binary == name).map_or(name, |found| &found.logical_id);
    let places = [folder.join(logical).join("bootstrap"), folder.join(name).join("bootstrap"), folder.join(name)];
    let found = places.into_iter().find(|place| place.is_file());
    found.ok_or_else(|| Error::NoBinary { function: name.to_owned(), folder: folder.to_owned() })
}

/// Counts all `events`, some at a time.
pub fn count(folder: &Path, events: &[(&'static str, bool)], progress: Progress) -> Result<Counts, Error> {
    let (step, of) = (Mutex::new(progress.step("Counting")), events.len() as u64);
    let (left, done) = (Mutex::new(events.iter().copied().collect::<VecDeque<_>>()), Mutex::new(Counts::new()));
    let work = || -> Result<(), Error> {
        loop {
            let next = locked(&left).pop_front();
            let Some((event, requests)) = next else { return Ok(()) };
            locked(&step).reached(locked(&done).len() as u64, of, event);
            let figures = crate::block_on(one(folder, event, requests))??;
            locked(&done).insert(event.to_owned(), figures);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| Error::Interrupted)?)
    })?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A machine with much else to do lets a store call run into its time limit, and the function makes it again: that is
/// none of its own work.
async fn one(folder: &Path, event: &'static str, requests: bool) -> Result<Figures, Error> {
    let mut again = None;
    for _ in 0..TRIES {
        // What a listing holds must not depend on who was counted before.
        let stack = Stack::start(SETTINGS).await?;
        let binary = binary(folder, &stack.functions()?, event)?;
        match counted(&stack, &binary, event, requests).await {
            Err(error @ (Error::Repeated { .. } | Error::Bench(bench::Error::Answer { .. }))) => again = Some(error),
            other => return other,
        }
    }
    Err(again.unwrap_or(Error::Interrupted))
}

async fn counted(stack: &Stack, binary: &Path, event: &'static str, requests: bool) -> Result<Figures, Error> {
    let scratch = crate::scratch(event)?;
    let mut function = Counted::start(plan::function(event), binary, &stack.environment, scratch).await?;
    let start = function.instructions().await?;
    let mut figures = Figures {
        before_first_connection: start.first().copied().unwrap_or_default(),
        initialisation: start.iter().sum(),
        ..Figures::default()
    };
    if requests {
        figures.first_request = Some(several(stack, &mut function, event, 1).await?);
        figures.warm_request = Some(several(stack, &mut function, event, REQUESTS).await?);
    }
    Ok(figures)
}

/// The instructions of one of `times` requests, on average.
async fn several(stack: &Stack, function: &mut Counted, event: &str, times: u32) -> Result<u64, Error> {
    let _earlier = stack.recorder.take();
    for _ in 0..times {
        let answer = function.exchange(stack.event(event).await?).await?;
        if !is_success(&answer) {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            return Err(bench::Error::Answer { function: event.to_owned(), answer }.into());
        }
    }
    let total: u64 = function.instructions().await?.iter().sum();
    let (calls, planned) = (stack.recorder.take().len(), Plan::of(event).calls() * times as usize);
    // A first request may read the rules of a tenant, which are kept for a while.
    if calls == planned || times == 1 && calls == planned + 1 {
        Ok(total / u64::from(times))
    } else {
        Err(Error::Repeated { event: event.to_owned(), calls, planned })
    }
}
