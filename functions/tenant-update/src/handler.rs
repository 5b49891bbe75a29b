//! `POST /api/1/tenant/update`: change a tenant.

use shared::access_token::Action;
use shared::api::{self, Route, TenantAnswer};
use shared::audit;
use shared::authorize::Presented;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response, Spelling};
use shared::profile_api::ProfileApi;
use shared::store::{Administration, Write};
use shared::tenant::Tenant;
use shared::tenant_json::DescribedTenant;

/// A tenant may be changed by somebody else at the same moment; nobody changes one many times.
const ATTEMPTS: usize = 3;

/// What an application needs in order to change a tenant, which it also is told of.
const NEEDED: [Action; 2] = [Action::ReadTenant, Action::UpdateTenant];

/// The endpoint.
pub struct TenantUpdate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for TenantUpdate<S> {
    fn route(&self) -> &'static Route {
        &api::TENANT_UPDATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::beside_json(&request)?;
        let described = DescribedTenant::read(request.json(Spelling::Exact, false)?)?;
        for _ in 0..ATTEMPTS {
            let before = self.api.tenant(&presented, described.name.as_str(), &NEEDED).await?;
            audit::subject(before.name.as_str());
            if before.closing {
                return Err(Problem::invalid("name", "must not be that of a tenant that is being deleted"));
            }
            let after = Tenant { settings: described.onto(&before.settings), ..before.clone() };
            if after == before || self.api.store.update_tenant(&after).await? == Write::Done {
                return Ok(Response::json(200, &TenantAnswer::new(&after)));
            }
        }
        Err(Problem::Busy)
    }
}
