//! `GET /api/1/profile/{id}`: read a profile.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_answer::ProfileRequest;
use shared::profile_api::{ProfileApi, READ_PROFILE};
use shared::store::Store;

/// The endpoint.
pub struct Api1ProfileGet<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for Api1ProfileGet<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_GET
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfileRequest::of(&request, &[], &[])?;
        let user = asked.profile(&self.api, READ_PROFILE).await?;
        Ok(asked.answer(&user))
    }
}
