//! `GET /test/unsecure`: an answer, and no call of anything.

use lambda_http::{Body, Error, Request, Response, run, service_fn, tracing};

async fn handler(_: Request) -> Result<Response<Body>, Error> {
    let body = serde_json::json!({ "message": "hello" }).to_string();
    Ok(Response::builder().status(200).header("content-type", "application/json").body(body.into())?)
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    run(service_fn(handler)).await
}
