//! What was seen: requests by class and by second, and every answer that was not right.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::gateway::{By, Reply};

/// How many faults are told in words; all are counted.
const TOLD: usize = 20;

/// Steps of the histogram: each is 2 % wider than the one before, from 10 µs on.
const STEP: f64 = 1.02;
const FIRST: f64 = 0.01;

/// An answer that was not right.
#[derive(Debug)]
pub enum Fault {
    /// What was acknowledged is not there, or what must succeed failed.
    Lost(String),
    /// A wrong answer: what must be refused was accepted, or an answer is about somebody else.
    Wrong(String),
}

/// How often something took how long.
#[derive(Clone, Debug, Default)]
pub struct Times {
    buckets: BTreeMap<u16, u64>,
    count: u64,
    longest: f64,
}

impl Times {
    fn add(&mut self, took: Duration) {
        let ms = took.as_secs_f64() * 1000.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded right before")]
        let bucket = ((ms / FIRST).ln() / STEP.ln()).clamp(0.0, 60_000.0) as u16;
        *self.buckets.entry(bucket).or_default() += 1;
        self.count += 1;
        self.longest = self.longest.max(ms);
    }

    /// The milliseconds that so many percent of them did not exceed, to 2 %.
    pub fn percentile(&self, percent: u64) -> f64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let bucket = self.buckets.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        bucket.map_or(0.0, |(bucket, _)| (FIRST * STEP.powi(i32::from(*bucket) + 1)).min(self.longest))
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }

    fn merge(&mut self, other: &Self) {
        other.buckets.iter().for_each(|(bucket, count)| *self.buckets.entry(*bucket).or_default() += count);
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }
}

/// What became of requests.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Answered by the function with anything but an outage.
    pub answered: Times,
    /// 429 of the gateway.
    pub throttled: u64,
    /// 503 of the gateway: no environment was free.
    pub no_room: u64,
    /// 503 of a function, with `Retry-After`.
    pub outages: u64,
    /// Anything else: other 5xx, a 503 of a function that doesn't say when to try again, an environment that ended.
    pub errors: u64,
}

impl Seen {
    fn add(&mut self, reply: &Reply, took: Duration) {
        match (reply.by, reply.status) {
            (By::Throttle, _) => self.throttled += 1,
            (By::NoRoom, _) => self.no_room += 1,
            (By::Function, 503) if reply.retry_after => self.outages += 1,
            (By::Function, ..500) => self.answered.add(took),
            _ => self.errors += 1,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.answered.merge(&other.answered);
        self.throttled += other.throttled;
        self.no_room += other.no_room;
        self.outages += other.outages;
        self.errors += other.errors;
    }

    /// Refused by the gateway.
    pub fn refused(&self) -> u64 {
        self.throttled + self.no_room
    }
}

/// Everything of one phase.
#[derive(Debug)]
pub struct Tally {
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    classes: BTreeMap<&'static str, Seen>,
    /// By the second in which a request was due.
    seconds: BTreeMap<u64, Seen>,
    faults: Faults,
}

/// Answers that were not right.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Faults {
    /// How many acknowledged things were not there.
    pub lost: u64,
    /// How many answers were wrong.
    pub wrong: u64,
    /// The first of both, in words.
    pub told: Vec<String>,
}

impl Faults {
    /// Whether there was none.
    pub fn is_none(&self) -> bool {
        self.lost + self.wrong == 0
    }

    /// Both together.
    pub fn with(mut self, other: Self) -> Self {
        self.lost += other.lost;
        self.wrong += other.wrong;
        self.told.extend(other.told);
        self.told.truncate(TOLD);
        self
    }
}

impl Tally {
    /// Of a phase that begins now.
    pub fn new() -> Self {
        Self { started: Instant::now(), inner: Mutex::default() }
    }

    /// A request that was due at `due` has its answer.
    pub fn note(&self, class: &'static str, reply: &Reply, due: Instant) {
        let took = due.elapsed();
        let second = (due - self.started).as_secs();
        self.change(|inner| {
            inner.classes.entry(class).or_default().add(reply, took);
            inner.seconds.entry(second).or_default().add(reply, took);
        });
    }

    /// An answer was not right.
    pub fn fault(&self, fault: Fault) {
        self.change(|inner| {
            let (count, text) = match fault {
                Fault::Lost(text) => (&mut inner.faults.lost, format!("lost: {text}")),
                Fault::Wrong(text) => (&mut inner.faults.wrong, format!("wrong: {text}")),
            };
            *count += 1;
            if inner.faults.told.len() < TOLD {
                inner.faults.told.push(text);
            }
        });
    }

    /// By class.
    pub fn classes(&self) -> BTreeMap<&'static str, Seen> {
        self.change(|inner| inner.classes.clone())
    }

    /// By second.
    pub fn seconds(&self) -> BTreeMap<u64, Seen> {
        self.change(|inner| inner.seconds.clone())
    }

    /// All together.
    pub fn total(&self) -> Seen {
        self.change(|inner| {
            let mut total = Seen::default();
            inner.classes.values().for_each(|seen| total.merge(seen));
            total
        })
    }

    /// What was not right.
    pub fn faults(&self) -> Faults {
        self.change(|inner| inner.faults.clone())
    }

    /// How long it has been.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_true_to_two_percent() {
        let mut times = Times::default();
        (1..=1000).for_each(|ms| times.add(Duration::from_millis(ms)));
        for (percent, expected) in [(50, 500.0), (95, 950.0), (99, 990.0), (100, 1000.0)] {
            let told = times.percentile(percent);
            assert!((told / expected - 1.0).abs() <= 0.021, "{percent}: {told}");
        }
        assert!(Times::default().percentile(50).abs() < f64::EPSILON);
    }

    #[test]
    fn an_outage_without_a_word_about_later_is_an_error() {
        let reply = |by, status, retry_after| Reply { by, status, body: serde_json::Value::Null, retry_after };
        let mut seen = Seen::default();
        for one in [
            reply(By::Function, 503, true),
            reply(By::Function, 503, false),
            reply(By::Function, 500, true),
            reply(By::Broken, 502, false),
            reply(By::NoRoom, 503, false),
            reply(By::Throttle, 429, false),
            reply(By::Function, 401, false),
        ] {
            seen.add(&one, Duration::from_millis(1));
        }
        assert_eq!((seen.outages, seen.errors, seen.refused(), seen.answered.count()), (1, 3, 2, 1));
    }
}
