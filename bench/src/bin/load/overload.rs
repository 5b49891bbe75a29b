//! What happens at twice of what this machine can do, and how soon it is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bench::Error;
use serde::Serialize;

use crate::drive::{self, Crowd};
use crate::report::{Class, classes};
use crate::tally::{Faults, Seen, Tally};

/// How long the capacity is measured, and how long half of it is sent afterwards.
const CAPACITY: Duration = Duration::from_secs(20);
const AFTERWARDS: Duration = Duration::from_secs(30);

/// It is over when so many seconds in a row were good ones. A single bad one later is chance: half of the capacity is on
/// average half, and no more.
const IN_A_ROW: usize = 5;

/// A second is a good one when at most one of so many was refused in it (with a handful of environments, a few logins that
/// come at once are too many at any load), and nobody waited longer than so many milliseconds.
const FEW: u64 = 20;
const PATIENT_MS: f64 = 1000.0;

/// What an accepted request may take under overload (99th percentile), in milliseconds.
pub const BOUND_MS: f64 = 2000.0;

/// How soon it has to be over, in seconds.
pub const RECOVERY_SECONDS: u64 = 10;

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Overload {
    /// Requests a second that were answered, with as many under way as asked for.
    pub capacity: f64,
    /// Seconds of overload.
    pub seconds: u64,
    /// Requests a second that were sent then.
    pub rate: f64,
    /// Requests a second that were answered by a function.
    pub accepted_rate: f64,
    /// 429 of the gateway.
    pub throttled: u64,
    /// 503 of the gateway.
    pub no_room: u64,
    /// 503 of a function, with `Retry-After`.
    pub outages: u64,
    /// Anything else but an answer.
    pub errors: u64,
    /// Requests for which no client was idle: these were not sent.
    pub unsent: u64,
    /// Milliseconds that accepted requests took, from when they were due.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// The same.
    pub longest_ms: f64,
    /// Requests a second afterwards.
    pub rate_afterwards: f64,
    /// Seconds until some in a row were good ones; `None` if none were.
    pub recovered_after: Option<u64>,
    /// Requests that the gateway refused then.
    pub refused_afterwards: u64,
    /// Answers that were no answers then.
    pub errors_afterwards: u64,
    /// By class, under overload.
    pub classes: Vec<Class>,
}

impl Overload {
    /// What is not as it has to be.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let mut fails = |failed: bool, what: String| {
            if failed {
                failures.push(what);
            }
        };
        let errors = self.errors + self.errors_afterwards;
        fails(errors > 0, format!("{errors} errors beside 429 and 503"));
        fails(self.p99_ms > BOUND_MS, format!("accepted requests took {:.0} ms (99th percentile)", self.p99_ms));
        fails(self.unsent > 0, format!("{} requests were not sent: give more --clients", self.unsent));
        let late = self.recovered_after.is_none_or(|seconds| seconds > RECOVERY_SECONDS);
        fails(late, format!("not recovered within {RECOVERY_SECONDS} s"));
        failures
    }
}

/// Measures the capacity, sends twice as much for `length`, then half of it.
pub async fn run(crowd: &Arc<Crowd>, parallel: usize, length: Duration) -> Result<(Overload, Faults), Error> {
    let before = Arc::new(Tally::new());
    drive::closed(crowd, &before, parallel, CAPACITY).await?;
    let capacity = per_second(before.total().answered.count(), before.elapsed());

    let during = Arc::new(Tally::new());
    let unsent = drive::open(crowd, &during, 2.0 * capacity, length).await?;
    let seen = during.total();

    let after = Arc::new(Tally::new());
    let unsent_after = drive::open(crowd, &after, capacity / 2.0, AFTERWARDS).await?;
    let overload = Overload {
        capacity,
        seconds: length.as_secs(),
        rate: 2.0 * capacity,
        accepted_rate: per_second(seen.answered.count(), length),
        throttled: seen.throttled,
        no_room: seen.no_room,
        outages: seen.outages,
        errors: seen.errors,
        unsent: unsent + unsent_after,
        p50_ms: seen.answered.percentile(50),
        p99_ms: seen.answered.percentile(99),
        longest_ms: seen.answered.percentile(100),
        rate_afterwards: capacity / 2.0,
        recovered_after: recovery(&after.seconds()),
        refused_afterwards: after.total().refused(),
        errors_afterwards: after.total().errors,
        classes: classes(&during.classes()),
    };
    Ok((overload, before.faults().with(during.faults()).with(after.faults())))
}

/// How many seconds it took until some in a row were good ones.
fn recovery(seconds: &BTreeMap<u64, Seen>) -> Option<u64> {
    let good = |seen: &Seen| {
        let mostly = seen.refused() * FEW <= seen.refused() + seen.answered.count();
        mostly && seen.outages + seen.errors == 0 && seen.answered.percentile(100) <= PATIENT_MS
    };
    let judged: Vec<_> = seconds.iter().map(|(second, seen)| (*second, good(seen))).collect();
    let over = judged.windows(IN_A_ROW).find(|row| row.iter().all(|(_, good)| *good));
    over.and_then(|row| row.first()).map(|(second, _)| *second)
}

fn per_second(count: u64, time: Duration) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from) / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovered_is_when_five_good_seconds_follow() {
        let bad = Seen { no_room: 1, ..Seen::default() };
        let seconds = |bad_ones: &[u64]| -> BTreeMap<u64, Seen> {
            (0..30)
                .map(|second| (second, if bad_ones.contains(&second) { bad.clone() } else { Seen::default() }))
                .collect()
        };
        assert_eq!(recovery(&seconds(&[])), Some(0));
        assert_eq!(recovery(&seconds(&[0, 4])), Some(5));
        assert_eq!(recovery(&seconds(&[0, 20])), Some(1), "one bad second later is chance");
        assert_eq!(recovery(&seconds(&[3, 7, 11, 15, 19, 23, 27])), None);
    }
}
