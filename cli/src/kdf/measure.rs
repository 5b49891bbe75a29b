//! How long a hash takes on this machine.

use std::time::{Duration, Instant};

use shared::password::{Cost, Hasher};
use shared::random::SystemRandom;
use shared::secret::Password;

use crate::failure::Failure;

/// How long hashes of one cost took.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) median: Duration,
    /// The slowest of them by the median.
    pub(crate) spread: f64,
}

/// What hashes, and takes the time.
pub(crate) trait Measure {
    /// Hashes of `cost`, one after the other.
    fn hash(&mut self, cost: Cost) -> Result<Measured, Failure>;
}

/// This machine.
pub(crate) struct Here {
    runs: u32,
}

impl Here {
    pub(crate) fn new(runs: u32) -> Self {
        Self { runs }
    }
}

impl Measure for Here {
    fn hash(&mut self, cost: Cost) -> Result<Measured, Failure> {
        let unusable = |_| Failure::Outage("a password could not be hashed here: is there enough memory?".to_owned());
        let hasher = Hasher::new(cost).map_err(unusable)?;
        let password = Password::from_input("correct horse battery staple")
            .ok_or_else(|| Failure::Setup("there is no password to hash".to_owned()))?;
        // A warm function has the memory already, so the first one does not count.
        hasher.hash(&password, &SystemRandom).map_err(unusable)?;
        let mut took = Vec::new();
        for _ in 0..self.runs {
            let started = Instant::now();
            hasher.hash(&password, &SystemRandom).map_err(unusable)?;
            took.push(started.elapsed());
        }
        Ok(summary(took))
    }
}

pub(super) fn summary(mut took: Vec<Duration>) -> Measured {
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or_default();
    let slowest = took.last().copied().unwrap_or_default();
    let spread = if median.is_zero() { 1.0 } else { slowest.div_duration_f64(median) };
    Measured { median, spread }
}
