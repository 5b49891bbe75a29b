//! `POST /api/1/authentication/persistent_login/create`: begin a persistent login.

use std::time::Duration;

use shared::api::{self, PersistentLoginAnswer, Route};
use shared::authorize::{Presented, demand_enabled};
use shared::error::{self, Problem};
use shared::gateway::{Endpoint, Request, Response};
use shared::persistent_login::{NEEDED, PersistentLogin};
use shared::profile_api::{PROFILE_PARAMETER, ProfileApi};
use shared::store::Store;

/// The endpoint.
pub struct PersistentLoginCreate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
    /// How long a persistent login lives.
    pub lifetime: Duration,
}

impl<S: Store> Endpoint for PersistentLoginCreate<S> {
    fn route(&self) -> &'static Route {
        &api::PERSISTENT_LOGIN_CREATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let (presented, parameters) = Presented::among(&request, &[PROFILE_PARAMETER])?;
        let profile = self.api.named_profile(&presented, &parameters, NEEDED).await?;
        demand_enabled(&profile)?;
        let (login, id) = PersistentLogin::issue(&profile, self.lifetime, self.api.now(), &*self.api.random);
        error::new(self.api.store.create_persistent_login(&login).await?)?;
        Ok(Response::json(200, &PersistentLoginAnswer::new(&login, id.expose_secret())))
    }
}
