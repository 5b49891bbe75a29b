//! `ostiary kdf calibrate`: parameters of the password hash for functions of a size, from how fast this machine is.
//!
//! Invariant: what is proposed is no less than [the least](LEAST) that OWASP recommends, and in the bounds of what the
//! template takes and the functions compute. Where that does not fit the time, nothing is proposed.

mod measure;
mod report;

use std::time::Duration;

use shared::password::{Cost, IMPLEMENTATION};

use self::measure::Measure;
use crate::arguments::Calibrate;
use crate::failure::Failure;
use crate::output::Answer;

/// The least that may be set. OWASP's Password Storage Cheat Sheet has five choices that it calls equal; this is the one
/// that the template takes as its least, and whose memory fits every function.
const LEAST: Cost = Cost { memory_kib: 19_456, iterations: 2, parallelism: 1 };

/// The memory sizes that are tried, in KiB: from the template's least to its most.
const SIZES: [u32; 5] = [19_456, 32_768, 40_960, 47_104, 65_536];

/// The most passes that the template takes.
const MOST_ITERATIONS: u32 = 10;

/// Of Lambda's memory, as its documentation says, one processor's worth. A hash has one thread, so more gains nothing.
const MB_OF_ONE_PROCESSOR: f64 = 1769.0;

/// What has to be left beside a hash: a function's peak without one is 12 MiB (docs/performance.md), and Lambda counts
/// some of its own, which was not measured.
const BESIDE_KIB: u32 = 48 * 1024;

/// What one choice would take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    cost: Cost,
    here: Duration,
    there: Duration,
}

/// What was found out.
pub(crate) struct Calibration {
    asked: Asked,
    /// Of the processor that a function of this size has.
    share: f64,
    /// How far the runs of one figure were apart, at worst: the slowest by the median.
    spread: f64,
    least: Estimate,
    /// The most passes for each memory size that fit the time.
    choices: Vec<Estimate>,
    /// The last of them: of the sizes the largest.
    proposed: Estimate,
}

/// For what.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    target: Duration,
    memory_mb: u32,
    runs: u32,
}

/// Carries the command out.
pub fn calibrate(calibrate: &Calibrate) -> Result<Answer, Failure> {
    let target = Duration::from_millis(calibrate.target_ms.into());
    let asked = Asked { target, memory_mb: calibrate.memory_mb, runs: calibrate.runs };
    Ok(report::answer(&reckon(asked, &mut measure::Here::new(calibrate.runs))?, IMPLEMENTATION))
}

/// RFC 9106, section 4: as much memory as there is, then as many passes as there is time for.
fn reckon(asked: Asked, measure: &mut impl Measure) -> Result<Calibration, Failure> {
    let share = (f64::from(asked.memory_mb) / MB_OF_ONE_PROCESSOR).min(1.0);
    let mut spread: f64 = 1.0;
    let (mut least, mut choices) = (None, Vec::new());
    for memory_kib in SIZES.into_iter().filter(|memory_kib| fits(*memory_kib, asked.memory_mb)) {
        let of = |iterations| Cost { memory_kib, iterations, parallelism: 1 };
        // Time grows by passes, with a part that does not: two points tell both.
        let (few, many) = (measure.hash(of(2))?, measure.hash(of(4))?);
        spread = spread.max(few.spread).max(many.spread);
        // It is the larger part by far, so that no noise makes passes free.
        let pass = (many.median.saturating_sub(few.median) / 2).max(few.median / 3);
        let estimate = |iterations: u32| {
            let here = few.median + pass * iterations.saturating_sub(2);
            Estimate { cost: of(iterations), here, there: here.div_f64(share) }
        };
        least.get_or_insert_with(|| estimate(LEAST.iterations));
        let all = (LEAST.iterations..=MOST_ITERATIONS).map(estimate);
        choices.extend(all.take_while(|estimate| estimate.there <= asked.target).last());
    }
    let least = least.ok_or_else(|| Failure::invalid("memory-mb", "is too little for any hash that may be set"))?;
    let proposed = choices.last().copied().ok_or_else(|| too_little_time(asked, least))?;
    Ok(Calibration { asked, share, spread, least, choices, proposed })
}

fn fits(memory_kib: u32, memory_mb: u32) -> bool {
    memory_kib.saturating_add(BESIDE_KIB) <= memory_mb.saturating_mul(1024)
}

/// Less than the least is not proposed, whatever was asked for.
fn too_little_time(asked: Asked, least: Estimate) -> Failure {
    let Cost { memory_kib, iterations, .. } = LEAST;
    let needed = (least.here.as_secs_f64() / asked.target.as_secs_f64() * MB_OF_ONE_PROCESSOR).ceil();
    let instead = if needed <= MB_OF_ONE_PROCESSOR {
        format!("--memory-mb {needed} would be enough")
    } else {
        "no function is fast enough".to_owned()
    };
    Failure::refused(
        "target-ms",
        format!(
            "target-ms is too little: OWASP's least, {memory_kib} KiB and {iterations} passes, takes an estimated {:.0} ms \
             in a function of {} MB; {instead}",
            least.there.as_secs_f64() * 1000.0,
            asked.memory_mb,
        ),
    )
}

#[cfg(test)]
mod tests;
