//! Whether the time of a refusal tells what it was refused for.

use std::path::Path;
use std::time::Duration;

use bench::process::Process;
use bench::stack::Stack;
use local::progress::Progress;

use crate::Error;
use crate::accounts::{Accounts, Reason};
use crate::figures;

const LOGIN: &str = "user-login";

/// How far the bounds of the median may be from zero, in milliseconds.
pub const MOST_MS: f64 = 0.5;

/// The fewest pairs that have an interval.
pub const FEWEST: u32 = 20;

/// One pair of the control for this many pairs.
const CONTROLS: u32 = 20;

/// The median of the differences, and the interval in which it lies with a confidence of 95 %. In milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// By the order of the differences alone, so that nothing has to be known of their distribution: the number of them
    /// below the true median is binomial.
    pub fn of(mut differences: Vec<f64>) -> Option<Self> {
        if differences.len() < FEWEST as usize {
            return None;
        }
        differences.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, reason = "there are not 2^52 pairs")]
        let half = 1.96 * (differences.len() as f64).sqrt() / 2.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the root of a length")]
        let below = (differences.len() / 2).checked_sub(half.ceil() as usize)?.checked_sub(1)?;
        let low = *differences.get(below)?;
        let high = *differences.get(differences.len() - 1 - below)?;
        Some(Self { low, median: *differences.get(differences.len() / 2)?, high })
    }

    /// The bound that is farther from zero.
    pub fn farthest(&self) -> f64 {
        self.low.abs().max(self.high.abs())
    }
}

/// The difference between an unknown user and a wrong password, and the control: between one of them and a request that
/// does no work.
pub struct Measured {
    /// Unknown user less wrong password.
    pub refusals: Interval,
    /// Wrong password less no work.
    pub control: Interval,
}

/// Measures so many pairs, one after the other in one process, now the one first and now the other.
pub async fn measure(folder: &Path, pairs: u32, progress: Progress) -> Result<Measured, Error> {
    let stack = Stack::start(&[]).await?;
    let accounts = Accounts::of(&stack).await?;
    let binary = figures::binary(folder, &stack.functions()?, LOGIN)?;
    let (mut process, _) = Process::start(LOGIN, &binary, &stack.environment).await?;
    let step = progress.step("Measuring");
    let (mut refusals, mut control) = (Vec::new(), Vec::new());
    // The first one is for what is done once.
    for pair in 0..=pairs {
        step.reached(u64::from(pair), u64::from(pairs), "pairs");
        let swapped = pair % 2 == 1;
        let difference = one(&accounts, &mut process, [Reason::Unknown, Reason::Wrong], swapped).await?;
        if pair > 0 {
            refusals.push(difference);
        }
        if pair % CONTROLS == 1 || pairs < FEWEST * CONTROLS {
            control.push(one(&accounts, &mut process, [Reason::Wrong, Reason::Malformed], swapped).await?);
        }
    }
    step.done("Measured");
    let few = Error::FewPairs(FEWEST);
    match (Interval::of(refusals), Interval::of(control)) {
        (Some(refusals), Some(control)) => Ok(Measured { refusals, control }),
        _ => Err(few),
    }
}

/// How much longer the first of the two takes, in milliseconds.
async fn one(accounts: &Accounts<'_>, process: &mut Process, two: [Reason; 2], swapped: bool) -> Result<f64, Error> {
    let events = [accounts.event(LOGIN, two[0]).await?, accounts.event(LOGIN, two[1]).await?];
    let mut took = [Duration::ZERO; 2];
    let mut turns: Vec<_> = took.iter_mut().zip(events).collect();
    if swapped {
        turns.reverse();
    }
    for (took, event) in turns {
        *took = process.exchange(event).await?.0;
    }
    Ok((took[0].as_secs_f64() - took[1].as_secs_f64()) * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_order_of_the_differences() {
        let numbers = |count: i32| (1..=count).map(f64::from).rev().collect::<Vec<_>>();
        // Tables of the sign test: for 100 the 40th and the 61st; ours is not narrower.
        let found = Interval::of(numbers(100)).unwrap();
        assert_eq!(found, Interval { low: 40.0, median: 51.0, high: 61.0 });
        assert_eq!(Interval::of(numbers(19)), None);
        assert!(Interval::of(numbers(20)).is_some());
    }

    #[test]
    fn the_farther_bound_counts() {
        assert!((Interval { low: -0.7, median: 0.0, high: 0.2 }.farthest() - 0.7).abs() < 1e-9);
    }
}
