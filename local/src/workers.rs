//! Compiled functions, kept running beside a `cargo lambda watch` that only serves the Lambda APIs.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::watch::{self, agent};

/// A function that ends sooner than this is broken rather than unlucky, and waits before it starts again.
const BROKEN_IF_SHORTER_THAN: Duration = Duration::from_secs(1);

/// What the gateway answers where no route leads.
const NOT_FOUND: &str = r#"{"statusCode":404,"headers":{"content-type":"application/json"},"cookies":[],"body":"{\"message\":\"Not Found\"}"}"#;

/// Threads that restart the functions, and one that answers for the routes there aren't.
#[derive(Debug)]
pub(crate) struct Workers {
    stopping: Arc<AtomicBool>,
}

impl Workers {
    /// Starts a process for each of the names, in the process group `group`.
    pub(crate) fn start(
        names: Vec<String>,
        group: i32,
        url: &str,
        command: impl Fn(&str) -> Result<Command, watch::Error>,
    ) -> Result<Self, watch::Error> {
        let workers = Self { stopping: Arc::new(AtomicBool::new(false)) };
        for name in names {
            let mut command = command(&name)?;
            command.process_group(group);
            let stopping = Arc::clone(&workers.stopping);
            thread::spawn(move || keep_running(&name, &mut command, &stopping));
        }
        let stopping = Arc::clone(&workers.stopping);
        let api = format!("{url}/.rt/2018-06-01/runtime/invocation");
        thread::spawn(move || answer_not_found(&api, &stopping));
        Ok(workers)
    }

    /// From now on what ends stays ended.
    pub(crate) fn stop_restarting(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }
}

fn keep_running(name: &str, command: &mut Command, stopping: &AtomicBool) {
    while !stopping.load(Ordering::SeqCst) {
        let started = Instant::now();
        let ended = command.spawn().and_then(|mut child| child.wait());
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        match ended {
            Ok(status) => eprintln!("{name} ended ({status}) and is started again"),
            Err(error) => eprintln!("{name} can't be run: {error}"),
        }
        if started.elapsed() < BROKEN_IF_SHORTER_THAN {
            thread::sleep(BROKEN_IF_SHORTER_THAN);
        }
    }
}

/// Without functions of its own, `cargo lambda watch` hands a request for no route to a function without a name, where
/// it would wait for ever.
fn answer_not_found(api: &str, stopping: &AtomicBool) {
    let agent = agent(None);
    while !stopping.load(Ordering::SeqCst) {
        let request = agent.get(format!("{api}/next")).call();
        let id = request.ok().and_then(|request| {
            let id = request.headers().get("lambda-runtime-aws-request-id")?.to_str().ok()?;
            (request.status() == 200).then(|| id.to_owned())
        });
        match id {
            Some(id) => {
                let _ = agent.post(format!("{api}/{id}/response")).send(NOT_FOUND);
            }
            None => thread::sleep(Duration::from_millis(100)),
        }
    }
}
