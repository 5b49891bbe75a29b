//! Takes away from a failing run what it does not need in order to fail, and tells what is left as a story.

use crate::run::{FaultKey, Plan, Report, run};

/// So many orders are tried for each thing that is taken away: without it, the others meet differently.
const ORDERS: u64 = 6;

/// The shortest failing plan that was found, and its story.
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What came of it.
    pub report: Report,
}

/// Which invariant is broken.
#[must_use]
pub fn invariant(report: &Report) -> Option<&str> {
    report.violation.as_deref().and_then(|violation| violation.split(' ').next())
}

struct Search {
    broken: String,
    best: Plan,
    faults: Vec<FaultKey>,
}

impl Search {
    /// Takes `change` for better where it fails in the same way, in whatever order.
    fn attempt(&mut self, change: impl FnOnce(&mut Plan)) {
        let mut plan = self.best.clone();
        change(&mut plan);
        for shuffle in std::iter::once(self.best.shuffle).chain(0..ORDERS) {
            plan.shuffle = shuffle;
            let report = run(&plan);
            if invariant(&report) == Some(&self.broken) {
                (self.best, self.faults) = (plan, report.faults);
                return;
            }
        }
    }

    fn drop_act(&mut self, client: usize, place: usize) {
        if !self.best.dropped.contains(&(client, place)) {
            self.attempt(|plan| {
                plan.dropped.insert((client, place));
            });
        }
    }
}

/// Shrinks a plan that fails; `None` for one that does not.
#[must_use]
pub fn shrink(plan: &Plan) -> Option<Shrunk> {
    let first = run(plan);
    let broken = invariant(&first)?.to_owned();
    let mut search = Search { broken, best: plan.clone(), faults: first.faults };
    search.attempt(|plan| plan.calm = true);
    for (client, acts) in first.acts.iter().enumerate() {
        search.attempt(|plan| plan.dropped.extend((0..*acts).map(|place| (client, place))));
    }
    for _ in 0..2 {
        for (client, acts) in first.acts.iter().enumerate() {
            (0..*acts).rev().for_each(|place| search.drop_act(client, place));
        }
        for fault in search.faults.clone() {
            search.attempt(|plan| {
                plan.spared.insert(fault);
            });
        }
    }
    let plan = Plan { told: true, ..search.best };
    let report = run(&plan);
    Some(Shrunk { plan, report })
}

/// The story of a failing seed, as it is printed.
#[must_use]
pub fn story(shrunk: &Shrunk) -> String {
    let broken = shrunk.report.violation.as_deref().unwrap_or("nothing");
    let bug = shrunk.plan.bug.map_or_else(String::new, |bug| format!(" --bug {}", bug.name()));
    let mut lines = vec![format!("seed {} breaks {broken}", shrunk.plan.seed)];
    lines.extend(shrunk.report.story.iter().cloned());
    lines.push(format!("again: cargo run -p simulation -- --seed {}{bug}", shrunk.plan.seed));
    lines.join("\n")
}
