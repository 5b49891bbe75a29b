//! `GET /api/1/profile/by_username`: find a profile by its user name.
//!
//! Two reads, since a name leads to an id and that to the profile; both are strongly consistent. Of the account's
//! credential only its owner is read, never a hash.

use shared::api::{self, Route};
use shared::audit;
use shared::authorize::demand;
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::profile_answer::ProfilesRequest;
use shared::profile_api::{MAX_NAME_BYTES, ProfileApi, READ_PROFILE, TENANT_PARAMETER, deferred};
use shared::store::{Administration, LoginName, Lookup};
use shared::tenant::TenantName;

const USERNAME: &str = "username";

/// The endpoint.
pub struct Api1ProfileByUsername<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileByUsername<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_BY_USERNAME
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfilesRequest::of(&request, &[TENANT_PARAMETER, USERNAME], &[])?;
        let names = deferred(names(&asked.parameters))?;
        // In whatever spelling: what can't be a name leads to one that nobody has.
        let owner = names.as_ref().ok().map(|(tenant, name)| LoginName::typed(tenant, name));
        let tenant = names.as_ref().ok().and_then(|(tenant, _)| TenantName::parse(tenant));
        let wanted = Lookup { owner, tenant, ..Lookup::default() };
        let (token, found) = self.api.application(&asked.presented, wanted).await?;
        found.tenant.iter().for_each(|tenant| audit::tenant(&tenant.name));
        let (tenant, _) = names?;
        demand(&token, READ_PROFILE, tenant)?;
        let id = found.owner.ok_or(Problem::NoSuchProfile)?;
        let wanted = Lookup { users: vec![id.clone()], ..Lookup::default() };
        let found = self.api.store.lookup(wanted).await?;
        // Whoever came to have the id since then may be of another tenant.
        let profile = found.user(&id).filter(|user| user.tenant.as_str() == tenant).ok_or(Problem::NoSuchProfile)?;
        audit::actor(profile);
        Ok(asked.answer(profile))
    }
}

/// Tenant and user name, as they were typed.
fn names(parameters: &Parameters) -> Result<(&str, &str), Problem> {
    Ok((parameters.required(TENANT_PARAMETER, MAX_NAME_BYTES)?, parameters.required(USERNAME, MAX_NAME_BYTES)?))
}
