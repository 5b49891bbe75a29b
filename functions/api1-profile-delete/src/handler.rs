//! `POST /api/1/profile/{id}/delete`: delete a profile with everything that is its own.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_answer::ProfileRequest;
use shared::profile_api::{CHANGE_PROFILE, ProfileApi};
use shared::profiles;
use shared::store::Administration;

/// The endpoint.
pub struct Api1ProfileDelete<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileDelete<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_DELETE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfileRequest::of(&request, &[], &[])?;
        match asked.profile(&self.api, CHANGE_PROFILE).await {
            Ok(user) => profiles::delete(&self.api.store, &*self.api.clock, user).await?,
            Err(Problem::NoSuchProfile) => {}
            Err(problem) => return Err(problem),
        }
        Ok(Response::empty())
    }
}
