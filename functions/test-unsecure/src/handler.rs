//! `GET /test/unsecure`: try the connection.

use shared::api::{self, Message, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};

/// The endpoint.
pub struct TestUnsecure;

impl Endpoint for TestUnsecure {
    fn route(&self) -> &'static Route {
        &api::TEST_UNSECURE
    }

    async fn answer(&self, _request: Request) -> Result<Response, Problem> {
        Ok(Response::json(200, &Message::new("Hi anonymous")))
    }
}
