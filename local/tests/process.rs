//! No process outlives what started it.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use local::process::Group;

/// Ends only when all processes that hold the pipe have ended.
fn ends_within(mut pipe: impl std::io::Read + Send + 'static, patience: Duration) -> bool {
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = pipe.read_to_end(&mut rest);
        let _ = sender.send(());
    });
    ended.recv_timeout(patience).is_ok()
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

#[test]
fn a_stopped_group_takes_its_grandchildren_along() {
    let mut group = Group::spawn(&mut shell("sleep 100 & sleep 100 & wait")).unwrap();
    let pipe = group.leader().stdout.take().unwrap();
    let began = Instant::now();
    group.stop(Duration::from_secs(5));
    assert!(began.elapsed() < Duration::from_secs(4));
    assert!(ends_within(pipe, Duration::from_secs(5)));
}

#[test]
fn a_group_that_ignores_the_request_is_ended_by_force() {
    let mut group = Group::spawn(&mut shell("trap '' TERM; echo ready; while :; do sleep 1; done")).unwrap();
    let mut pipe = group.leader().stdout.take().unwrap();
    pipe.read_exact(&mut [0; 6]).unwrap();
    group.stop(Duration::from_millis(200));
    assert!(ends_within(pipe, Duration::from_secs(5)));
}
