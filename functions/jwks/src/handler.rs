//! `GET /.well-known/jwks.json`: the public signing keys (RFC 7517).

use std::sync::Arc;

use shared::api::{self, Route};
use shared::clock::Clock;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::keyring::Keyring;

/// The endpoint.
pub struct Jwks {
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl Endpoint for Jwks {
    fn route(&self) -> &'static Route {
        &api::JWKS
    }

    async fn answer(&self, _request: Request) -> Result<Response, Problem> {
        let keys = self.keyring.current().await?;
        let answer = Response::json(200, &keys.jwks(self.clock.now()));
        Ok(answer.with_header("cache-control", api::CACHEABLE))
    }
}
