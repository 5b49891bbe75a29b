//! What was measured, as it is kept in bench/results: each suite in a file of its own, with the machine and the day.

use std::fs;
use std::path::PathBuf;

use bench::Error as BenchError;
use bench::machine::Machine;
use bench::report::percentile;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::contestants::{Contestant, Workload};
use crate::memory_sizes::Sized;
use crate::runtimes::{Amount, Series};
use crate::signatures::Signatures;

/// A suite's figures, and where and how they were taken.
#[derive(Debug, Serialize, Deserialize)]
pub struct Suite<T> {
    /// Where and when.
    pub machine: Machine,
    /// How much.
    pub amount: Amount,
    /// What was seen.
    pub figures: T,
}

/// Everything that was measured at one time or another.
#[derive(Debug, Default)]
pub struct Results {
    /// Starts and requests.
    pub runtimes: Option<Suite<Vec<Series>>>,
    /// Logins by memory size.
    pub memory_sizes: Option<Suite<Vec<Sized>>>,
    /// Signatures.
    pub signatures: Option<Suite<Signatures>>,
}

const RUNTIMES: &str = "peers-runtimes.json";
const MEMORY_SIZES: &str = "peers-memory-sizes.json";
const SIGNATURES: &str = "peers-signatures.json";

impl Results {
    /// What is kept.
    pub fn kept() -> Result<Self, Error> {
        Ok(Self { runtimes: load(RUNTIMES)?, memory_sizes: load(MEMORY_SIZES)?, signatures: load(SIGNATURES)? })
    }

    /// Keeps it.
    pub fn keep(&self) -> Result<(), Error> {
        save(RUNTIMES, self.runtimes.as_ref())?;
        save(MEMORY_SIZES, self.memory_sizes.as_ref())?;
        save(SIGNATURES, self.signatures.as_ref())
    }

    /// The figures of one function.
    pub fn series(&self, contestant: Contestant, workload: Workload) -> Option<&Series> {
        let all = &self.runtimes.as_ref()?.figures;
        all.iter().find(|series| (series.contestant, series.workload) == (contestant, workload))
    }
}

/// The middle one.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

fn place(name: &str) -> PathBuf {
    local::workspace().join("bench/results").join(name)
}

fn load<T: DeserializeOwned>(name: &str) -> Result<Option<T>, Error> {
    let path = place(name);
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    Ok(Some(serde_json::from_str(&text).map_err(|source| BenchError::Json { path, source })?))
}

fn save<T: Serialize>(name: &str, suite: Option<&T>) -> Result<(), Error> {
    let Some(suite) = suite else { return Ok(()) };
    let path = place(name);
    let text = serde_json::to_string(suite).map_err(BenchError::Print)?;
    let folder = local::workspace().join("bench/results");
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text + "\n"));
    Ok(written.map_err(|source| BenchError::File { path, source })?)
}

#[cfg(test)]
impl<T> Suite<T> {
    /// Figures that nobody measured.
    pub fn of_nowhere(figures: T) -> Self {
        Self { machine: bench::machine::describe(), amount: Amount { starts: 1, invocations: 1 }, figures }
    }
}
