//! `POST /api/1/profile/{id}/roles/remove`: take roles from a profile.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_answer::ProfileRequest;
use shared::profile_api::{CHANGE_PROFILE, ProfileApi, deferred};
use shared::profiles;
use shared::store::Administration;
use shared::user::User;

/// The endpoint.
pub struct Api1ProfileRolesRemove<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileRolesRemove<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_ROLES_REMOVE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfileRequest::of(&request, &[], &["role"])?;
        let roles = deferred(asked.needed("role").and_then(profiles::roles))?;
        let user = asked.profile(&self.api, CHANGE_PROFILE).await?;
        let roles = roles?;
        let edit = |mut user: User| {
            user.roles.retain(|role| !roles.contains(role));
            Ok(user)
        };
        asked.changed(&self.api, user, edit).await
    }
}
