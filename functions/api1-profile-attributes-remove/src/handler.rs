//! `POST /api/1/profile/{id}/attributes/remove`: take attributes from a profile.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_answer::ProfileRequest;
use shared::profile_api::{CHANGE_PROFILE, ProfileApi, deferred};
use shared::profiles;
use shared::store::Administration;
use shared::user::User;

/// The endpoint.
pub struct Api1ProfileAttributesRemove<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileAttributesRemove<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_ATTRIBUTES_REMOVE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfileRequest::of(&request, &[], &[NAME])?;
        let names = deferred(asked.needed(NAME).and_then(|mut names| names.try_for_each(check)))?;
        let user = asked.profile(&self.api, CHANGE_PROFILE).await?;
        names?;
        let edit = |mut user: User| {
            for name in asked.request.parameters.list(NAME) {
                user.attributes.remove(name);
            }
            Ok(user)
        };
        asked.changed(&self.api, user, edit).await
    }
}

const NAME: &str = "attributeName";

fn check(name: &str) -> Result<(), Problem> {
    let name = profiles::attribute_name(name);
    name.map(|_| ()).ok_or_else(|| Problem::invalid(NAME, profiles::ATTRIBUTE_NAME_RULE))
}
