//! `POST /api/1/profile/{id}/enable`: let a profile act again.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_answer::ProfileRequest;
use shared::profile_api::{CHANGE_PROFILE, ProfileApi};
use shared::profiles;
use shared::store::Administration;

/// The endpoint.
pub struct Api1ProfileEnable<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileEnable<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_ENABLE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfileRequest::of(&request, &[], &[])?;
        let user = asked.profile(&self.api, CHANGE_PROFILE).await?;
        let user = profiles::set_enabled(&self.api.store, &*self.api.clock, user, true).await?;
        Ok(asked.answer(&user))
    }
}
