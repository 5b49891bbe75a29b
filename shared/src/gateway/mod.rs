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
pub use event::{Event, MAX_BODY_BYTES, Request};
pub use response::Response;

use crate::api::Route;
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
    let request_id = event.request_id();
    let span = tracing::info_span!("request", request.id = %request_id, endpoint = route.name);
    let answer = async {
        let request = event.into_request(route)?;
        endpoint.answer(request).await
    };
    let outcome = AssertUnwindSafe(tracing::Instrument::instrument(answer, span.clone())).catch_unwind().await;
    let _entered = span.enter();
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.render(route.family),
        Err(_panic) => Problem::Internal("the handler panicked").render(route.family),
    };
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(http.status = response.status(), duration_ms, "answered");
    response.with_header("x-request-id", &request_id)
}
