//! `POST /api/1/profile/change_password`: a token from a message and a new password, in the place of a forgotten one.
//!
//! Ends every ticket of the profile. Auth headers go on.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::login::Login;
use shared::one_time::MAX_TEXT_BYTES;
use shared::profile_answer::ProfilesRequest;
use shared::profile_api::{ProfileApi, deferred};
use shared::recovery::{self, Chosen};
use shared::secret::Password;
use shared::store::Store;

const TOKEN: &str = "resetTokenId";
const NEW: &str = "newPassword";

/// The endpoint.
pub struct Api1ProfileChangePassword<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
    /// Weighs and hashes the new password.
    pub login: Login<S>,
}

impl<S: Store> Endpoint for Api1ProfileChangePassword<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_CHANGE_PASSWORD
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfilesRequest::of(&request, &[TOKEN, NEW], &[])?;
        let new = deferred(new_password(&asked.parameters))?;
        let token = asked.parameters.get(TOKEN).unwrap_or_default();
        let shown = recovery::managed(&self.api, &asked.presented, token).await?;
        let (new, source) = (new?, request.source().clone());
        let chosen = Chosen { field: NEW, new, end_auth_headers: false, source };
        let user = recovery::set_password(&self.login, shown.ok_or(Problem::NoSuchOneTime)?, chosen).await?;
        Ok(asked.answer(&user))
    }
}

/// The new password, in a request that lacks nothing.
fn new_password(parameters: &Parameters) -> Result<Password, Problem> {
    parameters.required(TOKEN, MAX_TEXT_BYTES)?;
    parameters.password(NEW)
}
