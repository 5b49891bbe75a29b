//! HTTP in and out: the event of API Gateway (payload format 2.0), checked before anything rests on it, and the one
//! loop that every function runs.
//!
//! Invariant: whatever arrives, the runtime gets a well-formed answer. No input makes a panic, a panic makes a 500, and
//! `lambda_runtime` never sees an error, which would cost the environment.

mod body;
mod event;
mod response;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use lambda_runtime::LambdaEvent;

pub use body::{Fields, Parameters, Spelling};
pub use event::{Event, Headers, MAX_BODY_BYTES, Request, credential_text, without_scheme};
pub use response::Response;

use crate::api::{Access, Family, Route};
use crate::audit::{self, Outcome};
use crate::concurrent;
use crate::config::{Config, ConfigError};
use crate::edge::Edge;
use crate::error::Problem;
use crate::invocation::Environment;
use crate::source::Source;

/// What ends a function at its start: a broken deployment, told to whoever deploys.
pub type Error = lambda_runtime::Error;

/// One endpoint: a typed request in, an answer out.
pub trait Endpoint: Send + Sync + 'static {
    /// Which route it serves.
    fn route(&self) -> &'static Route;

    /// Does what the request asks.
    fn answer(&self, request: Request) -> impl Future<Output = Result<Response, Problem>> + Send;
}

/// Serves an endpoint until the environment ends.
pub async fn serve<E: Endpoint>(endpoint: E) -> Result<(), Error> {
    // Read here, so that no `main` can leave it out.
    let edge = Config::from_env()?.edge;
    let shared = Arc::new((endpoint, edge, Environment::default()));
    concurrent::serve(move |event: LambdaEvent<Event>| {
        let shared = Arc::clone(&shared);
        async move {
            let (endpoint, edge, environment) = &*shared;
            let answer = handle_behind(edge.as_ref(), endpoint, event.payload);
            Ok::<_, std::convert::Infallible>(environment.next(&event.context).run(answer).await)
        }
    })
    .await
}

/// What a function does that lacks a setting, in the place of [`serve`]: it tells so once, and answers each event with a
/// 503 until the environment ends. To end at once would make Lambda start it again and again, and tell clients nothing.
/// What it returns is for `main` to end with.
pub async fn refuse(error: ConfigError) -> Error {
    tracing::error!(error = %error, "a setting is missing or can't be used, so every request is answered with a 503");
    let environment = Arc::new(Environment::default());
    let served = concurrent::serve(move |event: LambdaEvent<Event>| {
        let environment = Arc::clone(&environment);
        async move {
            let answer = handle_without(error, event.payload);
            Ok::<_, std::convert::Infallible>(environment.next(&event.context).run(answer).await)
        }
    });
    served.await.err().unwrap_or_else(|| error.into())
}

/// Answers one event where nothing stands in front of the API: what tests call.
pub async fn handle<E: Endpoint>(endpoint: &E, event: Event) -> Response {
    handle_behind(None, endpoint, event).await
}

/// Answers one event: what [`serve`] does with each.
pub async fn handle_behind<E: Endpoint>(edge: Option<&Edge>, endpoint: &E, mut event: Event) -> Response {
    let started = Instant::now();
    let route = endpoint.route();
    let passed = edge.map_or(Ok(()), |edge| event.passed(edge));
    let (request_id, source) = (event.request_id(), event.source());
    // On the heap, since each layer around it would hold it twice.
    let answer = Box::pin(async {
        passed?;
        let request = event.into_request(route)?;
        endpoint.answer(request).await
    });
    finish(route, &request_id, &source, started, answer).await
}

/// Answers one event without a setting that every endpoint needs: what [`refuse`] does with each. The gateway's own
/// word says which route it is about, since there is no endpoint that could.
pub async fn handle_without(error: ConfigError, event: Event) -> Response {
    const UNKNOWN: Route = Route {
        name: "unknown",
        method: "",
        path: "",
        family: Family::User,
        access: Access::Body,
        summary: "No route of ours",
    };
    let started = Instant::now();
    let route = event.route().unwrap_or(&UNKNOWN);
    let answer = async { Err(Problem::Setting(error)) };
    finish(route, &event.request_id(), &event.source(), started, answer).await
}

/// Makes of `answer` what the gateway gets, and writes the end of the request.
async fn finish(
    route: &Route,
    request_id: &str,
    source: &Source,
    started: Instant,
    answer: impl Future<Output = Result<Response, Problem>>,
) -> Response {
    let span = tracing::info_span!("request", request.id = %request_id, endpoint = route.name);
    let rendered = async {
        let outcome = AssertUnwindSafe(answer).catch_unwind().await;
        match outcome.unwrap_or(Err(Problem::Internal("the handler panicked"))) {
            Ok(response) => (response, Outcome::Success, audit::DONE),
            Err(problem) => (problem.render(route.family), problem.outcome(), problem.reason()),
        }
    };
    let act = tracing::Instrument::instrument(rendered, span);
    let ending = |&(ref response, outcome, reason): &(Response, Outcome, &'static str)| audit::Ending {
        act: route.name,
        request_id,
        source,
        outcome,
        reason,
        status: Some(response.status()),
        took: started.elapsed(),
    };
    let (response, ..) = match route.access {
        Access::Open => audit::answered(act, ending).await,
        _ => audit::of(act, ending).await,
    };
    response.with_header("x-request-id", request_id)
}
