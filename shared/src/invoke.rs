//! Functions that serve no route: a typed JSON event in, a JSON answer out.
//!
//! Invariant: what went wrong reaches the caller as a function error, never as an answer, and its text holds nothing of
//! the event. A panic is such an error too, and ends no environment. The audit event is the function's own.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::audit::{self, Ending, Outcome};
use crate::concurrent;
use crate::config::ConfigError;
use crate::gateway::Error;
use crate::invocation::Environment;
use crate::json::Json;
use crate::source::Source;

/// One function: a typed event in, an answer out.
pub trait Function: Send + Sync + 'static {
    /// What it is called with. Members that it doesn't name are ignored: AWS may add some.
    type Event: DeserializeOwned + Send;
    /// What it answers.
    type Answer: Serialize + Send;

    /// The name of its folder.
    fn name(&self) -> &'static str;

    /// Does what the event asks.
    fn call(&self, event: Self::Event, request_id: &str) -> impl Future<Output = Result<Self::Answer, Failure>> + Send;
}

/// Why an invocation failed: what Lambda tells whoever called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind, for programs.
    pub kind: &'static str,
    /// The rule that was broken, or what could not be had. Never a part of a secret.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.to_owned(), error_message: failure.message }
    }
}

const INVALID: &str = "InvalidEvent";
const PANICKED: &str = "Panic";
const UNSET: &str = "Setting";

async fn unheard(act: &'static str, request_id: &str, outcome: Outcome, reason: &'static str) {
    let nowhere = Source::default();
    let source = &nowhere;
    let took = Duration::ZERO;
    audit::of(async {}, |()| Ending { act, request_id, source, outcome, reason, status: None, took }).await;
}

/// Serves a function until the environment ends.
pub async fn serve<F: Function>(function: F) -> Result<(), Error> {
    let shared = Arc::new((function, Environment::default()));
    concurrent::serve(move |event: LambdaEvent<Json>| {
        let shared = Arc::clone(&shared);
        async move {
            let (function, environment) = &*shared;
            let answer = handle(function, event.payload.0, &event.context.request_id);
            environment.next(&event.context).run(answer).await
        }
    })
    .await
}

/// What a function does that lacks a setting, in the place of [`serve`]: it tells so once, and fails each invocation with
/// the same words until the environment ends. What it returns is for `main` to end with.
pub async fn refuse(name: &'static str, error: ConfigError) -> Error {
    tracing::error!(error = %error, "a setting is missing or can't be used, so every invocation fails");
    let environment = Arc::new(Environment::default());
    let served = concurrent::serve(move |event: LambdaEvent<Json>| {
        let environment = Arc::clone(&environment);
        async move {
            let failure = handle_without(name, error, &event.context.request_id);
            Err::<Value, _>(environment.next(&event.context).run(failure).await)
        }
    });
    served.await.err().unwrap_or_else(|| error.into())
}

/// Fails one invocation for want of a setting: what [`refuse`] does with each.
pub async fn handle_without(name: &'static str, error: ConfigError, request_id: &str) -> Failure {
    let failure = Failure::new(UNSET, error.to_string());
    unheard(name, request_id, Outcome::Failed, "setting").await;
    let span = tracing::info_span!("request", request.id = %request_id, endpoint = name);
    span.in_scope(|| tracing::error!(kind = failure.kind, error = failure.message, "failed"));
    failure
}

/// Answers one event: what [`serve`] does with each, and what tests call.
pub async fn handle<F: Function>(function: &F, event: Value, request_id: &str) -> Result<Value, Failure> {
    let span = tracing::info_span!("request", request.id = %request_id, endpoint = function.name());
    let answer = async {
        // Serde would take an array for a struct. The cause of a failure would repeat the event's values.
        let event = Some(event).filter(Value::is_object).and_then(|event| serde_json::from_value(event).ok());
        let event = event.ok_or(Failure::new(INVALID, "the event is not of the documented form"))?;
        // Boxed, or a deep call is a type too deep for the compiler.
        let answer = Box::pin(function.call(event, request_id)).await?;
        serde_json::to_value(answer).map_err(|_| Failure::new("Internal", "the answer can't be written"))
    };
    let outcome = AssertUnwindSafe(tracing::Instrument::instrument(answer, span.clone())).catch_unwind().await;
    let result = outcome.unwrap_or_else(|_panic| Err(Failure::new(PANICKED, "the function panicked")));
    // A function writes the audit event of what it was asked; of these two it never heard, or didn't come to the end.
    match result.as_ref().map_err(|failure| failure.kind) {
        Err(INVALID) => unheard(function.name(), request_id, Outcome::Refused, "bad_event").await,
        Err(PANICKED) => unheard(function.name(), request_id, Outcome::Failed, "internal").await,
        _ => {}
    }
    let _entered = span.enter();
    if let Err(failure) = &result {
        tracing::error!(kind = failure.kind, error = failure.message, "failed");
    }
    result
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Asked {
        number: u32,
    }

    struct Halver;

    impl Function for Halver {
        type Event = Asked;
        type Answer = u32;

        fn name(&self) -> &'static str {
            "halver"
        }

        async fn call(&self, event: Asked, _request_id: &str) -> Result<u32, Failure> {
            assert!(event.number != 13, "thirteen");
            if event.number % 2 == 1 { Err(Failure::new("Odd", "number must be even")) } else { Ok(event.number / 2) }
        }
    }

    #[tokio::test]
    async fn a_failure_a_panic_and_a_strange_event_are_errors_without_the_event() {
        let call = async |event: Value| handle(&Halver, event, "r-1").await;
        assert_eq!(call(json!({ "number": 4, "more": true })).await, Ok(json!(2)));
        assert_eq!(call(json!({ "number": 3 })).await, Err(Failure::new("Odd", "number must be even")));
        let panicked = call(json!({ "number": 13 })).await.unwrap_err();
        assert_eq!((panicked.kind, panicked.message.contains("thirteen")), (PANICKED, false));
        for event in [json!(null), json!([1]), json!({ "number": "secret" }), json!({})] {
            let failure = call(event).await.unwrap_err();
            assert_eq!((failure.kind, failure.message.contains("secret")), ("InvalidEvent", false));
        }
    }
}
