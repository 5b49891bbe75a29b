//! The simulation itself: no seed breaks an invariant, each invariant is seen broken, and a seed says everything.

use std::thread::available_parallelism;

use simulation::bug::Bug;
use simulation::run::{Plan, run, run_all};
use simulation::shrink::{invariant, shrink, story};

/// So many seeds are run each time. Many more: see the crate's documentation.
const SEEDS: u64 = 2000;

fn threads() -> usize {
    available_parallelism().map_or(1, usize::from)
}

#[test]
fn no_seed_breaks_an_invariant() {
    let summary = run_all(0..SEEDS, None, threads(), false);
    if let Some(seed) = summary.failed.keys().next() {
        let told = shrink(&Plan::new(*seed, None)).map(|shrunk| story(&shrunk));
        panic!("{}", told.unwrap_or_else(|| format!("seed {seed} failed, and then it did not")));
    }
    let busy = summary.requests > 20 * summary.seeds && summary.calls > 2 * summary.requests;
    assert!(busy, "the clients hardly do anything: {summary:?}");
    tests::figure(&format!("{} seeds, {} requests, {} calls", summary.seeds, summary.requests, summary.calls));
    tests::note("Q17", "seeds", summary.seeds);
    tests::note("Q17", "seeds-that-fail", summary.failed.len());
}

/// The first seed that shows what a bug breaks.
fn found(bug: Bug) -> Option<u64> {
    const STEP: u64 = 50;
    (0..SEEDS / STEP).find_map(|step| {
        let summary = run_all(step * STEP..(step + 1) * STEP, Some(bug), threads(), true);
        let breaks = |violation: &str| violation.split(' ').next() == Some(bug.breaks());
        summary.failed.into_iter().find(|(_, violation)| breaks(violation)).map(|(seed, _)| seed)
    })
}

#[test]
fn each_invariant_is_seen_broken_by_what_breaks_it() {
    let seeds: Vec<_> = Bug::all().iter().map(|bug| (*bug, found(*bug))).collect();
    for (bug, seed) in &seeds {
        tests::figure(&format!("{} breaks {} in seed {seed:?}", bug.name(), bug.breaks()));
    }
    let missed: Vec<_> = seeds.iter().filter(|(_, seed)| seed.is_none()).collect();
    assert!(missed.is_empty(), "{missed:?}");
    for number in 1..=10 {
        let invariant = format!("I{number}");
        assert!(Bug::all().iter().any(|bug| bug.breaks() == invariant), "nothing breaks {invariant}");
    }
    for (bug, _) in seeds {
        let (what, test) = (format!("it breaks {}", bug.breaks()), "each_invariant_is_seen_broken_by_what_breaks_it");
        tests::noticed("Q17", &bug.name(), &what, "simulation/src/bug.rs", test);
    }
    tests::note("Q17", "faults-found", Bug::all().len());
}

#[test]
fn a_seed_makes_the_same_run_every_time() {
    for seed in 0..40 {
        let plan = Plan { told: true, ..Plan::new(seed, None) };
        let (one, other) = (run(&plan), run(&plan));
        assert_eq!((one.fingerprint, one.calls), (other.fingerprint, other.calls), "seed {seed}");
        assert_eq!(shape(&one.story), shape(&other.story), "seed {seed}");
        assert_ne!(one.fingerprint, run(&Plan::new(seed + 1, None)).fingerprint);
    }
}

/// A story without the texts of answers: keys that a rotation makes are another each time.
fn shape(story: &[String]) -> Vec<&str> {
    story.iter().map(|line| line.split('{').next().unwrap_or_default()).collect()
}

#[test]
fn a_failing_seed_is_shrunk_to_a_story_that_breaks_the_same() {
    let bug = Bug::SessionsOutliveThePassword;
    let seed = found(bug).expect("a seed that fails");
    let plan = Plan::new(seed, Some(bug));
    let whole = run(&plan);
    let (one, other) = (shrink(&plan).expect("it fails"), shrink(&plan).expect("it fails"));
    assert_eq!(invariant(&one.report), Some(bug.breaks()));
    assert_eq!(shape(&one.report.story), shape(&other.report.story));
    assert!(one.report.calls < whole.calls, "{}", story(&one));
    assert!(story(&one).contains(&format!("--seed {seed} --bug {}", bug.name())));
}
