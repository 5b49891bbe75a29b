//! `GET /api/1/profile/count`: count the profiles of a tenant.

use shared::api::{self, Route};
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::{ProfileApi, READ_PROFILE, TENANT_PARAMETER};
use shared::profile_listing::Deadline;
use shared::store::{Administration, Order};

/// The endpoint.
pub struct Api1ProfileCount<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileCount<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_COUNT
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let (presented, parameters) = Presented::among(&request, &[TENANT_PARAMETER])?;
        let tenant = self.api.named_tenant(&presented, &parameters, READ_PROFILE).await?;
        let deadline = Deadline::after(self.api.now());
        let counted = self.api.count(&tenant.name, Order::Ascending, usize::MAX, deadline).await?;
        let counted =
            counted.ok_or_else(|| Problem::invalid(TENANT_PARAMETER, "has more profiles than one call can count"))?;
        Ok(Response::json(200, &counted.count))
    }
}
