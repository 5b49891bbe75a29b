//! `POST /api/1/profile/{id}/update`: change a profile.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::login::Login;
use shared::profile_answer::ProfileRequest;
use shared::profile_api::{CHANGE_PROFILE, ProfileApi};
use shared::profiles::{self, ProfileUpdate};
use shared::store::Administration;

/// The endpoint.
pub struct Api1ProfileUpdate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
    /// Weighs and hashes passwords.
    pub login: Login<S>,
}

impl<S: Administration> Endpoint for Api1ProfileUpdate<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_UPDATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        const ONCE: &[&str] = &["username", "password", "email", "enabled", "attributes"];
        let asked = ProfileRequest::of(&request, ONCE, &["role"])?;
        let update = update(&asked.request.parameters)?;
        let user = asked.profile(&self.api, CHANGE_PROFILE).await?;
        let user = profiles::update(&self.login, user, update).await?;
        Ok(asked.answer(&user))
    }
}

/// What is to become of the profile. What is left out stays as it is.
fn update(parameters: &Parameters) -> Result<ProfileUpdate, Problem> {
    let attributes = parameters.given("attributes").map(|text| profiles::attributes_in("attributes", text));
    Ok(ProfileUpdate {
        name: parameters.given("username").map(profiles::user_name).transpose()?,
        email: parameters.given("email").map(profiles::email).transpose()?,
        enabled: parameters.optional_flag("enabled")?,
        roles: profiles::all_roles(parameters)?,
        attributes: attributes.transpose()?.unwrap_or_default(),
        password: parameters.given("password").map(|_| parameters.password("password")).transpose()?,
    })
}
