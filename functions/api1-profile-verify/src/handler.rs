//! `POST /api/1/profile/verify`: a token that shows that the address which it was made for is the profile's own.
//!
//! It never enables a profile that is disabled.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::one_time::MAX_TEXT_BYTES;
use shared::profile_answer::ProfilesRequest;
use shared::profile_api::{ProfileApi, deferred};
use shared::recovery;
use shared::store::Store;

const TOKEN: &str = "verificationTokenId";

/// The endpoint.
pub struct Api1ProfileVerify<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for Api1ProfileVerify<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_VERIFY
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfilesRequest::of(&request, &[TOKEN], &[])?;
        let token = deferred(asked.parameters.required(TOKEN, MAX_TEXT_BYTES))?;
        let shown = recovery::managed(&self.api, &asked.presented, token.as_ref().map_or("", |token| token)).await?;
        token?;
        let shown = shown.ok_or(Problem::NoSuchOneTime)?;
        let user = recovery::verify_shown(&self.api.store, shown, self.api.now()).await?;
        Ok(asked.answer(&user))
    }
}
