//! `GET /api/1/tenant/{name}`: read a tenant.

use shared::access_token::Action;
use shared::api::{self, Route, TenantAnswer};
use shared::audit;
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::store::Store;

/// The endpoint.
pub struct TenantGet<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for TenantGet<S> {
    fn route(&self) -> &'static Route {
        &api::TENANT_GET
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let name = request.path_parameter("name")?;
        let tenant = self.api.tenant(&presented, name, &[Action::ReadTenant]).await?;
        audit::subject(tenant.name.as_str());
        Ok(Response::json(200, &TenantAnswer::new(&tenant)))
    }
}
