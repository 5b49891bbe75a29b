//! `POST /api/1/tenant/{name}/delete`: delete a tenant with everybody in it.

use std::sync::Arc;

use shared::access_token::Action;
use shared::api::{self, Route};
use shared::audit;
use shared::authorize::{Presented, demand};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::ProfileApi;
use shared::store::{Administration, Lookup};
use shared::tenant::{Tenant, TenantName};
use shared::tenant_deletion::{DeletionError, Outcome, Pace, TenantDeletion};

/// The endpoint.
pub struct TenantDelete<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
    /// How long one call may take.
    pub pace: Pace,
}

impl<S: Administration> Endpoint for TenantDelete<S> {
    fn route(&self) -> &'static Route {
        &api::TENANT_DELETE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let text = request.path_parameter("name")?;
        let wanted = Lookup { tenant: TenantName::parse(text), ..Lookup::default() };
        let (application, found) = self.api.application(&presented, wanted).await?;
        found.tenant.iter().for_each(|tenant| audit::tenant(&tenant.name));
        demand(&application, &[Action::DeleteTenant], text)?;
        // What is no tenant's name may be anything, and anything is not for the log.
        let Some(Tenant { name, .. }) = found.tenant else { return Ok(Response::empty()) };
        audit::subject(name.as_str());
        let (store, clock) = (self.api.store.clone(), Arc::clone(&self.api.clock));
        let deletion = TenantDeletion { store, clock, pace: self.pace };
        match deletion.delete(&name, Some(application.digest), &|| ()).await {
            Ok(Outcome::Done(_) | Outcome::NoSuchTenant) => Ok(Response::empty()),
            Ok(Outcome::Unfinished) => Err(Problem::Unfinished),
            Err(DeletionError::Store(error)) => Err(Problem::Store(error)),
            Err(DeletionError::Busy { .. }) => Err(Problem::Busy),
            Err(DeletionError::Died(_)) => Err(Problem::Internal("the deletion of a user panicked")),
        }
    }
}
