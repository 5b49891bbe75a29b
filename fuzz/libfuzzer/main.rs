//! The target that `OSTIARY_FUZZ_TARGET` names, under libFuzzer.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use fuzz::Target;
use libfuzzer_sys::fuzz_target;
use rustix::time::{ClockId, clock_gettime};

/// No input may take longer. It is this thread's own time: a busy machine makes no finding.
const LIMIT: Duration = Duration::from_millis(100);

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("OSTIARY_FUZZ_TARGET").expect("OSTIARY_FUZZ_TARGET names the target");
    let target = Target::named(&name).expect("OSTIARY_FUZZ_TARGET names one of the targets");
    // What is made once is not any input's doing.
    (target.run)(b"");
    target
});

fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("time since the thread began")
}

fuzz_target!(|input: &[u8]| {
    let target = *TARGET;
    let before = spent();
    (target.run)(input);
    let took = spent().saturating_sub(before);
    assert!(took <= LIMIT, "{} took {took:?}", target.name);
});
