use super::*;
use crate::kdf::measure::{Measured, summary};

/// A machine on which a pass over a KiB takes `nanos`, and getting to work `fixed` milliseconds.
struct Machine {
    nanos: u64,
    fixed: u64,
    spread: f64,
    asked: Vec<Cost>,
}

impl Measure for Machine {
    fn hash(&mut self, cost: Cost) -> Result<Measured, Failure> {
        self.asked.push(cost);
        let passes = Duration::from_nanos(self.nanos * u64::from(cost.memory_kib) * u64::from(cost.iterations));
        Ok(Measured { median: Duration::from_millis(self.fixed) + passes, spread: self.spread })
    }
}

fn machine(nanos: u64) -> Machine {
    Machine { nanos, fixed: 0, spread: 1.0, asked: Vec::new() }
}

fn asked(target: u64, memory_mb: u32) -> Asked {
    Asked { target: Duration::from_millis(target), memory_mb, runs: 3 }
}

fn proposed(target: u64, memory_mb: u32, nanos: u64) -> Option<(u32, u32)> {
    let calibration = reckon(asked(target, memory_mb), &mut machine(nanos)).ok()?;
    assert!(calibration.proposed.there <= Duration::from_millis(target));
    Some((calibration.proposed.cost.memory_kib, calibration.proposed.cost.iterations))
}

/// By hand. 400 ns for a KiB and pass: 65,536 KiB take 26.2 ms a pass where there is a whole processor.
#[test]
fn what_is_proposed_is_the_most_memory_and_then_the_most_passes_that_fit() {
    assert_eq!(proposed(250, 1769, 400), Some((65_536, 9)));
    assert_eq!(proposed(262, 1769, 400), Some((65_536, 9)));
    assert_eq!(proposed(263, 1769, 400), Some((65_536, 10)));
    assert_eq!(proposed(5000, 1769, 400), Some((65_536, 10)), "no more passes than are taken");
    assert_eq!(proposed(250, 10_240, 400), Some((65_536, 9)), "one thread has one processor at most");
    assert_eq!(proposed(250, 512, 400), Some((65_536, 2)), "3.455 times as long");
    assert_eq!(proposed(150, 512, 400), Some((47_104, 2)));
    assert_eq!(proposed(16, 1769, 400), Some((19_456, 2)));
    assert_eq!(proposed(15, 1769, 400), None);
}

#[test]
fn nothing_less_than_the_least_is_proposed_and_nothing_that_the_template_refuses() {
    for target in [1, 10, 16, 33, 60, 250, 1000, 5000] {
        for memory_mb in [128, 512, 1769, 10_240] {
            for nanos in [20, 150, 400, 2000] {
                let Ok(found) = reckon(asked(target, memory_mb), &mut machine(nanos)) else { continue };
                for Estimate { cost, .. } in found.choices {
                    assert!(cost.memory_kib >= LEAST.memory_kib && cost.iterations >= LEAST.iterations, "{cost:?}");
                    assert!(cost.is_bounded() && cost.iterations <= MOST_ITERATIONS, "{cost:?}");
                    assert!(fits(cost.memory_kib, memory_mb));
                }
            }
        }
    }
}

#[test]
fn the_bounds_are_those_of_the_template() {
    let template = include_str!("../../../template.yaml");
    let bound = |parameter: &str, name: &str| -> u32 {
        let rest = template.split_once(&format!("\n  {parameter}:\n")).unwrap().1;
        rest.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": ")).unwrap().parse().unwrap()
    };
    assert_eq!(bound("Argon2MemoryKiB", "MinValue"), LEAST.memory_kib);
    assert_eq!(bound("Argon2Iterations", "MinValue"), LEAST.iterations);
    assert_eq!((SIZES[0], SIZES[SIZES.len() - 1]), (LEAST.memory_kib, bound("Argon2MemoryKiB", "MaxValue")));
    assert_eq!(bound("Argon2Iterations", "MaxValue"), MOST_ITERATIONS);
    assert!(SIZES.is_sorted());
}

#[test]
fn a_hash_has_to_fit_beside_the_process() {
    assert!(fits(65_536, 128) && fits(65_536, 112));
    assert!(!fits(65_536, 111) && !fits(u32::MAX, 128));
}

#[test]
fn where_the_least_takes_too_long_it_is_said_what_would_do() {
    let refused = |target, memory_mb| {
        let failure = reckon(asked(target, memory_mb), &mut machine(400)).err().unwrap();
        assert_eq!((failure.exit_code(), failure.field()), (1, Some("target-ms")));
        failure.to_string()
    };
    // 15.6 ms of a processor.
    let told = refused(20, 512);
    assert!(told.contains("an estimated 54 ms in a function of 512 MB; --memory-mb 1377 would be enough"), "{told}");
    assert_eq!(proposed(20, 1377, 400), Some((19_456, 2)), "and it is");
    assert!(refused(5, 1769).ends_with("no function is fast enough"));
}

#[test]
fn what_does_not_grow_by_passes_is_counted_once_and_noise_makes_no_pass_free() {
    let mut slow_start = Machine { fixed: 4, ..machine(400) };
    let found = reckon(asked(250, 1769), &mut slow_start).unwrap();
    let large = found.choices.last().unwrap();
    assert_eq!(large.here, Duration::from_millis(4) + Duration::from_nanos(400 * 65_536 * 9));
    assert!(slow_start.asked.iter().all(|cost| cost.parallelism == 1));
    let mut flat = Machine { nanos: 0, fixed: 30, ..machine(0) };
    let found = reckon(asked(100, 1769), &mut flat).unwrap();
    assert_eq!(found.proposed.here, Duration::from_millis(30 + 10 * 7), "a third of what two passes took, each");
}

#[test]
fn the_median_counts_and_the_slowest_tells_how_busy_the_machine_is() {
    let found = summary([30, 10, 20].map(Duration::from_millis).to_vec());
    assert_eq!((found.median, found.spread), (Duration::from_millis(20), 1.5));
    let note =
        |spread| report::answer(&reckon(asked(250, 512), &mut Machine { spread, ..machine(200) }).unwrap(), "x").note;
    assert!(note(2.0).unwrap().contains("busy") && !note(1.2).unwrap().contains("busy"));
}

#[test]
fn people_and_programs_are_told_the_same() {
    let found = reckon(asked(250, 512), &mut machine(400)).unwrap();
    let answer = report::answer(&found, "argon2");
    assert_eq!(answer.json["implementation"], "argon2");
    assert_eq!(answer.json["parameters"]["Argon2MemoryKiB"], 65_536);
    assert_eq!(answer.json["proposed"]["iterations"], 2);
    let line = "sam deploy --parameter-overrides Argon2MemoryKiB=65536 Argon2Iterations=2 Argon2Parallelism=1 \
                PasswordMemoryMiB=512";
    assert_eq!(answer.json["deploy"], line);
    let crate::output::Body::Page(page) = answer.body else { panic!("a page") };
    assert!(page.contains(line) && page.contains("     65536       2      1     52.4     181.1  proposed"), "{page}");
    assert!(page.contains("     19456       2      1     15.6      53.8  OWASP's least"), "{page}");
}
