//! The memory and the open files of every environment, while it works.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bench::process::Memory;
use serde::Serialize;

use crate::drive::Crowd;
use crate::gateway::Environment;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Until then an environment meets everything for the first time: connections, caches, the buffer for a hash.
const SETTLED: Duration = Duration::from_mins(1);

/// How much one environment may grow after that, in MiB, and all of them together, in percent; and by how many files.
const MOST_MIB: f64 = 2.0;
const MOST_PERCENT: f64 = 5.0;
const MOST_FILES: usize = 2;

/// One look.
struct Look {
    at: Duration,
    /// MiB resident, and open files.
    environments: BTreeMap<Environment, (f64, usize)>,
}

/// Looks while it is alive.
pub struct Watch {
    looks: Arc<Mutex<Vec<Look>>>,
    task: tokio::task::JoinHandle<()>,
}

/// What was seen of one function's environments.
#[derive(Debug, Serialize)]
pub struct Growth {
    /// The function.
    pub function: &'static str,
    /// How many environments.
    pub environments: usize,
    /// MiB resident of the largest when all had settled.
    pub settled_mib: f64,
    /// And at the end.
    pub end_mib: f64,
    /// MiB that one of them grew at most.
    pub grown_mib: f64,
    /// Open files of the one that had most when all had settled.
    pub settled_files: usize,
    /// And at the end.
    pub end_files: usize,
}

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Held {
    /// When all had settled, in seconds after the start; `None` where the run was too short to judge.
    pub settled_seconds: Option<f64>,
    /// All environments together, in MiB, when they had settled.
    pub settled_mib: f64,
    /// And at the end.
    pub end_mib: f64,
    /// The slope of the line through all looks since then, in KiB a minute and environment.
    pub slope_kib: f64,
    /// By function.
    pub functions: Vec<Growth>,
}

impl Held {
    /// Whether memory and files stayed where they were, or the run was too short to say.
    pub fn is_flat(&self) -> bool {
        let flat =
            |growth: &Growth| growth.grown_mib <= MOST_MIB && growth.end_files <= growth.settled_files + MOST_FILES;
        self.settled_seconds.is_none()
            || (self.end_mib <= self.settled_mib * (1.0 + MOST_PERCENT / 100.0) && self.functions.iter().all(flat))
    }

    /// What [`Held::is_flat`] asks for.
    pub fn rule() -> String {
        format!(
            "after the first minute no environment grows by more than {MOST_MIB} MiB or {MOST_FILES} open files, nor all \
             together by more than {MOST_PERCENT} %"
        )
    }
}

impl Watch {
    /// Begins.
    pub fn start(crowd: &Arc<Crowd>) -> Self {
        let (looks, crowd) = (Arc::new(Mutex::new(Vec::new())), Arc::clone(crowd));
        let (seen, began) = (Arc::clone(&looks), Instant::now());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                ticks.tick().await;
                let environments = crowd.gateway.environments().into_iter().map(|one| (one, look(one.process)));
                let look = Look { at: began.elapsed(), environments: environments.collect() };
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(look);
            }
        });
        Self { looks, task }
    }

    /// Ends, and tells.
    pub fn end(self) -> Held {
        self.task.abort();
        held(&self.looks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn look(process: u32) -> (f64, usize) {
    let files = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
    (Memory::of(process).now, files)
}

fn held(looks: &[Look]) -> Held {
    let judged = looks.last().is_some_and(|last| last.at >= 2 * SETTLED);
    let since = if judged { SETTLED } else { Duration::ZERO };
    let later: Vec<_> = looks.iter().filter(|look| look.at >= since).collect();
    let nothing = BTreeMap::new();
    let settled = later.first().map_or(&nothing, |look| &look.environments);
    let end = later.last().map_or(&nothing, |look| &look.environments);
    let sum = |of: &BTreeMap<Environment, (f64, usize)>| of.values().map(|(mib, _)| mib).sum::<f64>();
    let mut functions: Vec<Growth> = Vec::new();
    for (one, (mib, files)) in end {
        let (before, files_before) = settled.get(one).copied().unwrap_or_default();
        if functions.last().is_none_or(|last| last.function != one.function) {
            functions.push(Growth {
                function: one.function,
                environments: 0,
                settled_mib: 0.0,
                end_mib: 0.0,
                grown_mib: f64::MIN,
                settled_files: 0,
                end_files: 0,
            });
        }
        if let Some(growth) = functions.last_mut() {
            growth.environments += 1;
            growth.settled_mib = growth.settled_mib.max(before);
            growth.end_mib = growth.end_mib.max(*mib);
            growth.grown_mib = growth.grown_mib.max(mib - before);
            growth.settled_files = growth.settled_files.max(files_before);
            growth.end_files = growth.end_files.max(*files);
        }
    }
    let points: Vec<_> = later.iter().map(|look| (look.at.as_secs_f64() / 60.0, sum(&look.environments))).collect();
    let count = u32::try_from(end.len()).map_or(1.0, f64::from).max(1.0);
    Held {
        settled_seconds: judged.then(|| later.first().map_or(0.0, |look| look.at.as_secs_f64())),
        settled_mib: sum(settled),
        end_mib: sum(end),
        slope_kib: slope(&points) * 1024.0 / count,
        functions,
    }
}

/// Of the line with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = u32::try_from(points.len()).map_or(1.0, f64::from).max(1.0);
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(minutes: u64, mib: impl Fn(u64) -> f64, files: impl Fn(u64) -> usize) -> Held {
        let one = Environment { function: "user-login", process: 1 };
        let look = |minute| Look {
            at: Duration::from_mins(minute),
            environments: BTreeMap::from([(one, (mib(minute), files(minute)))]),
        };
        held(&(0..=minutes).map(look).collect::<Vec<_>>())
    }

    #[test]
    fn growth_after_the_first_minute_is_not_flat() {
        let settling = |minute: u64| if minute == 0 { 10.0 } else { 30.0 };
        assert!(run(10, settling, |_| 9).is_flat());
        let leaking = |minute| settling(minute) + f64::from(u32::try_from(minute).unwrap()) * 0.25;
        let leaked = run(10, leaking, |_| 9);
        assert!(!leaked.is_flat());
        assert!((leaked.slope_kib - 256.0).abs() < 1.0, "{}", leaked.slope_kib);
        assert!(!run(10, settling, |minute| 9 + usize::try_from(minute).unwrap()).is_flat());
        assert!(run(1, leaking, |_| 9).settled_seconds.is_none(), "too short to be judged");
    }
}
