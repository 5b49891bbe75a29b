//! A Runtime API for a function that asks for several events at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Parameter, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use bench::Error;
use bench::process::{Memory, PATIENCE};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

/// The unit of a process's times in `/proc`.
const TICK: Duration = Duration::from_millis(10);

/// Events that wait, and who is told of answers.
struct Api {
    events: Mutex<VecDeque<(String, String)>>,
    more: Notify,
    answers: mpsc::UnboundedSender<(String, Bytes)>,
}

impl Api {
    fn events(&self) -> MutexGuard<'_, VecDeque<(String, String)>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A function's process. Dropping it ends it.
pub struct Environment {
    function: &'static str,
    child: Child,
    api: Arc<Api>,
    answers: mpsc::UnboundedReceiver<(String, Bytes)>,
    server: tokio::task::JoinHandle<()>,
    log: Option<JoinHandle<Vec<Value>>>,
    asked: usize,
}

impl Environment {
    /// Starts a function.
    pub async fn start(
        function: &'static str,
        binary: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        let (sender, answers) = mpsc::unbounded_channel();
        let api = Arc::new(Api { events: Mutex::default(), more: Notify::new(), answers: sender });
        let server = tokio::spawn(serve(listener, Arc::clone(&api)));
        let mut command = Command::new(binary);
        command
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|source| Error::File { path: binary.to_owned(), source })?;
        let stdout = child.stdout.take();
        let log = std::thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
            lines.map_while(Result::ok).map(|line| serde_json::from_str(&line).unwrap_or_default()).collect()
        });
        Ok(Self { function, child, api, answers, server, log: Some(log), asked: 0 })
    }

    /// Hands it all events, as fast as it asks for them, and tells the answers in the events' order.
    pub async fn ask(&mut self, events: impl Iterator<Item = &String>) -> Result<Vec<String>, Error> {
        let mut wanted = BTreeMap::new();
        for event in events {
            let id = format!("event-{}", self.asked);
            wanted.insert(id.clone(), wanted.len());
            self.asked += 1;
            self.api.events().push_back((id, numbered(event, self.asked)));
        }
        let many = wanted.len();
        self.api.more.notify_waiters();
        let mut answers = vec![String::new(); many];
        for _ in 0..many {
            let Ok(Some((id, answer))) = tokio::time::timeout(PATIENCE, self.answers.recv()).await else {
                let (function, seconds) = (self.function.to_owned(), PATIENCE.as_secs());
                return Err(Error::Silent { function, what: "answer", seconds });
            };
            let place = wanted.get(&id).and_then(|place| answers.get_mut(*place));
            let place =
                place.ok_or_else(|| Error::Answer { function: self.function.to_owned(), answer: id.clone() })?;
            *place = String::from_utf8_lossy(&answer).into_owned();
        }
        Ok(answers)
    }

    /// The time that it has spent on processors, threads that ended among them.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name, which may hold anything: the 14th and 15th of all.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(11).take(2));
        let ticks: u32 = fields.into_iter().flatten().filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
        TICK * ticks
    }

    /// The most memory that it had resident.
    pub fn peak_mib(&self) -> f64 {
        Memory::of(self.child.id()).peak
    }

    /// Ends it, and tells what it logged.
    pub fn end(mut self) -> Vec<Value> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log.take().and_then(|log| log.join().ok()).unwrap_or_default()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.server.abort();
    }
}

/// The event with an id at the gateway that no other has.
fn numbered(event: &str, number: usize) -> String {
    let mut event: Value = serde_json::from_str(event).unwrap_or_default();
    if let Some(id) = event.pointer_mut("/requestContext/requestId") {
        *id = format!("request-{number}").into();
    }
    event.to_string()
}

async fn serve(listener: TcpListener, api: Arc<Api>) {
    let app = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(answer))
        .with_state(api);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let _ = axum::serve(listener, app).await;
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    let (id, event) = loop {
        let more = api.more.notified();
        let waiting = api.events().pop_front();
        match waiting {
            Some(event) => break event,
            None => more.await,
        }
    };
    let headers = [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", id.as_str()),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:measured"),
    ];
    (headers, event).into_response()
}

async fn answer(State(api): State<Arc<Api>>, Parameter(id): Parameter<String>, document: Bytes) -> StatusCode {
    let _ = api.answers.send((id, document));
    StatusCode::ACCEPTED
}
