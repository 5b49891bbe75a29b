//! `POST /api/1/profile/{id}/verification_token/create`: a token that shows whose an address is, for an application that
//! sends its own mail.

use shared::api::{self, Route, VerificationTokenAnswer};
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::one_time::Purpose;
use shared::profile_api::{CHANGE_PROFILE, ProfileApi};
use shared::recovery;
use shared::store::Store;

/// The endpoint.
pub struct VerificationTokenCreate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for VerificationTokenCreate<S> {
    fn route(&self) -> &'static Route {
        &api::VERIFICATION_TOKEN_CREATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let user = self.api.profile(&presented, request.path_parameter("id")?, CHANGE_PROFILE).await?;
        let ProfileApi { store, random, .. } = &self.api;
        let (token, text) = recovery::issue(store, &user, Purpose::Verify, self.api.now(), &**random).await?;
        Ok(Response::json(200, &VerificationTokenAnswer::new(&token, text.expose_secret())))
    }
}
