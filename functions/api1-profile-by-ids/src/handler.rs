//! `GET /api/1/profile/by_ids`: read several profiles, by one read.
//!
//! An id of nobody, or of somebody in a tenant that the application has nothing to do with, is left out.

use shared::access_token::AccessToken;
use shared::api::{self, Route};
use shared::authorize::{demand, demand_somewhere};
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::profile_answer::ProfilesRequest;
use shared::profile_api::{MAX_NAME_BYTES, ProfileApi, READ_PROFILE, deferred};
use shared::profile_listing::{Listing, SORT_BY, SORT_ORDER, Sorting};
use shared::store::{Administration, Found, Lookup};
use shared::user::{User, UserId};

const ID: &str = "id";

/// As many as one read takes, with room for the rest of what it reads.
const MAX_IDS: usize = 90;

/// The endpoint.
pub struct Api1ProfileByIds<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileByIds<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_BY_IDS
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let ProfilesRequest { parameters, wanted, presented } =
            ProfilesRequest::of(&request, &[SORT_BY, SORT_ORDER], &[ID])?;
        let sorting = Sorting::of(&parameters)?;
        let mut listing = Listing::new(wanted);
        let ids = deferred(ids(&parameters))?;
        let users = ids.as_deref().unwrap_or_default().to_vec();
        let (token, found) = self.api.application(&presented, Lookup { users, ..Lookup::default() }).await?;
        let mut profiles = covered(&token, &found, &ids?)?;
        if let Some(sorting) = sorting {
            sorting.sort(&mut profiles);
        }
        profiles.iter().try_for_each(|profile| listing.add(profile, ID))?;
        Ok(listing.response())
    }
}

/// The ids, each once. What can't be an id is nobody's.
fn ids(parameters: &Parameters) -> Result<Vec<UserId>, Problem> {
    let given: Vec<&str> = parameters.list(ID).collect();
    if given.is_empty() {
        return Err(Problem::MissingParameter(ID));
    }
    if given.len() > MAX_IDS {
        return Err(Problem::invalid(ID, "must be given at most 90 times"));
    }
    if given.iter().any(|id| id.len() > MAX_NAME_BYTES) {
        return Err(Problem::invalid(ID, "is too long"));
    }
    let mut ids: Vec<UserId> = Vec::new();
    for id in given.into_iter().filter_map(UserId::parse) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Those that were found and are the application's to read, in the order in which it asked. One in a tenant where it
/// may do something else is refused, as it is when it is asked for alone.
fn covered(token: &AccessToken, found: &Found, ids: &[UserId]) -> Result<Vec<User>, Problem> {
    READ_PROFILE.iter().try_for_each(|action| demand_somewhere(token, *action))?;
    let profiles = ids.iter().filter_map(|id| found.user(id)).filter(|profile| token.knows(&profile.tenant));
    profiles.map(|profile| demand(token, READ_PROFILE, profile.tenant.as_str()).map(|()| profile.clone())).collect()
}
