//! The proposal, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};
use shared::password::Cost;

use super::{Calibration, Estimate};
use crate::output::{Answer, Body};

/// Runs further apart than this say more about the machine's other work than about hashes.
const UNSTEADY: f64 = 1.5;

pub(super) fn answer(calibration: &Calibration, implementation: &str) -> Answer {
    let (json, page) = (to_json(calibration, implementation), page(calibration, implementation));
    Answer { note: Some(note(calibration)), ..Answer::new(json, Body::Page(page)) }
}

fn page(calibration: &Calibration, implementation: &str) -> String {
    let Calibration { asked, share, proposed, .. } = calibration;
    let mut text = format!(
        "Argon2id by the crate {implementation}, on this machine: medians of {} hashes.\n\
         A function of {} MB has {share:.2} of a processor: what takes 1 ms here is reckoned as {:.1} ms there.\n\n",
        asked.runs,
        asked.memory_mb,
        1.0 / share,
    );
    text.push_str("memory KiB  passes  lanes  ms here  ms there\n");
    let least = (!calibration.choices.contains(&calibration.least)).then_some(&calibration.least);
    for estimate in least.into_iter().chain(&calibration.choices) {
        let Cost { memory_kib, iterations, parallelism } = estimate.cost;
        let (here, there) = (millis(estimate.here), millis(estimate.there));
        let mark = match (estimate == proposed, estimate.cost == super::LEAST) {
            (true, _) => "  proposed",
            (_, true) => "  OWASP's least",
            _ => "",
        };
        let line = format!("{memory_kib:>10}  {iterations:>6}  {parallelism:>5}  {here:>7.1}  {there:>8.1}{mark}\n");
        text.push_str(&line);
    }
    text + "\n" + &deploy(calibration) + "\n"
}

fn note(calibration: &Calibration) -> String {
    let busy = if calibration.spread > UNSTEADY {
        "This machine was busy: of equal hashes the slowest took much longer than the median. Try again when it is idle. "
    } else {
        ""
    };
    format!(
        "{busy}Times there are an estimate from this processor. The functions' own is the metric KdfLatency: look at it after \
         deploying, before you rely on this."
    )
}

fn deploy(calibration: &Calibration) -> String {
    let parameters: Vec<_> = parameters(calibration).iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("sam deploy --parameter-overrides {}", parameters.join(" "))
}

fn parameters(calibration: &Calibration) -> [(&'static str, u32); 4] {
    let Cost { memory_kib, iterations, parallelism } = calibration.proposed.cost;
    [
        ("Argon2MemoryKiB", memory_kib),
        ("Argon2Iterations", iterations),
        ("Argon2Parallelism", parallelism),
        ("PasswordMemoryMiB", calibration.asked.memory_mb),
    ]
}

fn to_json(calibration: &Calibration, implementation: &str) -> Value {
    let Calibration { asked, share, spread, least, choices, proposed } = calibration;
    json!({
        "implementation": implementation,
        "runs": asked.runs,
        "targetMs": ms(asked.target),
        "memoryMb": asked.memory_mb,
        "processorShare": share,
        "slowestByMedian": spread,
        "least": estimate_json(least),
        "choices": choices.iter().map(estimate_json).collect::<Vec<_>>(),
        "proposed": estimate_json(proposed),
        "parameters": parameters(calibration).into_iter().map(|(name, value)| (name.to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>(),
        "deploy": deploy(calibration),
    })
}

fn estimate_json(estimate: &Estimate) -> Value {
    let Cost { memory_kib, iterations, parallelism } = estimate.cost;
    json!({
        "memoryKib": memory_kib,
        "iterations": iterations,
        "parallelism": parallelism,
        "msHere": ms(estimate.here),
        "msThere": ms(estimate.there),
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// To the hundredth, which is more than any measurement is worth.
fn ms(time: Duration) -> f64 {
    (millis(time) * 100.0).round() / 100.0
}
