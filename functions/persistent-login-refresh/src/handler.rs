//! `POST /api/1/authentication/persistent_login/{id}/refresh_token`: a new token for a persistent login.

use shared::api::{self, PersistentLoginAnswer, Route};
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::persistent_login::{MAX_TOKEN_BYTES, TOKEN_PARAMETER};
use shared::profile_api::ProfileApi;
use shared::store::Store;

/// The endpoint.
pub struct PersistentLoginRefresh<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for PersistentLoginRefresh<S> {
    fn route(&self) -> &'static Route {
        &api::PERSISTENT_LOGIN_REFRESH
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let (presented, parameters) = Presented::among(&request, &[TOKEN_PARAMETER])?;
        let shown = parameters.shown(TOKEN_PARAMETER, MAX_TOKEN_BYTES)?;
        let id = request.path_parameter("id")?;
        let login = self.api.refreshed_persistent_login(&presented, id, shown).await?;
        Ok(Response::json(200, &PersistentLoginAnswer::new(&login, id)))
    }
}
