//! `POST /api/1/tenant/create`: make a tenant.

use shared::access_token::Action;
use shared::api::{self, Route, TenantAnswer};
use shared::audit;
use shared::authorize::{Presented, demand};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::profile_api::ProfileApi;
use shared::store::{Administration, Lookup, Write};
use shared::tenant::Tenant;
use shared::tenant_json::DescribedTenant;

/// The endpoint.
pub struct TenantCreate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for TenantCreate<S> {
    fn route(&self) -> &'static Route {
        &api::TENANT_CREATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::beside_json(&request)?;
        let described = DescribedTenant::read(request.json(Spelling::Exact, false)?)?;
        let (application, _) = self.api.application(&presented, Lookup::default()).await?;
        demand(&application, &[Action::CreateTenant], described.name.as_str())?;
        audit::subject(described.name.as_str());
        let mut tenant = Tenant::new(described.name.clone(), self.api.now());
        tenant.settings = described.onto(&tenant.settings);
        match self.api.store.create_tenant(&tenant).await? {
            Write::Done => Ok(Response::json(200, &TenantAnswer::new(&tenant))),
            Write::Refused => Err(Problem::TenantExists(tenant.name.to_string())),
        }
    }
}
