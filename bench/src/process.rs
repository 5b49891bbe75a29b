//! A function's process, and the Lambda Runtime API that it asks for events.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::Error;

/// Far more than anything takes that works.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a function sent to the Runtime API.
enum Arrival {
    /// It wants an event.
    Next { at: Instant, reply: oneshot::Sender<String> },
    /// It answers the last one.
    Answer { at: Instant, document: Bytes },
    /// It failed.
    Failure(String),
}

type Arrivals = mpsc::UnboundedSender<Arrival>;

/// A function, started and waiting for an event. Dropping it ends it.
pub struct Process {
    function: &'static str,
    child: Child,
    api: JoinHandle<()>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    next: Option<oneshot::Sender<String>>,
    patience: Duration,
}

/// Resident memory, in MiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now.
    pub now: f64,
    /// At most, since the start.
    pub peak: f64,
}

impl Memory {
    /// That of a process.
    #[must_use]
    pub fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default() / 1024.0
        };
        Self { now: mib("VmRSS"), peak: mib("VmHWM") }
    }
}

impl Process {
    /// Starts the binary, and tells how long it took to ask for its first event.
    pub async fn start(
        function: &'static str,
        binary: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<(Self, Duration), Error> {
        Self::run(function, Command::new(binary), environment, PATIENCE).await
    }

    /// The same by a `command` that begins with what the binary runs under, for which we wait as long as `patience`.
    pub async fn run(
        function: &'static str,
        mut command: Command,
        environment: &BTreeMap<String, String>,
        patience: Duration,
    ) -> Result<(Self, Duration), Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        let (sender, arrivals) = mpsc::unbounded_channel();
        let api = tokio::spawn(serve(listener, sender));
        command
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let started = Instant::now();
        let child = command.spawn().map_err(|source| Error::File { path: command.get_program().into(), source })?;
        let mut process = Self { function, child, api, arrivals, next: None, patience };
        let asked = process.until_next().await?;
        Ok((process, asked - started))
    }

    /// Hands it an event and tells how long the answer took, which must be 200, 201 or, of the authorizer, a yes.
    pub async fn invoke(&mut self, event: String) -> Result<Duration, Error> {
        let (took, document) = self.exchange(event).await?;
        if !is_success(&document) {
            let answer = String::from_utf8_lossy(&document).into_owned();
            return Err(Error::Answer { function: self.function.to_owned(), answer });
        }
        Ok(took)
    }

    /// Hands it an event, and tells how long the answer took and what it was.
    pub async fn exchange(&mut self, event: String) -> Result<(Duration, Bytes), Error> {
        let Some(reply) = self.next.take() else { return Err(self.silent("ask for an event")) };
        let sent = Instant::now();
        let _ = reply.send(event);
        let Arrival::Answer { at, document } = self.arrival("answer").await? else {
            return Err(self.silent("answer"));
        };
        self.until_next().await?;
        Ok((at - sent, document))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The time that it has spent on a processor.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        threads.map(|thread| on_cpu(&thread.path().join("schedstat"))).sum()
    }

    /// The memory that it has resident.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory::of(self.child.id())
    }

    async fn until_next(&mut self) -> Result<Instant, Error> {
        match self.arrival("ask for an event").await? {
            Arrival::Next { at, reply } => {
                self.next = Some(reply);
                Ok(at)
            }
            _ => Err(self.silent("ask for an event")),
        }
    }

    async fn arrival(&mut self, what: &'static str) -> Result<Arrival, Error> {
        match tokio::time::timeout(self.patience, self.arrivals.recv()).await {
            Ok(Some(Arrival::Failure(answer))) => Err(Error::Answer { function: self.function.to_owned(), answer }),
            Ok(Some(arrival)) => Ok(arrival),
            _ => Err(self.silent(what)),
        }
    }

    fn silent(&self, what: &'static str) -> Error {
        Error::Silent { function: self.function.to_owned(), what, seconds: self.patience.as_secs() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.api.abort();
    }
}

/// Whether an answer is a 200, a 201 or, of the authorizer, a yes.
#[must_use]
pub fn is_success(document: &[u8]) -> bool {
    let answer = serde_json::from_slice::<Value>(document).unwrap_or_default();
    answer.get("statusCode").is_some_and(|status| *status == 200 || *status == 201)
        || answer.get("isAuthorized").is_some_and(|allowed| *allowed == true)
}

/// The time that a thread has spent on a processor, by its `schedstat`.
#[must_use]
pub fn on_cpu(schedstat: &Path) -> Duration {
    let text = fs::read_to_string(schedstat).unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

async fn serve(listener: TcpListener, arrivals: Arrivals) {
    let app = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
        .fallback(failure)
        .with_state(arrivals);
    // Otherwise an answer in two pieces waits 40 ms for the first one's acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let _ = axum::serve(listener, app).await;
}

async fn next(State(arrivals): State<Arrivals>) -> Response {
    let (reply, event) = oneshot::channel();
    let _ = arrivals.send(Arrival::Next { at: Instant::now(), reply });
    let Ok(event) = event.await else { return StatusCode::GONE.into_response() };
    let headers = [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:measured"),
    ];
    (headers, event).into_response()
}

async fn answer(State(arrivals): State<Arrivals>, document: Bytes) -> StatusCode {
    let _ = arrivals.send(Arrival::Answer { at: Instant::now(), document });
    StatusCode::ACCEPTED
}

async fn failure(State(arrivals): State<Arrivals>, request: Request) -> StatusCode {
    let _ = arrivals.send(Arrival::Failure(format!("by {} {}", request.method(), request.uri())));
    StatusCode::ACCEPTED
}
