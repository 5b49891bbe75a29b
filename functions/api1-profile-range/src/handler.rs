//! `GET /api/1/profile/range`: list profiles of a tenant.
//!
//! By user name, which is the order of an index, a listing may start anywhere. Any other order is made here, of tenants
//! that are small enough for that. Nothing is cut off in silence: a client that asks for more than an answer holds is
//! told so. The index lags behind by moments.

use shared::api::{self, Route};
use shared::error::Problem;
use shared::gateway::{Endpoint, Parameters, Request, Response};
use shared::profile_answer::ProfilesRequest;
use shared::profile_api::{ProfileApi, READ_PROFILE, TENANT_PARAMETER};
use shared::profile_listing::{Deadline, Listing, SORT_BY, SORT_ORDER, SortBy, Sorting};
use shared::store::{Administration, Lookup, Order};
use shared::tenant::TenantName;
use shared::user::{Attributes, User, UserId};

const START: &str = "start";
const COUNT: &str = "count";

/// As many profiles as one answer holds.
const MAX_PROFILES: usize = 1_000;
/// The largest tenant that is sorted here.
const MAX_SORTED: usize = 5_000;
/// As many users as are listed at a time.
const PAGE: usize = 500;
/// As many users as are read at a time.
const BATCH: usize = 90;

/// The endpoint.
pub struct Api1ProfileRange<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Administration> Endpoint for Api1ProfileRange<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_RANGE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        const ONCE: &[&str] = &[TENANT_PARAMETER, SORT_BY, SORT_ORDER, START, COUNT];
        let ProfilesRequest { parameters, wanted, presented } = ProfilesRequest::of(&request, ONCE, &[])?;
        let (asked, listing) = (Asked::of(&parameters)?, Listing::new(wanted));
        let tenant = self.api.named_tenant(&presented, &parameters, READ_PROFILE).await?.name;
        let deadline = Deadline::after(self.api.now());
        let listing = if asked.sorting.by == SortBy::Username {
            self.by_name(&tenant, &asked, listing, deadline).await?
        } else {
            self.sorted(&tenant, &asked, listing, deadline).await?
        };
        Ok(listing.response())
    }
}

/// What a client asks for.
struct Asked {
    sorting: Sorting,
    /// So many profiles to leave out.
    start: usize,
    /// So many profiles to list, if that is limited.
    count: Option<usize>,
}

impl Asked {
    fn of(parameters: &Parameters) -> Result<Self, Problem> {
        let by_name = Sorting { by: SortBy::Username, order: Order::Ascending };
        let sorting = Sorting::of(parameters)?.unwrap_or(by_name);
        let start = number(parameters, START)?.unwrap_or_default();
        match number(parameters, COUNT)? {
            Some(0) => Err(Problem::invalid(COUNT, "must be a whole number above zero")),
            count => Ok(Self { sorting, start, count }),
        }
    }

    /// So many are looked for: one more than an answer holds, where that is how it is noticed.
    fn limit(&self) -> usize {
        self.count.unwrap_or(usize::MAX).min(MAX_PROFILES + 1)
    }

    /// Refuses a listing that would have to be cut off.
    fn fits(listed: usize) -> Result<(), Problem> {
        if listed > MAX_PROFILES {
            return Err(Problem::invalid(COUNT, "must be at most 1000 where there are more profiles than that"));
        }
        Ok(())
    }
}

/// A whole number in plain digits, or nothing. What is too large to count ends at the largest that can be.
fn number(parameters: &Parameters, name: &'static str) -> Result<Option<usize>, Problem> {
    let Some(text) = parameters.given(name) else { return Ok(None) };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::invalid(name, "must be a whole number"));
    }
    Ok(Some(text.parse().unwrap_or(usize::MAX)))
}

impl<S: Administration> Api1ProfileRange<S> {
    /// In the order of the index.
    async fn by_name(
        &self,
        tenant: &TenantName,
        asked: &Asked,
        mut listing: Listing,
        deadline: Deadline,
    ) -> Result<Listing, Problem> {
        let mut next = None;
        if asked.start > 0 {
            let passed = self.api.count(tenant, asked.sorting.order, asked.start, deadline).await?;
            let passed = passed.ok_or_else(|| Problem::invalid(START, "is further than one call can go"))?;
            next = passed.next;
            if next.is_none() {
                return Ok(listing);
            }
        }
        loop {
            let left = (asked.limit() - listing.len()).min(PAGE);
            let page = self.api.store.users_in_order(tenant, asked.sorting.order, next.as_deref(), left).await?;
            page.items.iter().try_for_each(|user| listing.add(user, COUNT))?;
            next = page.next;
            Asked::fits(listing.len())?;
            if next.is_none() || listing.len() >= asked.limit() {
                return Ok(listing);
            }
            if deadline.is_over(self.api.now()) {
                return Err(Problem::invalid(COUNT, "asks for more than one call can read"));
            }
        }
    }

    /// In an order of its own, which the whole tenant is read for. What is shown is then read by the ids: so the memory
    /// holds little of each profile, and what is shown is what is so now.
    async fn sorted(
        &self,
        tenant: &TenantName,
        asked: &Asked,
        mut listing: Listing,
        deadline: Deadline,
    ) -> Result<Listing, Problem> {
        let too_late = || {
            let rule = "must be username in a tenant that is too large to be sorted in one call";
            if deadline.is_over(self.api.now()) { Err(Problem::invalid(SORT_BY, rule)) } else { Ok(()) }
        };
        let mut users: Vec<User> = Vec::new();
        let mut next = None;
        loop {
            let order = Order::Ascending;
            let page = self.api.store.users_in_order(tenant, order, next.as_deref(), PAGE).await?;
            users.extend(page.items.into_iter().map(|user| User { attributes: Attributes::default(), ..user }));
            if users.len() > MAX_SORTED {
                return Err(Problem::invalid(SORT_BY, "must be username in a tenant of more than 5000 profiles"));
            }
            next = page.next;
            if next.is_none() {
                break;
            }
            too_late()?;
        }
        asked.sorting.sort(&mut users);
        let shown: Vec<UserId> = users.into_iter().skip(asked.start).take(asked.limit()).map(|user| user.id).collect();
        Asked::fits(shown.len())?;
        for ids in shown.chunks(BATCH) {
            too_late()?;
            let found = self.api.store.lookup(Lookup { users: ids.to_vec(), ..Lookup::default() }).await?;
            // Whoever came to have an id since it was listed may be of another tenant.
            let users = ids.iter().filter_map(|id| found.user(id)).filter(|user| user.tenant == *tenant);
            users.into_iter().try_for_each(|user| listing.add(user, COUNT))?;
        }
        Ok(listing)
    }
}
