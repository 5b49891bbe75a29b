//! `GET /v1/application`: read the calling application.

use shared::api::{self, ApplicationAnswer, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::store::Administration;

/// The endpoint.
pub struct ApplicationGet<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for ApplicationGet<S> {
    fn route(&self) -> &'static Route {
        &api::APPLICATION_GET
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let application = self.api.application_by_key(&request).await?;
        Ok(Response::json(200, &ApplicationAnswer::new(&application)))
    }
}
