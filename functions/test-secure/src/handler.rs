//! `GET /test/secure`: clients use it to try a JWT or an auth header.

use shared::api::{self, Message, Route};
use shared::authorize::Verifier;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::store::Store;

/// The endpoint.
pub struct TestSecure<S> {
    /// Checks the caller's credential.
    pub verifier: Verifier<S>,
}

impl<S: Store> Endpoint for TestSecure<S> {
    fn route(&self) -> &'static Route {
        &api::TEST_SECURE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let user = self.verifier.user(&request).await?.user;
        Ok(Response::json(200, &Message { message: format!("Hi {}", user.name.as_str()) }))
    }
}
