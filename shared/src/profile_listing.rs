//! Listings of profiles: in which order, and how much of them fits one answer.

use std::cmp::Ordering;
use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::error::Problem;
use crate::gateway::{Parameters, Response};
use crate::profile_answer::{ProfileAnswer, WantedAttributes};
use crate::profile_api::ProfileApi;
use crate::store::{Administration, Counted, Order};
use crate::tenant::TenantName;
use crate::user::{Email, User};

/// By what a listing is sorted.
pub const SORT_BY: &str = "sortBy";
/// Which way.
pub const SORT_ORDER: &str = "sortOrder";

/// What of a profile a listing can be sorted by: the members of [`ProfileAnswer`] that have an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// In the form that every spelling of a name leads to.
    Username,
    /// The same of the address; those without one are the smallest.
    Email,
    /// By the id.
    Id,
    /// By when it was made.
    CreatedOn,
    /// By when it was last changed.
    LastModified,
    /// Those that are not enabled are smaller.
    Enabled,
    /// Those whose address is not verified are smaller.
    Verified,
}

impl SortBy {
    const ALL: [(&str, Self); 7] = [
        ("username", Self::Username),
        ("email", Self::Email),
        ("id", Self::Id),
        ("createdOn", Self::CreatedOn),
        ("lastModified", Self::LastModified),
        ("enabled", Self::Enabled),
        ("verified", Self::Verified),
    ];
    const RULE: &str = "must be username, email, id, createdOn, lastModified, enabled or verified";

    fn of(self, one: &User, other: &User) -> Ordering {
        let email = |user: &User| user.email.as_ref().map(|email| Email::canonical(email).to_owned());
        match self {
            Self::Username => Ordering::Equal,
            Self::Email => email(one).cmp(&email(other)),
            Self::Id => one.id.cmp(&other.id),
            Self::CreatedOn => one.created.cmp(&other.created),
            Self::LastModified => one.modified.cmp(&other.modified),
            Self::Enabled => one.enabled.cmp(&other.enabled),
            Self::Verified => one.email_verified.cmp(&other.email_verified),
        }
    }
}

/// How a listing is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sorting {
    /// By what.
    pub by: SortBy,
    /// Which way.
    pub order: Order,
}

impl Sorting {
    /// Reads [`SORT_BY`] and [`SORT_ORDER`]; `None` where neither is given.
    pub fn of(parameters: &Parameters) -> Result<Option<Self>, Problem> {
        let by = parameters.given(SORT_BY).map(|text| {
            let known = SortBy::ALL.into_iter().find(|(name, _)| *name == text);
            known.map(|(_, by)| by).ok_or_else(|| Problem::invalid(SORT_BY, SortBy::RULE))
        });
        let order = parameters.given(SORT_ORDER).map(|text| match text {
            "ASC" | "asc" => Ok(Order::Ascending),
            "DESC" | "desc" => Ok(Order::Descending),
            _ => Err(Problem::invalid(SORT_ORDER, "must be ASC or DESC")),
        });
        Ok(match (by.transpose()?, order.transpose()?) {
            (None, None) => None,
            (by, order) => Some(Self { by: by.unwrap_or(SortBy::Username), order: order.unwrap_or(Order::Ascending) }),
        })
    }

    /// Sorts users; what is alike goes by name and then, in several tenants, by id.
    pub fn sort(self, users: &mut [User]) {
        users.sort_by(|one, other| {
            let alike = || one.name.canonical().cmp(other.name.canonical()).then_with(|| one.id.cmp(&other.id));
            let ordering = self.by.of(one, other).then_with(alike);
            match self.order {
                Order::Ascending => ordering,
                Order::Descending => ordering.reverse(),
            }
        });
    }
}

/// When a listing or a count gives up: with a call that was under way, before the function is ended.
#[derive(Clone, Copy)]
pub struct Deadline(Timestamp);

impl Deadline {
    const PATIENCE: Duration = Duration::from_secs(7);

    /// The one of a request that began `now`.
    #[must_use]
    pub fn after(now: Timestamp) -> Self {
        Self(now.plus(Self::PATIENCE))
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        now >= self.0
    }
}

impl<S: Administration> ProfileApi<S> {
    /// Counts a tenant's profiles by name, at most `most` of them and at least one, and finds where a listing goes on
    /// after them. `None` where they are too many to be counted in one call.
    pub async fn count(
        &self,
        tenant: &TenantName,
        order: Order,
        most: usize,
        deadline: Deadline,
    ) -> Result<Option<Counted>, Problem> {
        let mut counted = Counted { count: 0, next: None };
        loop {
            let left = most.saturating_sub(counted.count);
            let part = self.store.count_users(tenant, order, counted.next.as_deref(), left).await?;
            counted = Counted { count: counted.count + part.count, next: part.next };
            if counted.next.is_none() || counted.count >= most {
                return Ok(Some(counted));
            }
            if deadline.is_over(self.now()) {
                return Ok(None);
            }
        }
    }
}

/// So much does an answer hold at most, in bytes as it is sent to the gateway: Lambda takes 6 MB (6,291,556 bytes).
const MAX_ANSWER_BYTES: usize = 5 * 1024 * 1024;

/// An answer that is a list of profiles, made one by one so that one that can't be sent is noticed before it fills the
/// memory.
pub struct Listing {
    wanted: WantedAttributes,
    profiles: Vec<ProfileAnswer>,
    size: Size,
}

impl Listing {
    /// An empty one, of profiles with the attributes that are wanted.
    #[must_use]
    pub fn new(wanted: WantedAttributes) -> Self {
        Self { wanted, profiles: Vec::new(), size: Size::default() }
    }

    /// How many are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.profiles.len()
    }

    /// Whether none is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }

    /// Adds a profile. `parameter` is by what the client can ask for less at a time.
    pub fn add(&mut self, user: &User, parameter: &'static str) -> Result<(), Problem> {
        let profile = ProfileAnswer::new(user, &self.wanted);
        let fits = self.size.add(&profile)?;
        self.profiles.push(profile);
        if fits {
            return Ok(());
        }
        Err(Problem::invalid(parameter, "asks for more than the 5 MiB that an answer can hold"))
    }

    /// The whole answer.
    #[must_use]
    pub fn response(&self) -> Response {
        Response::json(200, &self.profiles)
    }
}

/// A list that is all or nothing, since its clients have no way to ask for a part of it.
pub struct WholeList {
    size: Size,
    deadline: Deadline,
}

impl WholeList {
    /// An empty one, for a request that began `now`.
    #[must_use]
    pub fn begun(now: Timestamp) -> Self {
        Self { size: Size::default(), deadline: Deadline::after(now) }
    }

    /// Counts one more thing that is to be in it. `rule` says what else can be done where that is too much.
    pub fn add(&mut self, item: &impl Serialize, rule: &'static str) -> Result<(), Problem> {
        if self.size.add(item)? { Ok(()) } else { Err(Problem::invalid(LIST, rule)) }
    }

    /// Whether there is time left to read more.
    pub fn go_on(&self, now: Timestamp, rule: &'static str) -> Result<(), Problem> {
        if self.deadline.is_over(now) { Err(Problem::invalid(LIST, rule)) } else { Ok(()) }
    }
}

/// What is too long where no parameter is to blame.
const LIST: &str = "the list";

/// The size of an answer that is a list. The answer's body is a text inside of the JSON that the gateway gets, so quotes
/// and backslashes count twice.
#[derive(Default)]
struct Size(usize);

impl Size {
    /// Whether the answer can still be sent with `item` in it.
    fn add(&mut self, item: &impl Serialize) -> Result<bool, Problem> {
        serde_json::to_writer(&mut *self, item).map_err(|_| Problem::Internal("an answer is no JSON"))?;
        // The comma after it.
        self.0 += 1;
        Ok(self.0 <= MAX_ANSWER_BYTES)
    }
}

impl io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let escaped = bytes.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        self.0 += bytes.len() + escaped;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::testing;

    fn sorting(query: &str) -> Result<Option<Sorting>, String> {
        let parameters = Parameters::parse(&[query.as_bytes()], &[SORT_BY, SORT_ORDER]).unwrap();
        Sorting::of(&parameters).map_err(|problem| format!("{problem:?}"))
    }

    fn sorted(query: &str) -> String {
        let user = |id: &str, email: Option<&str>, created: i64, enabled: bool, verified: bool| User {
            email: email.and_then(Email::parse),
            created: Timestamp::from_seconds(created),
            modified: Timestamp::from_seconds(10 - created),
            enabled,
            email_verified: verified,
            ..testing::user(id)
        };
        let mut users = [
            user("b", Some("Z@x.y"), 1, true, false),
            user("a", None, 2, false, false),
            user("d", Some("m@x.y"), 3, true, true),
            user("c", Some("M@x.z"), 4, true, false),
        ];
        sorting(query).unwrap().unwrap().sort(&mut users);
        users.iter().map(|user| user.id.as_str()).collect()
    }

    #[test]
    fn profiles_are_sorted_by_every_member_either_way() {
        for (by, ascending) in [
            ("username", "abcd"),
            ("id", "abcd"),
            ("email", "adcb"),
            ("createdOn", "badc"),
            ("lastModified", "cdab"),
            ("enabled", "abcd"),
            ("verified", "abcd"),
        ] {
            assert_eq!(sorted(&format!("sortBy={by}")), ascending);
            assert_eq!(sorted(&format!("sortBy={by}&sortOrder=ASC")), ascending);
            let descending: String = ascending.chars().rev().collect();
            assert_eq!(sorted(&format!("sortOrder=DESC&sortBy={by}")), descending);
        }
        assert_eq!(sorted("sortOrder=desc"), "dcba");
        for nothing in ["other=1", "sortBy=&sortOrder="] {
            assert_eq!(sorting(nothing).unwrap(), None);
        }
    }

    #[test]
    fn an_order_that_is_not_known_is_refused_by_name() {
        for (query, name) in [
            ("sortBy=Username", "sortBy"),
            ("sortBy=attributes", "sortBy"),
            ("sortBy=password", "sortBy"),
            ("sortOrder=up", "sortOrder"),
        ] {
            assert!(sorting(query).unwrap_err().contains(name), "{query}");
        }
    }

    #[test]
    fn an_answer_is_measured_as_the_gateway_gets_it() {
        let mut user = testing::user("u-1");
        // Each of these takes two bytes in the body, and four in the text that holds the body.
        user.attributes = [("a".to_owned(), json!("\"".repeat(10_000)))].into();
        let mut listing = Listing::new(WantedAttributes::All);
        let problem = (0..1_000).find_map(|_| listing.add(&user, "count").err()).unwrap();
        assert!(matches!(problem, Problem::Invalid { field, .. } if field == "count"));
        let sent = serde_json::to_vec(&listing.response()).unwrap().len();
        // Of one profile, and of what is around the body.
        assert!((MAX_ANSWER_BYTES..MAX_ANSWER_BYTES + 41_000).contains(&sent), "{sent}");
        let mut none = Listing::new(WantedAttributes::Only(BTreeSet::new()));
        (0..1_000).for_each(|_| none.add(&user, "count").unwrap());
        assert_eq!(none.len(), 1_000);
    }
}
