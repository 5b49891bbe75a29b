//! The committed figures, and what differs from them.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::callgrind;
use crate::figures::{Counts, Figures};

/// How far a figure may be from its baseline, in percent.
pub const TOLERANCE: f64 = 3.0;

/// The most instructions before a function opens its first connection. Two million are aimed at, for what is shipped; what
/// `sam build` makes is linked function by function, and the loader does something for slow.c.
const BEFORE_CONNECTION: u64 = 2_500_000;

/// The most that a function may execute to start and to answer once. Entropy from the processor's jitter, which a build
/// without `AWS_LC_SYS_NO_JITTER_ENTROPY` gathers, alone takes 420 million.
const TO_FIRST_ANSWER: u64 = 100_000_000;

/// What the figures depend on beside the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    /// The compiler.
    pub rustc: String,
    /// What counts.
    pub valgrind: String,
    /// The C library, whose functions are counted too.
    pub libc: String,
    /// The processor's family. valgrind shows a function the same processor on all of a family that have AVX2.
    pub architecture: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Result<Self, Error> {
        let said = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
            String::from_utf8_lossy(&output).trim().to_owned()
        };
        Ok(Self {
            rustc: said("rustc", &["--version"]),
            valgrind: callgrind::version()?,
            libc: said("getconf", &["GNU_LIBC_VERSION"]),
            architecture: std::env::consts::ARCH.to_owned(),
        })
    }
}

/// What `bench/instructions.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    /// Where it was counted.
    pub machine: Machine,
    /// The day.
    pub date: String,
    /// What was counted.
    pub functions: Counts,
}

impl Baseline {
    /// Reads it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|source| bench::Error::File { path: path.to_owned(), source })?;
        Ok(serde_json::from_str(&text).map_err(|source| bench::Error::Json { path: path.to_owned(), source })?)
    }

    /// Writes it.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let mut text = serde_json::to_string_pretty(self).map_err(bench::Error::Print)?;
        text.push('\n');
        Ok(fs::write(path, text).map_err(|source| bench::Error::File { path: path.to_owned(), source })?)
    }
}

/// Something that fails the check.
#[derive(Debug, PartialEq)]
pub enum Finding {
    /// A figure is too far from its baseline.
    Deviation {
        /// Of which event.
        event: String,
        /// Which figure.
        figure: &'static str,
        /// The baseline.
        before: u64,
        /// What was counted.
        now: u64,
    },
    /// Nothing was counted for a baseline.
    Gone(String),
    /// There is no baseline for what was counted.
    New(String),
    /// A limit is broken, whatever the baseline says.
    Beyond {
        /// By which event.
        event: String,
        /// What is limited.
        what: &'static str,
        /// The highest good number.
        most: u64,
        /// What was counted.
        now: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deviation { event, figure, before, now } => {
                let (percent, way) = (percent(*before, *now), if now > before { "more" } else { "fewer" });
                write!(formatter, "{event}, {figure}: {now} instructions, {:.1} % {way} than {before}", percent.abs())
            }
            Self::Gone(event) => write!(formatter, "{event}: a baseline, and nothing that was counted"),
            Self::New(event) => write!(formatter, "{event}: no baseline"),
            Self::Beyond { event, what, most, now } => {
                write!(formatter, "{event}, {what}: {now} instructions, and {most} are the most that may be")
            }
        }
    }
}

/// Everything by which `counted` differs too far from `baseline`, or that no count may be.
pub fn check(baseline: &Counts, counted: &Counts) -> Vec<Finding> {
    let gone = baseline.keys().filter(|event| !counted.contains_key(*event)).cloned().map(Finding::Gone);
    let compared = counted.iter().flat_map(|(event, now)| match baseline.get(event) {
        Some(before) => deviations(event, before, now),
        None => vec![Finding::New(event.clone())],
    });
    gone.chain(compared).chain(limits(counted)).collect()
}

fn deviations(event: &str, before: &Figures, now: &Figures) -> Vec<Finding> {
    let counted: Vec<_> = now.named().collect();
    let mut findings = Vec::new();
    for (figure, before) in before.named() {
        match counted.iter().find(|(name, _)| *name == figure) {
            Some((_, now)) if percent(before, *now).abs() <= TOLERANCE => {}
            Some((_, now)) => findings.push(Finding::Deviation { event: event.to_owned(), figure, before, now: *now }),
            None => findings.push(Finding::Gone(format!("{event}, {figure}"))),
        }
    }
    findings
}

/// What no count may be, whatever the baseline says.
pub fn limits(counted: &Counts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (event, figures) in counted {
        let first_answer = figures.initialisation + figures.first_request.unwrap_or_default();
        for (what, most, now) in [
            ("before the first connection", BEFORE_CONNECTION, figures.before_first_connection),
            ("until the first answer", TO_FIRST_ANSWER, first_answer),
        ] {
            if now == 0 || now > most {
                findings.push(Finding::Beyond { event: event.clone(), what, most, now });
            }
        }
    }
    findings
}

#[expect(clippy::cast_precision_loss, reason = "instructions are far fewer than 2^52")]
fn percent(before: u64, now: u64) -> f64 {
    (now as f64 - before as f64) / before as f64 * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Figures = Figures {
        before_first_connection: 1_000_000,
        initialisation: 4_000_000,
        first_request: Some(3_000_000),
        warm_request: Some(1_000_000),
    };

    fn counts(figures: Figures) -> Counts {
        Counts::from([("user-login".to_owned(), figures)])
    }

    #[test]
    fn three_percent_are_no_deviation_and_more_are_one_both_ways() {
        for (warm, deviates) in [(970_000, false), (1_030_000, false), (969_999, true), (1_030_001, true)] {
            let now = Figures { warm_request: Some(warm), ..GOOD };
            assert_eq!(!check(&counts(GOOD), &counts(now)).is_empty(), deviates, "{warm}");
        }
        let now = Figures { warm_request: Some(1_100_000), ..GOOD };
        let told: Vec<_> = check(&counts(GOOD), &counts(now)).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["user-login, warm request: 1100000 instructions, 10.0 % more than 1000000"]);
    }

    #[test]
    fn what_is_on_one_side_only_is_told() {
        assert_eq!(check(&counts(GOOD), &Counts::new()), [Finding::Gone("user-login".to_owned())]);
        assert_eq!(check(&Counts::new(), &counts(GOOD)), [Finding::New("user-login".to_owned())]);
        let now = Figures { warm_request: None, ..GOOD };
        assert_eq!(check(&counts(GOOD), &counts(now)), [Finding::Gone("user-login, warm request".to_owned())]);
    }

    #[test]
    fn a_limit_holds_whatever_the_baseline_says() {
        let jitter = Figures { first_request: Some(422_000_000), ..GOOD };
        assert_eq!(check(&counts(jitter), &counts(jitter)).len(), 1);
        let slow = Figures { before_first_connection: BEFORE_CONNECTION + 1, ..GOOD };
        assert_eq!(check(&counts(slow), &counts(slow)).len(), 1);
        let uncounted = Figures { before_first_connection: 0, ..GOOD };
        assert!(!check(&counts(uncounted), &counts(uncounted)).is_empty(), "nothing is never right");
    }
}
