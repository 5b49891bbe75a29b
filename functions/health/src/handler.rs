//! `GET /health`: whether the store and the signing keys are in reach, and a key may sign.

use std::sync::Arc;

use shared::api::{self, Route};
use shared::clock::Clock;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::keyring::{Keyring, KeyringError};
use shared::store::{Lookup, Store};
use shared::user::UserId;

/// The endpoint.
pub struct Health<S> {
    /// The store.
    pub store: S,
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl<S: Store> Endpoint for Health<S> {
    fn route(&self) -> &'static Route {
        &api::HEALTH
    }

    async fn answer(&self, _request: Request) -> Result<Response, Problem> {
        let nobody = Lookup { users: vec![UserId::nobody("health")], ..Lookup::default() };
        let (stored, keys) = tokio::join!(self.store.lookup(nobody), self.keyring.current());
        stored?;
        if keys?.signing_key(self.clock.now()).is_none() {
            return Err(Problem::Keys(KeyringError::NoneSigns));
        }
        Ok(Response::json(200, &api::Health { status: "ok".to_owned() }))
    }
}
