//! `POST /api/1/authentication/persistent_login/{id}/delete`: end a persistent login; one that is over already stays so.

use shared::api::{self, Route};
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::store::Store;

/// The endpoint.
pub struct PersistentLoginDelete<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for PersistentLoginDelete<S> {
    fn route(&self) -> &'static Route {
        &api::PERSISTENT_LOGIN_DELETE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        self.api.end_persistent_login(&presented, request.path_parameter("id")?).await?;
        Ok(Response::empty())
    }
}
