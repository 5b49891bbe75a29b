//! `GET /api/1/tenant/all`: list the tenants.

use shared::access_token::Action;
use shared::api::{self, Route, TenantAnswer};
use shared::authorize::{Presented, demand};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::profile_listing::WholeList;
use shared::store::{Administration, Lookup};

/// What there is instead of a list that no answer can hold.
const TOO_LONG: &str = "of the tenants is too long for an answer: use `ostiary tenant list`";

/// The endpoint.
pub struct TenantList<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for TenantList<S> {
    fn route(&self) -> &'static Route {
        &api::TENANT_LIST
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let (application, _) = self.api.application(&presented, Lookup::default()).await?;
        demand(&application, &[Action::ReadTenant], "*")?;
        let (mut list, mut tenants, mut next) = (WholeList::begun(self.api.now()), Vec::new(), None::<String>);
        loop {
            let page = self.api.store.tenants_from(next.as_deref()).await?;
            for tenant in page.items.iter().map(TenantAnswer::new) {
                list.add(&tenant, TOO_LONG)?;
                tenants.push(tenant);
            }
            next = page.next;
            if next.is_none() {
                return Ok(Response::json(200, &tenants));
            }
            list.go_on(self.api.now(), TOO_LONG)?;
        }
    }
}
