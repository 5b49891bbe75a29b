//! `POST /api/1/profile/{id}/attributes/update`: set attributes of a profile.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::profile_answer::ProfileRequest;
use shared::profile_api::{CHANGE_PROFILE, ProfileApi};
use shared::profiles;
use shared::store::Administration;

/// The endpoint.
pub struct Api1ProfileAttributesUpdate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileAttributesUpdate<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_ATTRIBUTES_UPDATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfileRequest::of_query(&request)?;
        let given = request.json(Spelling::Exact, false)?.into_values();
        let given = profiles::attributes(given)
            .ok_or_else(|| Problem::invalid("the body's fields", profiles::ATTRIBUTES_RULE))?;
        let user = asked.profile(&self.api, CHANGE_PROFILE).await?;
        let edit = |user| profiles::with_attributes(user, &given);
        asked.changed(&self.api, user, edit).await
    }
}
