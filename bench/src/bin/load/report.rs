//! The figures, as JSON and as the page of the documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bench::machine::Machine;
use bench::report::table;
use serde::Serialize;

use crate::memory::Held;
use crate::overload::{BOUND_MS, Overload, RECOVERY_SECONDS};
use crate::tally::{Faults, Seen};

const INTRODUCTION: &str = include_str!("introduction.md");

/// What became of one kind of request.
#[derive(Debug, Serialize)]
pub struct Class {
    /// The kind.
    pub name: &'static str,
    /// How many were sent.
    pub requests: u64,
    /// Milliseconds until the answer of those that a function answered.
    pub p50_ms: f64,
    /// The same.
    pub p95_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// 429 or 503 of the gateway.
    pub refused: u64,
    /// 503 of the function.
    pub outages: u64,
    /// Anything else but an answer.
    pub errors: u64,
}

/// The mix.
#[derive(Debug, Serialize)]
pub struct Mix {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Answered requests a second.
    pub rate: f64,
    /// By class.
    pub classes: Vec<Class>,
    /// The environments.
    pub memory: Held,
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    /// This machine.
    pub machine: Machine,
    /// Environments of each function.
    pub environments: usize,
    /// Clients.
    pub clients: usize,
    /// Requests under way at a time.
    pub parallel: usize,
    /// Users and tenants.
    pub users: usize,
    /// The same.
    pub tenants: usize,
    /// The load.
    pub mix: Mix,
    /// Twice as much, if asked for.
    pub overload: Option<Overload>,
    /// How many credentials were tried at the end, each as it should be.
    pub read_back: u64,
    /// What was not right.
    pub faults: Faults,
    /// Everything that is not as it has to be.
    pub failures: Vec<String>,
}

/// Figures by class.
pub fn classes(seen: &BTreeMap<&'static str, Seen>) -> Vec<Class> {
    let class = |(name, seen): (&&'static str, &Seen)| Class {
        name,
        requests: seen.answered.count() + seen.refused() + seen.outages + seen.errors,
        p50_ms: seen.answered.percentile(50),
        p95_ms: seen.answered.percentile(95),
        p99_ms: seen.answered.percentile(99),
        refused: seen.refused(),
        outages: seen.outages,
        errors: seen.errors,
    };
    seen.iter().map(class).collect()
}

impl Mix {
    /// What is not as it has to be.
    pub fn failures(&self) -> Vec<String> {
        let sum = |of: fn(&Class) -> u64| self.classes.iter().map(of).sum::<u64>();
        let (errors, outages) = (sum(|class| class.errors), sum(|class| class.outages));
        let mut failures = Vec::new();
        if errors + outages > 0 {
            failures.push(format!("{outages} outages and {errors} errors under a load that it can bear"));
        }
        if !self.memory.is_flat() {
            failures.push("memory or open files grew".to_owned());
        }
        failures
    }
}

impl Report {
    /// Tables, as Markdown that is readable in a terminal.
    pub fn tables(&self) -> String {
        let Machine { processor, cores, kernel, rustc, date, load } = &self.machine;
        let Self { environments, clients, parallel, users, tenants, mix, read_back, faults, .. } = self;
        let mut text = format!(
            "{date}, {processor}, {cores} cores, {kernel}, {rustc}, load {load}. {environments} environments of each \
             function, {clients} clients for {users} users of {tenants} tenants, {parallel} requests at a time.\n\n\
             ## The mix\n\n{:.0} s, {:.0} requests/s.\n\n",
            mix.seconds, mix.rate,
        );
        text.push_str(&class_table(&mix.classes));
        let requests: u64 = mix.classes.iter().map(|class| class.requests).sum();
        // Writing into a String can't fail.
        let _ = writeln!(
            text,
            "\n{requests} requests. **{} lost, {} wrong.** At the end {read_back} credentials were tried once more: \
             all that were given out, without those that ended by themselves.\n",
            faults.lost, faults.wrong,
        );
        text.push_str(&memory_text(&mix.memory));
        if let Some(overload) = &self.overload {
            text.push_str(&overload_text(overload));
        } else {
            text.push_str("\n## Twice as much\n\nNot run this time.\n");
        }
        for failure in &self.failures {
            let _ = writeln!(text, "\n**FAILED:** {failure}");
        }
        for told in &faults.told {
            let _ = writeln!(text, "- {told}");
        }
        text
    }

    /// The whole page of the documentation.
    pub fn page(&self) -> String {
        format!("{INTRODUCTION}{}", self.tables())
    }
}

fn class_table(classes: &[Class]) -> String {
    let head = ["class", "requests", "p50 ms", "p95 ms", "p99 ms", "refused by the gateway", "503", "errors"];
    let row = |class: &Class| -> Vec<String> {
        let times = [class.p50_ms, class.p95_ms, class.p99_ms].map(|ms| format!("{ms:.1}"));
        let counts = [class.refused, class.outages, class.errors].map(|count| count.to_string());
        [class.name.to_owned(), class.requests.to_string()].into_iter().chain(times).chain(counts).collect()
    };
    table(&head, classes.iter().map(row))
}

fn memory_text(memory: &Held) -> String {
    let Held { settled_mib, end_mib, slope_kib, .. } = memory;
    let verdict = match (memory.settled_seconds, memory.is_flat()) {
        (None, _) => "too short to be judged".to_owned(),
        (Some(_), true) => format!("flat: {}", Held::rule()),
        (Some(_), false) => format!("NOT FLAT, which would be: {}", Held::rule()),
    };
    let since = memory.settled_seconds.map_or("at the start".to_owned(), |seconds| format!("after {seconds:.0} s"));
    let head = [
        "function",
        "environments",
        "MiB settled",
        "MiB at the end",
        "growth MiB",
        "files settled",
        "files at the end",
    ];
    let rows = memory.functions.iter().map(|growth| {
        let mib = [growth.settled_mib, growth.end_mib, growth.grown_mib].map(|mib| format!("{mib:.1}"));
        let files = [growth.settled_files, growth.end_files].map(|files| files.to_string());
        let name = [growth.function.to_owned(), growth.environments.to_string()];
        name.into_iter().chain(mib).chain(files).collect()
    });
    format!(
        "### Memory\n\nAll environments together: {settled_mib:.0} MiB {since}, {end_mib:.0} MiB at the end, {slope_kib:.1} \
         KiB a minute and environment. {verdict}.\n\n{}",
        table(&head, rows)
    )
}

fn overload_text(overload: &Overload) -> String {
    let Overload { capacity, seconds, rate, accepted_rate, throttled, no_room, outages, errors, .. } = overload;
    let Overload { p50_ms, p99_ms, longest_ms, rate_afterwards, refused_afterwards, .. } = overload;
    let recovered = overload.recovered_after.map_or("never".to_owned(), |seconds| format!("after {seconds} s"));
    format!(
        "\n## Twice as much\n\nCapacity: {capacity:.0} requests/s. For {seconds} s {rate:.0} requests/s were sent, whatever \
         became of the ones before.\n\n{}\n\n{}\nAt {rate_afterwards:.0} requests/s afterwards it had recovered **{recovered}** \
         (at most {RECOVERY_SECONDS} s): for five seconds at most one in twenty was refused and nobody waited longer than a second. In \
         all these 30 s the gateway refused {refused_afterwards}.\n",
        table(
            &["", "figure"],
            [
                ["answered by a function, requests/s".to_owned(), format!("{accepted_rate:.0}")],
                ["429 of the gateway".to_owned(), throttled.to_string()],
                ["503 of the gateway".to_owned(), no_room.to_string()],
                ["503 of a function, with `Retry-After`".to_owned(), outages.to_string()],
                ["anything else".to_owned(), errors.to_string()],
                ["time of answered ones, p50 ms".to_owned(), format!("{p50_ms:.0}")],
                [format!("time of answered ones, p99 ms (at most {BOUND_MS:.0})"), format!("{p99_ms:.0}")],
                ["longest, ms".to_owned(), format!("{longest_ms:.0}")],
            ]
            .into_iter()
            .map(Vec::from)
        ),
        class_table(&overload.classes),
    )
}
