//! `POST /api/1/profile/{id}/reset_password`: a message with a token for a new password, and a link to a page of the
//! application that asks.

use shared::api::{self, Route};
use shared::delivery::Link;
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::profile_answer::ProfileRequest;
use shared::profile_api::{CHANGE_PROFILE, ProfileApi, deferred};
use shared::recovery::{self, Recovery};
use shared::store::Store;

const PAGE: &str = "resetPasswordUrl";

/// The endpoint.
pub struct Api1ProfileResetPassword<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
    /// Makes tokens and sends them.
    pub recovery: Recovery<S>,
}

impl<S: Store> Endpoint for Api1ProfileResetPassword<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_RESET_PASSWORD
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfileRequest::of(&request, &[PAGE], &[])?;
        let page = deferred(page(&asked.request.parameters))?;
        let user = asked.profile(&self.api, CHANGE_PROFILE).await?;
        self.recovery.send_reset_to(&user, &page?).await?;
        Ok(asked.answer(&user))
    }
}

fn page(parameters: &Parameters) -> Result<Link, Problem> {
    recovery::page(PAGE, parameters.required(PAGE, Link::MAX_PAGE_BYTES)?)
}
