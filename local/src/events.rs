//! EventBridge: a loopback port that takes events, as far as messages to people need it, and tells them on the terminal.
//!
//! Nothing is kept on the disk: an event holds a token that is as good as a password.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use shared::random::{Random, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What EventBridge takes in one call.
const MAX_ENTRIES: usize = 10;
/// The size of one call's entries that EventBridge takes.
const MAX_BYTES: usize = 256 * 1024;
/// So many events are remembered.
const REMEMBERED: usize = 100;

/// An event that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The bus that it was put on.
    pub bus: String,
    /// Who put it there.
    pub source: String,
    /// Its kind.
    pub detail_type: String,
    /// What it says.
    pub detail: Value,
}

/// The service, serving.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

#[derive(Debug, Default)]
struct Shared {
    taken: Mutex<VecDeque<Event>>,
    told: AtomicBool,
}

impl Server {
    /// Serves on a free port. Call it on a runtime.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = Arc::new(Shared::default());
        let app = Router::new()
            .route("/", post(answer))
            .layer(DefaultBodyLimit::max(4 * MAX_BYTES))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, app).with_graceful_shutdown(async move {
                let _ = stopped.await;
            });
            if let Err(error) = serving.await {
                eprintln!("events: {error}");
            }
        });
        Ok(Self { address, shared, running: Some((stop, task)) })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells messages to people on standard output from here on.
    pub(crate) fn tell(&self) {
        self.shared.told.store(true, Ordering::Relaxed);
    }

    /// The last events, the oldest first.
    pub(crate) fn taken(&self) -> Vec<Event> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Takes no more requests. The handle ends with the last one that is under way.
    pub(crate) fn stop(&mut self) -> Option<JoinHandle<()>> {
        let (stop, task) = self.running.take()?;
        let _ = stop.send(());
        Some(task)
    }
}

/// A call as clients of AWS make it (JSON 1.1).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    event_bus_name: Option<String>,
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
}

impl Entry {
    fn bytes(&self) -> usize {
        [&self.source, &self.detail_type, &self.detail].into_iter().flatten().map(String::len).sum()
    }

    /// The event, or the code and text of what AWS calls wrong with it.
    fn event(self) -> Result<Event, (&'static str, &'static str)> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let missing = |what| ("InvalidArgument", what);
        let source =
            given(self.source).ok_or(missing("Parameter Source is not valid. Reason: Source is a required argument."));
        let detail_type = given(self.detail_type)
            .ok_or(missing("Parameter DetailType is not valid. Reason: DetailType is a required argument."));
        let detail =
            self.detail.ok_or(missing("Parameter Detail is not valid. Reason: Detail is a required argument."))?;
        let detail = serde_json::from_str(&detail).ok().filter(Value::is_object);
        Ok(Event {
            bus: given(self.event_bus_name).unwrap_or_else(|| "default".to_owned()),
            source: source?,
            detail_type: detail_type?,
            detail: detail.ok_or(("MalformedDetail", "Detail is malformed."))?,
        })
    }
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if target != "AWSEvents.PutEvents" {
        return refused("UnknownOperationException", "the local cloud takes events and does nothing else");
    }
    let Ok(call) = serde_json::from_slice::<PutEvents>(&body) else {
        return refused("SerializationException", "the body is no call of PutEvents");
    };
    if !(1..=MAX_ENTRIES).contains(&call.entries.len()) {
        return refused("ValidationException", "'entries' must hold 1 to 10 members");
    }
    if call.entries.iter().map(Entry::bytes).sum::<usize>() > MAX_BYTES {
        return refused("ValidationException", "Total size of the entries in the request is over the limit.");
    }
    let results: Vec<Value> = call.entries.into_iter().map(|entry| shared.take(entry)).collect();
    let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
    response(200, &json!({ "FailedEntryCount": failed, "Entries": results }))
}

impl Shared {
    fn take(&self, entry: Entry) -> Value {
        let event = match entry.event() {
            Ok(event) => event,
            Err((code, message)) => return json!({ "ErrorCode": code, "ErrorMessage": message }),
        };
        if self.told.load(Ordering::Relaxed) {
            tell(&event);
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() == REMEMBERED {
            taken.pop_front();
        }
        taken.push_back(event);
        let random: &dyn Random = &SystemRandom;
        json!({ "EventId": format!("{:032x}", u128::from_be_bytes(random.bytes())) })
    }
}

/// Stands in for the mail. An event that is for nobody is not told, as it would not be on AWS.
fn tell(event: &Event) {
    let text = |name: &str| event.detail.get(name).and_then(Value::as_str);
    let (Some(address), Some(token)) = (text("email"), text("token")) else { return };
    let shown = text("link").unwrap_or(token);
    // A closed pipe is no reason to end.
    let _ = writeln!(io::stdout().lock(), "\nA message to {address} ({}): {shown}", event.detail_type);
}

fn refused(code: &str, message: &str) -> Response {
    response(400, &json!({ "__type": code, "message": message }))
}

fn response(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(detail: &str) -> Entry {
        Entry {
            event_bus_name: None,
            source: Some("x".to_owned()),
            detail_type: Some("y".to_owned()),
            detail: Some(detail.to_owned()),
        }
    }

    #[test]
    fn an_event_is_taken_whole_or_refused_with_the_code_of_aws() {
        let event = entry(r#"{"a":1}"#).event().unwrap();
        assert_eq!((event.bus.as_str(), &event.detail), ("default", &json!({ "a": 1 })));
        assert_eq!(entry("[]").event().unwrap_err().0, "MalformedDetail");
        assert_eq!(entry("{").event().unwrap_err().0, "MalformedDetail");
        assert_eq!(Entry { source: None, ..entry("{}") }.event().unwrap_err().0, "InvalidArgument");
        assert_eq!(Entry { detail_type: Some(String::new()), ..entry("{}") }.event().unwrap_err().0, "InvalidArgument");
    }

    #[test]
    fn only_the_last_events_are_remembered() {
        let shared = Shared::default();
        for number in 0..=REMEMBERED {
            assert!(shared.take(entry(&json!({ "number": number }).to_string())).get("EventId").is_some());
        }
        let taken = shared.taken.lock().unwrap();
        assert_eq!((taken.len(), &taken[0].detail), (REMEMBERED, &json!({ "number": 1 })));
    }
}
