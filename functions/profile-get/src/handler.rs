//! `GET /v1/profile/{id}`: read a profile.
//!
//! Parameters of the query string, such as `expand`, say what else of other services a client wants to see. There is
//! none of it, so they are taken and not looked at.

use shared::api::{self, PlainProfileAnswer, Route};
use shared::authorize::Verifier;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_access::Minted;
use shared::store::Administration;

/// The endpoint.
pub struct ProfileGet<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
}

impl<S: Administration> Endpoint for ProfileGet<S> {
    fn route(&self) -> &'static Route {
        &api::PROFILE_GET
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let profile = self.verifier.profile(&request, Minted::Own).await?;
        Ok(Response::json(200, &PlainProfileAnswer::new(&profile)))
    }
}
