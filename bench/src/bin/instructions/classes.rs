//! Whether the instructions of a refusal tell what it was refused for.

use std::collections::BTreeMap;
use std::path::Path;

use bench::stack::Stack;

use crate::Error;
use crate::accounts::{Accounts, Reason, told};
use crate::callgrind::Counted;
use crate::figures;

/// How far refusals may be apart, in percent of a login that is refused. 0.1 is aimed at: an account that is not there has
/// no items to be read, which is most of what is left, some 240,000 instructions.
pub const MOST_PERCENT: f64 = 0.2;

/// The function whose refusal of a wrong password is that login.
const LOGIN: &str = "user-login";

/// Functions at a time.
const AT_ONCE: usize = 2;

/// A function, and the reasons between which nobody may tell. The first one is what the others are held against.
struct Suite {
    function: &'static str,
    reasons: &'static [Reason],
}

const SUITES: [Suite; 6] = {
    use Reason::{
        Again, Disabled, DisabledRight, Locked, NoTenant, None, Passwordless, TokenOfNobody, TokenUnknown, Unknown,
        Wrong,
    };
    [
        Suite { function: LOGIN, reasons: &[Wrong, Unknown, Locked, Disabled, DisabledRight, Passwordless, NoTenant] },
        Suite { function: "ticket-authenticate", reasons: &[Wrong, Unknown, Locked, Disabled, Passwordless, NoTenant] },
        Suite {
            function: "user-password",
            reasons: &[Wrong, Unknown, Locked, Disabled, DisabledRight, Passwordless, NoTenant],
        },
        Suite { function: "user-forgot", reasons: &[None, Unknown, Disabled, Passwordless, Again, NoTenant] },
        Suite { function: "user-reset", reasons: &[TokenUnknown, TokenOfNobody] },
        Suite { function: "api1-profile-change-password", reasons: &[TokenUnknown, TokenOfNobody] },
    ]
};

/// One refusal's instructions.
#[derive(Debug)]
pub struct Class {
    /// By which function.
    pub function: &'static str,
    /// For which reason.
    pub reason: Reason,
    /// Of all its samples the median.
    pub median: u64,
    /// Between the smallest and the largest sample.
    pub spread: u64,
    /// Its answers.
    pub told: Told,
}

/// Status and body of an answer, and how many store calls it took.
type Told = (Option<u64>, String, usize);

/// The instructions of one request, and its answer.
type Sample = (u64, Told);

/// What came of all of them.
#[derive(Debug)]
pub struct Outcome {
    /// The classes, function by function.
    pub classes: Vec<Class>,
    /// The widest distance between two classes of a function, in percent of a login.
    pub widest: BTreeMap<&'static str, f64>,
    /// How far the control is from its function's classes, in percent of a login.
    pub controls: BTreeMap<&'static str, f64>,
    /// What must not be.
    pub findings: Vec<String>,
}

/// Counts `samples` refusals of each class.
pub fn count(folder: &Path, samples: usize) -> Result<Outcome, Error> {
    let mut classes = Vec::new();
    for suites in SUITES.chunks(AT_ONCE) {
        let counted = std::thread::scope(|scope| {
            let start = |suite| scope.spawn(move || crate::block_on(one(folder, suite, samples))?);
            let workers: Vec<_> = suites.iter().map(start).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().map_err(|_| Error::Interrupted)?)
                .collect::<Result<Vec<_>, _>>()
        })?;
        classes.extend(counted.into_iter().flatten());
    }
    Ok(judge(classes))
}

/// The reasons in turn, round by round, so that what a process gathers with time is the same for all of them.
async fn one(folder: &Path, suite: &Suite, samples: usize) -> Result<Vec<Class>, Error> {
    let stack = Stack::start(&[]).await?;
    let accounts = Accounts::of(&stack).await?;
    let binary = figures::binary(folder, &stack.functions()?, suite.function)?;
    let scratch = crate::scratch(suite.function)?;
    let mut function = Counted::start(suite.function, &binary, &stack.environment, scratch).await?;
    let reasons: Vec<_> = suite.reasons.iter().copied().chain([Reason::Malformed]).collect();
    let mut seen: BTreeMap<usize, Vec<Sample>> = BTreeMap::new();
    // The first round is for what is done once: tenants become known, memory is taken from the system.
    for round in 0..=samples {
        for place in 0..reasons.len() {
            let which = (place + round) % reasons.len();
            let Some(reason) = reasons.get(which) else { continue };
            let event = accounts.event(suite.function, *reason).await?;
            let _earlier = (stack.recorder.take(), function.instructions().await?);
            let (status, body) = told(&function.exchange(event).await?);
            let count = function.instructions().await?.iter().sum();
            let sample = (count, (status, body, stack.recorder.take().len()));
            if round > 0 {
                seen.entry(which).or_default().push(sample);
            }
        }
    }
    let class = |(which, samples): (usize, Vec<_>)| class(suite.function, *reasons.get(which)?, samples);
    Ok(seen.into_iter().filter_map(class).collect())
}

/// Of samples with a store call that a busy machine made the function repeat, nothing is to be learnt.
fn class(function: &'static str, reason: Reason, mut samples: Vec<Sample>) -> Option<Class> {
    let fewest = samples.iter().map(|(_, (_, _, calls))| *calls).min()?;
    samples.retain(|(_, (_, _, calls))| *calls == fewest);
    samples.sort_by_key(|(count, _)| *count);
    let (median, told) = samples.get(samples.len() / 2)?.clone();
    let spread = samples.last()?.0 - samples.first()?.0;
    Some(Class { function, reason, median, spread, told })
}

fn judge(classes: Vec<Class>) -> Outcome {
    let login = classes.iter().find(|class| class.function == LOGIN).map_or(0, |class| class.median);
    let (mut widest, mut controls, mut findings) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for suite in &SUITES {
        let of = |control: bool| {
            let ours = classes.iter().filter(|class| class.function == suite.function);
            ours.filter(move |class| (class.reason == Reason::Malformed) == control)
        };
        let (least, most) = (of(false).map(|class| class.median).min(), of(false).map(|class| class.median).max());
        let (Some(least), Some(most)) = (least, most) else { continue };
        let apart = percent(most - least, login);
        widest.insert(suite.function, apart);
        if apart > MOST_PERCENT || login == 0 {
            findings.push(format!("{}: its refusals are {apart:.3} % of a login apart", suite.function));
        }
        if let Some(first) = of(false).next() {
            let others = of(false).filter(|class| class.told != first.told);
            findings.extend(others.map(|class| {
                let (status, body, calls) = &class.told;
                format!(
                    "{}, {}: another answer, or other store calls: {status:?}, {calls}, {body}",
                    suite.function,
                    class.reason.what()
                )
            }));
        }
        for control in of(true) {
            let apart = percent(least.abs_diff(control.median), login);
            controls.insert(suite.function, apart);
            if apart <= MOST_PERCENT {
                findings.push(format!("{}: what did no work at all was not told apart", suite.function));
            }
        }
    }
    Outcome { classes, widest, controls, findings }
}

#[expect(clippy::cast_precision_loss, reason = "instructions are far fewer than 2^52")]
fn percent(part: u64, of: u64) -> f64 {
    part as f64 / of as f64 * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(unknown: u64, control: u64, status: u64) -> Vec<String> {
        let class = |reason, median, status| {
            let told = (Some(status), String::new(), 3);
            Class { function: LOGIN, reason, median, spread: 0, told }
        };
        let classes = vec![
            class(Reason::Wrong, 50_000_000, 401),
            class(Reason::Unknown, unknown, status),
            class(Reason::Malformed, control, 400),
        ];
        judge(classes).findings
    }

    #[test]
    fn two_tenths_of_a_percent_are_no_difference_and_more_is_one() {
        assert_eq!(outcome(50_100_000, 500_000, 401), Vec::<String>::new());
        assert_eq!(outcome(49_900_000, 500_000, 401), Vec::<String>::new());
        assert_eq!(outcome(50_100_001, 500_000, 401).len(), 1);
        assert_eq!(outcome(49_899_999, 500_000, 401).len(), 1);
    }

    #[test]
    fn a_control_that_is_not_told_apart_and_another_answer_are_findings() {
        assert_eq!(outcome(50_000_000, 49_990_000, 401).len(), 1);
        assert_eq!(outcome(50_000_000, 500_000, 403).len(), 1);
    }

    #[test]
    fn a_sample_with_a_repeated_call_is_left_out() {
        let sample = |count, calls| (count, (Some(401), String::new(), calls));
        let class =
            class(LOGIN, Reason::Wrong, vec![sample(10, 3), sample(99, 4), sample(12, 3), sample(11, 3)]).unwrap();
        assert_eq!((class.median, class.spread), (11, 2));
    }
}
