//! `GET /api/1/profile/verification_token/{id}`: whose a token is, as long as it is good for something.

use shared::api::{self, Route, VerificationTokenAnswer};
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::recovery;
use shared::store::Store;

/// The endpoint.
pub struct VerificationTokenGet<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for VerificationTokenGet<S> {
    fn route(&self) -> &'static Route {
        &api::VERIFICATION_TOKEN_GET
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let id = request.path_parameter("id")?;
        let shown = recovery::managed(&self.api, &presented, id).await?.ok_or(Problem::NoSuchOneTime)?;
        let (token, _) = shown.live(self.api.now())?;
        Ok(Response::json(200, &VerificationTokenAnswer::new(&token, id)))
    }
}
