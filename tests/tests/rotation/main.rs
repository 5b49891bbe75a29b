//! Rotation under load: a real Secrets Manager (the local one, over HTTP), the function's own four steps, eight
//! environments with caches and phases of their own, and a clock that runs 600 times as fast, so that days fit into
//! minutes.
//!
//! `ROTATION_SECONDS` says how long it runs; without it 20 s, and two minutes where `CI` is set.

mod driver;
mod load;

use std::sync::Arc;
use std::time::Duration;

use driver::Naive;
use load::{Load, SPEED};
use tests::{figure, note, noticed};

fn seconds() -> u64 {
    let chosen = std::env::var("ROTATION_SECONDS").ok().map(|text| text.parse().expect("ROTATION_SECONDS: seconds"));
    chosen.unwrap_or(if std::env::var_os("CI").is_some() { 120 } else { 20 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_live_token_fails_and_no_dead_key_opens_anything() {
    let load = Load::start().await;
    driver::rotations(&load, Duration::from_secs(seconds())).await;
    let figures = load.end().await;
    figure(&figures.to_string());
    assert!(figures.rotations >= 20, "{figures}");
    assert!(figures.verifications >= 200 * figures.seconds, "{figures}");
    assert!(figures.late >= 100 && figures.forged >= 100 && figures.random >= 200 * figures.seconds, "{figures}");
    assert_eq!((figures.failed, figures.accepted), (0, 0), "{figures}");
    assert!(figures.reads <= 1.0, "{figures}");
    assert_eq!(load.algorithms(), ["ES256", "EdDSA", "RS256"], "each of them signed");
    note("Q9", "seconds", figures.seconds);
    note("Q9", "rotations", figures.rotations);
    note("Q9", "verifications-a-second", figures.verifications / figures.seconds);
    note("Q9", "live-tokens-refused", figures.failed);
    note("Q9", "dead-tokens-accepted", figures.accepted);
    note("Q9", "unknown-key-ids-a-second", figures.random / figures.seconds);
    note("Q9", "reads-in-half-a-minute", figures.reads);
}

/// The control: what a rotation without the windows does, this test sees.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_naive_rotation_is_caught() {
    for naive in [Naive::SignsAtOnce, Naive::DropsTheOldKey] {
        let load = Load::start().await;
        driver::naive(&load, naive, Duration::from_secs(5)).await;
        let figures = load.end().await;
        figure(&format!("control {naive:?}: {figures}"));
        assert!(figures.failed > 0, "{naive:?}: {figures}");
    }
    let (what, test) = ("a new key signs at once, or the old one is dropped at once", "a_naive_rotation_is_caught");
    noticed("Q9", "a-naive-rotation", what, "tests/tests/rotation/driver.rs", test);
}

/// Shared by all tasks of a run.
type Shared = Arc<Load>;

/// A moment of the fast clock, in real time.
fn real(virtual_time: Duration) -> Duration {
    virtual_time / SPEED
}
