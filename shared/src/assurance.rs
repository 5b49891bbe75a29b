//! What the tests reach, in figures: each is a file in the folder that `OSTIARY_ASSURANCE` names, of which
//! `tools/assurance` makes [docs/assurance.md](../../docs/assurance.md). Compiled only for tests.

#![expect(clippy::expect_used, reason = "a figure that can't be kept fails its test")]

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::clock::{Clock as _, SystemClock};

/// Where figures are kept; nowhere unless somebody asks for them.
#[expect(clippy::disallowed_methods, reason = "a setting of whoever runs the tests, and none of the product")]
fn folder() -> Option<PathBuf> {
    std::env::var_os("OSTIARY_ASSURANCE").map(PathBuf::from)
}

fn today() -> String {
    SystemClock.now().as_zoneless().chars().take("2026-01-31".len()).collect()
}

/// Keeps a figure: the line of `tests/assurance/lines.toml` that it belongs to, its name there, and what was counted. To
/// be called after the test's last assertion, so that what failed leaves none.
pub fn note(line: &str, figure: &str, value: impl Into<Value>) {
    let note = json!({ "line": line, "figure": figure, "value": value.into(), "date": today() });
    keep(&format!("{line}.{figure}.json"), &note);
}

/// Keeps that a test saw what it is for: the fault that was put in on purpose, what it does, the test's file and name.
pub fn noticed(line: &str, fault: &str, what: &str, file: &str, test: &str) {
    let control = json!([{
        "line": line, "fault": fault, "what": what, "file": file, "test": test, "result": "fails as it must",
        "date": today(),
    }]);
    keep(&format!("controls.{line}.{fault}.json"), &control);
}

/// A figure that several tests of one process reach together, in whatever order they end.
pub struct Total {
    line: &'static str,
    figure: &'static str,
    count: Mutex<usize>,
}

impl Total {
    /// A figure of which nothing is counted yet.
    #[must_use]
    pub const fn new(line: &'static str, figure: &'static str) -> Self {
        Self { line, figure, count: Mutex::new(0) }
    }

    /// Counts what a test has tried, at the test's end.
    pub fn add(&self, more: usize) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += more;
        note(self.line, self.figure, *count);
    }
}

fn keep(name: &str, value: &Value) {
    let Some(folder) = folder() else { return };
    std::fs::create_dir_all(&folder).expect("the folder of OSTIARY_ASSURANCE");
    std::fs::write(folder.join(name), format!("{value}\n")).expect("a file in the folder of OSTIARY_ASSURANCE");
}
