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
use lambda_runtime::{LambdaEvent, service_fn};

pub use body::{Fields, Parameters, Spelling};
pub use event::{Event, Headers, MAX_BODY_BYTES, Request, credential_text, without_scheme};
pub use response::Response;

use crate::api::{Access, Route};
use crate::audit::{self, Outcome};
use crate::error::Problem;

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
    let endpoint = Arc::new(endpoint);
    let served = lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let endpoint = Arc::clone(&endpoint);
        async move { Ok::<_, std::convert::Infallible>(handle(&*endpoint, event.payload).await) }
    }));
    // On the heap, where it does not fill the stack of `main`.
    Box::pin(served).await
}

/// Answers one event: what [`serve`] does with each, and what tests call.
pub async fn handle<E: Endpoint>(endpoint: &E, event: Event) -> Response {
    let started = Instant::now();
    let route = endpoint.route();
    let (request_id, source) = (event.request_id(), event.source());
    let span = tracing::info_span!("request", request.id = %request_id, endpoint = route.name);
    let answer = async {
        let request = event.into_request(route)?;
        endpoint.answer(request).await
    };
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
        request_id: &request_id,
        source: &source,
        outcome,
        reason,
        status: Some(response.status()),
        took: started.elapsed(),
    };
    let (response, ..) = match route.access {
        Access::Open => {
            let done = act.await;
            audit::answered(&ending(&done));
            done
        }
        _ => audit::of(act, ending).await,
    };
    response.with_header("x-request-id", &request_id)
}
