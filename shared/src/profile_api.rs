//! What every endpoint of the Profile API begins with: the calling application, and what it may do where.
//!
//! Invariant: the application comes first. Whoever may not ask is told neither what is wrong with the question nor
//! whether what it asks about exists; and to an application, what belongs to a tenant that it has nothing to do with
//! does not exist.

use std::sync::Arc;

use crate::access_token::{AccessToken, Action};
use crate::audit;
use crate::authorize::{self, Presented, demand, demand_somewhere};
use crate::clock::{Clock, Timestamp};
use crate::error::Problem;
use crate::gateway::Parameters;
use crate::random::Random;
use crate::store::{Found, Lookup, Store};
use crate::tenant::{Tenant, TenantName};
use crate::user::{User, UserId};

/// What an application needs in order to read a profile.
pub const READ_PROFILE: &[Action] = &[Action::ManageProfiles, Action::ReadTenant];
/// What an application needs in order to change a profile.
pub const CHANGE_PROFILE: &[Action] = &[Action::ManageProfiles];

/// The longest name of a tenant or a user, and the longest id, that is looked at, in bytes.
pub const MAX_NAME_BYTES: usize = 512;

/// The parameter that names a tenant where neither path nor body does.
pub const TENANT_PARAMETER: &str = "tenantName";

/// The parameter that names a profile where the path does not.
pub const PROFILE_PARAMETER: &str = "profileId";

/// What the endpoints of the Profile API work with.
pub struct ProfileApi<S> {
    /// Where everything is.
    pub store: S,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids and tokens.
    pub random: Arc<dyn Random>,
}

impl<S: Store> ProfileApi<S> {
    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The calling application, and what `wanted` says, by one read.
    pub async fn application(&self, presented: &Presented, wanted: Lookup) -> Result<(AccessToken, Found), Problem> {
        let wanted = Lookup { access_token: Some(presented.digest()?), ..wanted };
        let mut found = self.store.lookup(wanted).await?;
        let token = authorize::application(found.access_token.take(), self.now())?;
        Ok((token, found))
    }

    /// The profile `id`, for an application that may do all of `needed` in its tenant.
    pub async fn profile(&self, presented: &Presented, id: &str, needed: &[Action]) -> Result<User, Problem> {
        let id = UserId::parse(id);
        let wanted = Lookup { users: id.iter().cloned().collect(), ..Lookup::default() };
        let (token, found) = self.application(presented, wanted).await?;
        managed_profile(&token, id.and_then(|id| found.user(&id).cloned()), needed)
    }

    /// The same for the profile that the parameter [`PROFILE_PARAMETER`] names. That it is missing is told to a good
    /// application only.
    pub async fn named_profile(
        &self,
        presented: &Presented,
        parameters: &Parameters,
        needed: &[Action],
    ) -> Result<User, Problem> {
        match deferred(parameters.required(PROFILE_PARAMETER, MAX_NAME_BYTES))? {
            Ok(id) => self.profile(presented, id, needed).await,
            Err(missing) => self.application(presented, Lookup::default()).await.and(Err(missing)),
        }
    }

    /// The tenant `name`, for an application that may do all of `needed` on it.
    pub async fn tenant(&self, presented: &Presented, name: &str, needed: &[Action]) -> Result<Tenant, Problem> {
        let wanted = Lookup { tenant: TenantName::parse(name), ..Lookup::default() };
        let (token, found) = self.application(presented, wanted).await?;
        found.tenant.iter().for_each(|tenant| audit::tenant(&tenant.name));
        demand(&token, needed, name)?;
        found.tenant.ok_or(Problem::NoSuchTenant)
    }

    /// The same for the tenant that the parameter [`TENANT_PARAMETER`] names. That it is missing is told to a good
    /// application only.
    pub async fn named_tenant(
        &self,
        presented: &Presented,
        parameters: &Parameters,
        needed: &[Action],
    ) -> Result<Tenant, Problem> {
        match deferred(parameters.required(TENANT_PARAMETER, MAX_NAME_BYTES))? {
            Ok(name) => self.tenant(presented, name, needed).await,
            Err(missing) => self.application(presented, Lookup::default()).await.and(Err(missing)),
        }
    }

    /// What `wanted` says, for an application that manages access tokens; `action` is what it is told that it may not
    /// do.
    pub async fn master(
        &self,
        presented: &Presented,
        action: &'static str,
        wanted: Lookup,
    ) -> Result<(AccessToken, Found), Problem> {
        let (token, found) = self.application(presented, wanted).await?;
        if token.master { Ok((token, found)) } else { Err(Problem::GlobalActionDenied(action)) }
    }
}

/// The profile that was found, for an application that may do all of `needed` in its tenant: refused where it may do
/// that nowhere, or knows the tenant and may not do it there.
pub fn managed_profile(token: &AccessToken, found: Option<User>, needed: &[Action]) -> Result<User, Problem> {
    needed.iter().try_for_each(|action| demand_somewhere(token, *action))?;
    let user = found.filter(|user| token.knows(&user.tenant)).ok_or(Problem::NoSuchProfile)?;
    audit::actor(&user);
    demand(token, needed, user.tenant.as_str())?;
    Ok(user)
}

/// What a request asks, to be looked at again once the application was found to be good. A parameter that is missing is
/// told then; one that breaks a rule at once, so that it costs no store call.
pub fn deferred<T>(asked: Result<T, Problem>) -> Result<Result<T, Problem>, Problem> {
    match asked {
        Err(missing @ Problem::MissingParameter(_)) => Ok(Err(missing)),
        Err(broken) => Err(broken),
        Ok(asked) => Ok(Ok(asked)),
    }
}
