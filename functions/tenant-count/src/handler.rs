//! `GET /api/1/tenant/count`: count the tenants.

use shared::access_token::Action;
use shared::api::{self, Route};
use shared::authorize::{Presented, demand};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::profile_listing::Deadline;
use shared::store::{Administration, Lookup};

/// The endpoint.
pub struct TenantCount<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for TenantCount<S> {
    fn route(&self) -> &'static Route {
        &api::TENANT_COUNT
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let (application, _) = self.api.application(&presented, Lookup::default()).await?;
        demand(&application, &[Action::ReadTenant], "*")?;
        let (deadline, mut count, mut next) = (Deadline::after(self.api.now()), 0, None::<String>);
        loop {
            let part = self.api.store.count_tenants(next.as_deref()).await?;
            count += part.count;
            next = part.next;
            if next.is_none() {
                return Ok(Response::json(200, &count));
            }
            if deadline.is_over(self.api.now()) {
                let rule = "of the tenants is too long to be counted in one call: use `ostiary tenant list`";
                return Err(Problem::invalid("the list", rule));
            }
        }
    }
}
