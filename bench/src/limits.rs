//! What the figures are held against. Nothing fails when one is missed: times are a machine's as much as the code's.

use serde::Serialize;

use crate::plan;
use crate::report::Row;

/// A bar, and the function that comes nearest to it or is farthest over it.
#[derive(Debug, Serialize)]
pub struct Limit {
    /// What is limited.
    pub what: &'static str,
    /// The highest good value.
    pub most: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The worst value seen.
    pub measured: f64,
    /// Of this function.
    pub function: &'static str,
}

impl Limit {
    /// Whether every function keeps it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.measured <= self.most
    }
}

/// All limits, each with its worst function. `hash_cpu_ms` is a bare hash's time on a processor.
#[must_use]
pub fn check(rows: &[Row], hash_cpu_ms: f64) -> Vec<Limit> {
    let all = |_: &Row| true;
    let hashing = |row: &Row| row.hashes;
    let others = |row: &Row| !row.hashes;
    // Where the store is not called, a request takes as long as a thread takes to wake up.
    let calling = |row: &Row| row.store_calls != plan::NO_CALLS;
    [
        worst(rows, ("initialisation", 15.0, "ms"), all, |row| row.init_ms),
        worst(rows, ("resident before the first hash", 30.0, "MiB"), all, |row| row.resident_mib),
        worst(rows, ("own time of a login", 2.0, "ms"), hashing, |row| row.own_ms),
        worst(rows, ("own time of any other request", 2.0, "ms"), others, |row| row.own_ms),
        worst(rows, ("first request against a warm one", 1.3, "times"), calling, |row| row.first_ms / row.median_ms),
        worst(rows, ("processor time of a login over the hash's", 15.0, "%"), hashing, |row| {
            (row.cpu_ms / hash_cpu_ms - 1.0) * 100.0
        }),
        worst(rows, ("peak memory with a hash", 36.0, "MiB"), hashing, |row| row.peak_mib),
        worst(rows, ("peak memory without a hash", 12.0, "MiB"), others, |row| row.peak_mib),
        worst(rows, ("binary", 5.0, "MB"), all, |row| row.binary_mb),
        worst(rows, ("binary, zipped", 2.5, "MB"), all, |row| row.zipped_mb.unwrap_or_default()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn worst(
    rows: &[Row],
    (what, most, unit): (&'static str, f64, &'static str),
    concerned: impl Fn(&Row) -> bool,
    value: impl Fn(&Row) -> f64,
) -> Option<Limit> {
    let values = rows.iter().filter(|row| concerned(row)).map(|row| (value(row), row.function));
    let (measured, function) = values.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    Some(Limit { what, most, unit, measured, function })
}
