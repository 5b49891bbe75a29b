//! `POST /api/1/profile/{id}/disable`: keep a profile from acting, and end what it holds.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_answer::ProfileRequest;
use shared::profile_api::{CHANGE_PROFILE, ProfileApi};
use shared::profiles;
use shared::store::Administration;

/// The endpoint.
pub struct Api1ProfileDisable<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileDisable<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_DISABLE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfileRequest::of(&request, &[], &[])?;
        let user = asked.profile(&self.api, CHANGE_PROFILE).await?;
        let user = profiles::set_enabled(&self.api.store, &*self.api.clock, user, false).await?;
        Ok(asked.answer(&user))
    }
}
