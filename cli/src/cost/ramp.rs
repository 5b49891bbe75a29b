//! How long it takes until a load that comes all at once is served: Lambda adds environments by the second, and a table of
//! DynamoDB grows to twice what it served before. Each holds the other back, which is why this is tried out second by
//! second and not reckoned.
//!
//! What is simpler here than there: the quotas of the account are raised, requests of all kinds come evenly, keys are
//! spread evenly (all busy ones are a user's own), and whoever is refused doesn't try again.

use std::collections::{BTreeMap, BTreeSet};

use super::bill::{Model, Used};
use super::quotas::{NEW_TABLE_READS, NEW_TABLE_WRITES, REQUESTS_OF_AN_ENVIRONMENT};
use super::requests::Kept;

/// So many environments more in a second can each function have.
const ENVIRONMENTS_A_SECOND: f64 = 100.0;

/// And so many at once when it begins.
const ENVIRONMENTS_AT_ONCE: f64 = 1000.0;

/// So often a table grows to twice its peak.
const GROWTH_SECONDS: u32 = 1800;

/// What is not served by then is told as it is.
const PATIENCE_SECONDS: u32 = 86_400;

/// When it is looked at: seconds from the beginning.
const LOOKS: [u32; 12] = [1, 10, 60, 300, 600, 1200, 1800, 3600, 7200, 10_800, 14_400, 28_800];

/// Which of a table's two kinds of units.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Read,
    Write,
}

/// A moment.
pub struct Look {
    /// Seconds from the beginning.
    pub after: u32,
    /// The part of the requests that is served, where tables are new, and where they were warmed before.
    pub served: [f64; 2],
}

/// How the load is met, and after how many seconds all of it is, where it ever is: with new tables, then with warmed ones.
pub struct Ramp {
    pub looks: Vec<Look>,
    pub whole_after: [Option<u32>; 2],
}

/// Tries it out.
pub fn ramp(model: &Model<'_>, used: &[Used<'_>]) -> Ramp {
    let courses = [false, true].map(|warmed| course(model, used, warmed));
    let part = |course: &[f64], after: u32| {
        let index = usize::try_from(after).unwrap_or(usize::MAX);
        course.get(index).or(course.last()).copied().unwrap_or_default()
    };
    let longest = courses.iter().map(Vec::len).max().unwrap_or_default();
    let looks = LOOKS.into_iter().filter(|after| usize::try_from(*after).is_ok_and(|after| after <= longest + 1));
    let looks =
        looks.map(|after| Look { after, served: [part(&courses[0], after), part(&courses[1], after)] }).collect();
    let whole_after = courses.map(|course| {
        let whole = course.last().is_some_and(|part| *part >= 1.0);
        u32::try_from(course.len().saturating_sub(1)).ok().filter(|_| whole)
    });
    Ramp { looks, whole_after }
}

/// The part that is served in each second, until it is all or patience ends.
fn course(model: &Model<'_>, used: &[Used<'_>], warmed: bool) -> Vec<f64> {
    let offered: f64 = used.iter().map(|used| model.peak(*used)).sum();
    let mut tables = Tables { warmed, ..Tables::default() };
    let mut course = Vec::new();
    for second in 0..PATIENCE_SECONDS {
        if second > 0 && second % GROWTH_SECONDS == 0 {
            tables.grow();
        }
        let admitted = admitted(model, used, f64::from(second));
        let served = tables.serve(model, &admitted);
        // Sums of parts miss a whole by their rounding.
        let part = if served >= offered * (1.0 - 1e-9) { 1.0 } else { served / offered };
        course.push(part);
        if part >= 1.0 {
            break;
        }
    }
    course
}

/// What Lambda has environments for in this second, of each kind of request.
fn admitted<'a>(model: &Model<'_>, used: &[Used<'a>], second: f64) -> Vec<(Used<'a>, f64)> {
    let mut wanted = BTreeMap::<&str, f64>::new();
    for used in used {
        // A function's environments are busy for as long as they answer, and serve ten requests a second at most.
        let busy = model.environments(*used).max(model.peak(*used) / REQUESTS_OF_AN_ENVIRONMENT);
        *wanted.entry(used.request.function()).or_default() += busy;
    }
    let there = ENVIRONMENTS_AT_ONCE + ENVIRONMENTS_A_SECOND * second;
    let part = |used: &Used<'_>| (there / wanted.get(used.request.function()).copied().unwrap_or(1.0)).min(1.0);
    used.iter().map(|used| (*used, model.peak(*used) * part(used))).collect()
}

/// What each table can do, and what it did at most.
#[derive(Default)]
struct Tables {
    warmed: bool,
    capacity: BTreeMap<(Kept, Kind), f64>,
    peak: BTreeMap<(Kept, Kind), f64>,
}

impl Tables {
    fn capacity(&self, of: (Kept, Kind)) -> f64 {
        let new = if of.1 == Kind::Read { NEW_TABLE_READS } else { NEW_TABLE_WRITES };
        if self.warmed { f64::INFINITY } else { self.capacity.get(&of).copied().unwrap_or(new) }
    }

    /// Serves as many of these requests as the tables let through, which is told.
    fn serve(&mut self, model: &Model<'_>, requests: &[(Used<'_>, f64)]) -> f64 {
        let mut demand = BTreeMap::<(Kept, Kind), f64>::new();
        for (used, rate) in requests {
            for (of, units) in units(model, used) {
                *demand.entry(of).or_default() += units * rate;
            }
        }
        let part = |of| (self.capacity(of) / demand.get(&of).copied().unwrap_or(1.0)).min(1.0);
        let served =
            requests.iter().map(|(used, rate)| rate * units(model, used).map(|(of, _)| part(of)).fold(1.0, f64::min));
        let served = served.sum();
        for (of, units) in demand {
            let reached = units.min(self.capacity(of));
            let peak = self.peak.entry(of).or_default();
            *peak = peak.max(reached);
        }
        served
    }

    fn grow(&mut self) {
        let grown: Vec<_> = self.peak.iter().map(|(of, peak)| (*of, self.capacity(*of).max(2.0 * peak))).collect();
        self.capacity.extend(grown);
    }
}

fn units<'a>(model: &'a Model<'_>, used: &'a Used<'_>) -> impl Iterator<Item = ((Kept, Kind), f64)> + 'a {
    let reads = used.request.reads.iter().map(|(kept, units)| ((*kept, Kind::Read), *units));
    let written: BTreeSet<Kept> = used.request.writes.keys().chain(used.request.noted.keys()).copied().collect();
    let writes = written.into_iter().map(|kept| ((kept, Kind::Write), model.writes_of(used.request, kept)));
    reads.chain(writes)
}
