//! What the figures are held against. Nothing fails when a bar is missed: the page says so.

use crate::contestants::{Contestant, Workload};
use crate::results::{Results, median};
use crate::runtimes::Series;

/// A bar, and what was measured.
pub struct Bar {
    /// What is compared.
    pub what: String,
    /// The highest good value.
    pub most: f64,
    /// The value.
    pub measured: f64,
    /// Its unit; without one it is a ratio.
    pub unit: &'static str,
}

impl Bar {
    /// Whether it is kept.
    pub fn is_kept(&self) -> bool {
        self.measured <= self.most
    }
}

type Value = fn(&Series) -> f64;

const NODE: [Contestant; 2] = [Contestant::NodeJsonwebtoken, Contestant::NodeJose];
const PYTHON: [Contestant; 1] = [Contestant::Python];
const RUST: [Contestant; 1] = [Contestant::RustDefault];

/// Ours over that of peers, of each group the best one, and how much it may be.
struct Ratio {
    what: &'static str,
    ours: Contestant,
    workload: Workload,
    value: Value,
    bars: &'static [(&'static [Contestant], f64)],
}

const UNCONNECTED: Value = |series| median(&series.unconnected_cpu);
const COLD: Value = |series| cold(series);
const WARM_CPU: Value = |series| median(&series.warm_cpu);
const PEAK: Value = |series| bench::report::percentile(&series.peak, 100);

const RATIOS: [Ratio; 7] = [
    Ratio {
        what: "CPU of an authorizer's initialisation, up to the first connection",
        ours: Contestant::Ostiary,
        workload: Workload::Authorizer,
        value: UNCONNECTED,
        bars: &[(&NODE, 1.0 / 50.0), (&PYTHON, 1.0 / 80.0), (&RUST, 0.5)],
    },
    Ratio {
        what: "cold start of an authorizer, to its first answer",
        ours: Contestant::Ostiary,
        workload: Workload::Authorizer,
        value: COLD,
        bars: &[(&NODE, 1.0 / 20.0), (&PYTHON, 1.0 / 30.0), (&RUST, 0.2)],
    },
    Ratio {
        what: "CPU of a warm authorizer",
        ours: Contestant::Ostiary,
        workload: Workload::Authorizer,
        value: WARM_CPU,
        bars: &[(&NODE, 0.25), (&PYTHON, 1.0 / 3.0), (&RUST, 0.75)],
    },
    Ratio {
        what: "CPU of a warm login",
        ours: Contestant::Ostiary,
        workload: Workload::Login,
        value: WARM_CPU,
        bars: &[(&[Contestant::NodeJsonwebtoken], 0.7), (&PYTHON, 0.7), (&RUST, 0.85)],
    },
    Ratio {
        what: "CPU of a warm login",
        ours: Contestant::OstiarySimd,
        workload: Workload::Login,
        value: WARM_CPU,
        bars: &[(&[Contestant::NodeJose], 0.9)],
    },
    Ratio {
        what: "peak memory of an authorizer",
        ours: Contestant::Ostiary,
        workload: Workload::Authorizer,
        value: PEAK,
        bars: &[(&NODE, 0.2)],
    },
    Ratio {
        what: "peak memory of a login",
        ours: Contestant::Ostiary,
        workload: Workload::Login,
        value: PEAK,
        bars: &[(&NODE, 1.0 / 3.0)],
    },
];

/// All bars for which there are figures.
pub fn check(results: &Results) -> Vec<Bar> {
    let ratios = RATIOS.iter().flat_map(|ratio| ratio.bars.iter().map(move |(peers, most)| (ratio, peers, *most)));
    let mut bars: Vec<_> = ratios.filter_map(|(ratio, peers, most)| compare(results, ratio, peers, most)).collect();
    let ours = |workload| results.series(Contestant::Ostiary, workload);
    if let Some(series) = ours(Workload::Authorizer) {
        let measured = median(&series.first) / median(&series.warm);
        bars.push(Bar {
            what: "first request against a warm one, authorizer".to_owned(),
            most: 1.3,
            measured,
            unit: "",
        });
        bars.push(Bar { what: "peak memory, authorizer".to_owned(), most: 12.0, measured: PEAK(series), unit: "MiB" });
    }
    if let Some(series) = ours(Workload::Login) {
        bars.push(Bar { what: "peak memory, login".to_owned(), most: 36.0, measured: PEAK(series), unit: "MiB" });
    }
    if let Some(suite) = &results.signatures {
        let measured = median(&suite.figures.ours) / median(&suite.figures.node);
        bars.push(Bar { what: "RS256 signature: Ostiary against Node".to_owned(), most: 1.1, measured, unit: "" });
    }
    bars
}

fn compare(results: &Results, ratio: &Ratio, peers: &[Contestant], most: f64) -> Option<Bar> {
    let Ratio { what, ours, workload, value, .. } = ratio;
    let mine = value(results.series(*ours, *workload)?);
    let theirs = peers.iter().filter_map(|peer| Some((*peer, value(results.series(*peer, *workload)?))));
    let (best, least) = theirs.min_by(|(_, one), (_, other)| one.total_cmp(other))?;
    let what = format!("{what}: {} against {}", ours.title(), best.title());
    Some(Bar { what, most, measured: mine / least, unit: "" })
}

/// From the start of the process to the first answer, without what the stub takes in between.
pub fn cold(series: &Series) -> f64 {
    let sums: Vec<_> = series.init.iter().zip(&series.first).map(|(init, first)| init + first).collect();
    median(&sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Suite;

    fn series(contestant: Contestant, warm_cpu: f64) -> Series {
        Series { warm_cpu: vec![warm_cpu], ..Series::new(contestant, Workload::Authorizer) }
    }

    #[test]
    fn the_better_of_two_peers_counts_and_who_was_not_measured_is_left_out() {
        let figures = vec![
            series(Contestant::Ostiary, 1.0),
            series(Contestant::NodeJsonwebtoken, 8.0),
            series(Contestant::NodeJose, 2.0),
        ];
        let results = Results { runtimes: Some(Suite::of_nowhere(figures)), ..Results::default() };
        let bars = check(&results);
        let warm: Vec<_> = bars.iter().filter(|bar| bar.what.starts_with("CPU of a warm authorizer")).collect();
        assert_eq!(warm.len(), 1);
        assert!(warm[0].what.ends_with(Contestant::NodeJose.title()));
        assert!((warm[0].measured - 0.5).abs() < 1e-9 && !warm[0].is_kept());
    }
}
