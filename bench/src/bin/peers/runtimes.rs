//! Starts, first and warm requests of everybody's functions, in turn.

use std::time::Duration;

use bench::process::Process;
use local::progress::Progress;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::contestants::{Contestant, Places, Workload};
use crate::world::World;

/// Far more than anything takes that works, even where a start has to compile first.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Of a login there are fewer warm invocations, by this factor.
const LOGIN_PART: u32 = 4;

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Amount {
    /// Fresh processes of each function.
    pub starts: u32,
    /// Warm invocations of each function; of a login, a quarter.
    pub invocations: u32,
}

/// What was seen of one function: a value for each start or invocation. Times in ms, memory in MiB.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// Whose.
    pub contestant: Contestant,
    /// What it does.
    pub workload: Workload,
    /// From the start of the process to its first question for an event.
    pub init: Vec<f64>,
    /// Time on a processor until then.
    pub init_cpu: Vec<f64>,
    /// Time on a processor until its first connection to the store, where that came before.
    pub unconnected_cpu: Vec<f64>,
    /// From the first event to its answer.
    pub first: Vec<f64>,
    /// Time on a processor for it.
    pub first_cpu: Vec<f64>,
    /// From each later event to its answer.
    pub warm: Vec<f64>,
    /// Time on a processor for each.
    pub warm_cpu: Vec<f64>,
    /// Resident before the first event.
    pub resident: Vec<f64>,
    /// Resident at most, until the end of the process.
    pub peak: Vec<f64>,
    /// Store calls of one warm invocation, in round trips.
    pub trips: String,
    /// How many requests these were, over TLS.
    pub requests: u64,
    /// Read units of it.
    pub read_units: f64,
    /// Write units of it.
    pub write_units: f64,
    /// Connections that a process had opened at its end.
    pub connections: u64,
}

impl Series {
    /// Nothing seen yet.
    pub fn new(contestant: Contestant, workload: Workload) -> Self {
        Self {
            contestant,
            workload,
            init: Vec::new(),
            init_cpu: Vec::new(),
            unconnected_cpu: Vec::new(),
            first: Vec::new(),
            first_cpu: Vec::new(),
            warm: Vec::new(),
            warm_cpu: Vec::new(),
            resident: Vec::new(),
            peak: Vec::new(),
            trips: String::new(),
            requests: 0,
            read_units: 0.0,
            write_units: 0.0,
            connections: 0,
        }
    }
}

/// Measures all of them. A first round is thrown away, in which caches of files and of compiled code fill up.
pub async fn measure(
    world: &World,
    places: &Places,
    contestants: &[Contestant],
    amount: Amount,
    progress: Progress,
) -> Result<Vec<Series>, Error> {
    let pairs = Workload::ALL.iter().flat_map(|workload| contestants.iter().map(move |who| (*who, *workload)));
    let mut all: Vec<_> =
        pairs.filter(|(who, what)| who.does(*what)).map(|(who, what)| Series::new(who, what)).collect();
    let step = progress.step("Measuring runtimes");
    for round in 0..=amount.starts {
        let count = all.len();
        for turn in 0..count {
            // Nobody always comes after the same neighbour.
            let Some(series) = all.get_mut((turn + usize::try_from(round).unwrap_or_default()) % count) else {
                continue;
            };
            let message = format!("{}, {}", series.contestant.title(), series.workload.name());
            step.reached(u64::from(round), u64::from(amount.starts), &message);
            if round == 0 {
                let amount = Amount { starts: 1, invocations: 1 };
                one_start(world, places, &mut series.clone(), amount).await?;
            } else {
                one_start(world, places, series, amount).await?;
            }
        }
    }
    step.done("Measured runtimes");
    Ok(all)
}

async fn one_start(world: &World, places: &Places, series: &mut Series, amount: Amount) -> Result<(), Error> {
    let (who, what) = (series.contestant, series.workload);
    let event = world.event(who, what).await?;
    world.passed.reset(false);
    let (mut process, init) = start(world, places, who, what).await?;
    let init_cpu = process.cpu();
    let before = world.passed.rest().before;
    series.init.push(ms(init));
    series.init_cpu.push(ms(init_cpu));
    series.unconnected_cpu.push(ms(before.unwrap_or(init_cpu).min(init_cpu)));
    series.resident.push(process.memory().now);
    series.first.push(ms(process.invoke(event).await?));
    series.first_cpu.push(ms(process.cpu().saturating_sub(init_cpu)));
    let part = if what == Workload::Login { LOGIN_PART } else { 1 };
    for _ in 0..(amount.invocations / part).div_ceil(amount.starts) {
        let event = world.event(who, what).await?;
        let before = process.cpu();
        series.warm.push(ms(process.invoke(event).await?));
        series.warm_cpu.push(ms(process.cpu().saturating_sub(before)));
    }
    series.peak.push(process.memory().peak);
    series.connections = world.passed.connections();
    if series.trips.is_empty() {
        count(world, &mut process, series).await?;
    }
    Ok(())
}

/// What one invocation asks of the store.
async fn count(world: &World, process: &mut Process, series: &mut Series) -> Result<(), Error> {
    let event = world.event(series.contestant, series.workload).await?;
    world.forget();
    world.passed.reset(true);
    world.slow(true);
    let answer = process.invoke(event).await;
    world.slow(false);
    answer?;
    let units = world.passed.rest();
    series.requests = world.passed.requests();
    (series.trips, series.read_units, series.write_units) = (world.trips(), units.reads, units.writes);
    Ok(())
}

/// Starts a function, and tells how long it took to ask for its first event.
pub async fn start(
    world: &World,
    places: &Places,
    who: Contestant,
    what: Workload,
) -> Result<(Process, Duration), Error> {
    let command = places.command(who, what);
    Ok(Process::run(what.function(), command, world.environment(who), PATIENCE).await?)
}

/// In milliseconds, to the microsecond: more digits would only make the file longer.
pub fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
