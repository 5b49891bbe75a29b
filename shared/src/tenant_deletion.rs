//! Deleting a tenant with everything that is its own.
//!
//! Invariant: the tenant's own item goes last, and is closed first, so that whatever ends a deletion, the tenant can't
//! be joined or made anew before everything of it is gone; deleting again goes on.
//!
//! The listings that it works from lag behind, so nothing is believed to be gone before two of them in a row, some time
//! apart, have shown nobody.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use crate::access_token::AccessToken;
use crate::clock::{Clock, Timestamp};
use crate::secret::Digest;
use crate::store::{Administration, Lookup, StoreError, Write};
use crate::tenant::TenantName;
use crate::user::UserId;

/// So many users are deleted at a time, by a few calls each.
const PARALLEL: usize = 32;

/// As many users as are listed at a time.
const PAGE: usize = 1000;

/// A user or an access token may be changed by somebody else at the same moment; nobody changes one many times.
const ATTEMPTS: usize = 5;

/// How long a deletion takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two listings.
    pub lag: Duration,
    /// Nothing new is begun after so long; `None` goes on until everything is done.
    pub budget: Option<Duration>,
}

impl Pace {
    /// An index lags behind its table by less, nearly always.
    const LAG: Duration = Duration::from_secs(2);

    /// Until everything is done.
    pub const WHOLE: Self = Self { lag: Self::LAG, budget: None };

    /// As long as a function can answer before API Gateway gives up on it, after 30 seconds.
    pub const ONE_CALL: Self = Self { lag: Self::LAG, budget: Some(Duration::from_secs(20)) };
}

/// Why a deletion stopped. Doing it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum DeletionError {
    /// The store gave no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else changes the same thing again and again.
    #[error("{what} {id} is being changed by somebody else all the time")]
    Busy {
        /// The kind of thing, with its article.
        what: &'static str,
        /// Which. No credential.
        id: String,
    },
    /// A part of the work panicked.
    #[error("a user was not deleted")]
    Died(#[source] JoinError),
}

/// What a deletion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Users that it deleted.
    pub users: u64,
    /// Access tokens that opened other tenants, too, or manage access tokens: they know this tenant no more.
    pub tokens_changed: u64,
    /// Access tokens that opened nothing else.
    pub tokens_deleted: u64,
}

/// How a deletion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// Everything is gone.
    Done(Done),
    /// Time was up. Deleting again goes on.
    Unfinished,
    /// There is no such tenant.
    NoSuchTenant,
}

/// What deletes tenants.
pub struct TenantDeletion<S> {
    /// Where everything is.
    pub store: S,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// How long it may take.
    pub pace: Pace,
}

impl<S: Administration> TenantDeletion<S> {
    /// Deletes the tenant `name` with all that it has. An access token that loses its right by that and is `used` for
    /// asking keeps it to the end, so that the application can ask again. `deleted` is told of each user.
    pub async fn delete(
        &self,
        name: &TenantName,
        used: Option<Digest>,
        deleted: &(dyn Fn() + Send + Sync),
    ) -> Result<Outcome, DeletionError> {
        if self.store.close_tenant(name).await? == Write::Refused {
            return Ok(Outcome::NoSuchTenant);
        }
        let ends = self.pace.budget.map(|budget| self.clock.now().plus(budget));
        let mut work = Work { it: self, name, used, deleted, ends, done: Done::default() };
        if !work.empty().await? {
            return Ok(Outcome::Unfinished);
        }
        work.delete_tenant().await?;
        Ok(Outcome::Done(work.done))
    }
}

/// Deletes a user of a tenant with everything that is its own; whether there was one. Whoever has the id by now in
/// another tenant is left alone: a listing may be old.
pub async fn delete_user<S: Administration>(
    store: &S,
    id: &UserId,
    tenant: &TenantName,
    at: Timestamp,
) -> Result<bool, DeletionError> {
    for _ in 0..ATTEMPTS {
        let mut found = store.lookup(Lookup { users: vec![id.clone()], ..Lookup::default() }).await?;
        let Some(user) = found.users.pop().filter(|user| user.tenant == *tenant) else { return Ok(false) };
        if store.delete_user(&user, at).await? == Write::Done {
            return Ok(true);
        }
    }
    Err(DeletionError::Busy { what: "the user", id: id.to_string() })
}

/// A deletion under way.
struct Work<'a, S> {
    it: &'a TenantDeletion<S>,
    name: &'a TenantName,
    used: Option<Digest>,
    deleted: &'a (dyn Fn() + Send + Sync),
    ends: Option<Timestamp>,
    done: Done,
}

impl<S: Administration> Work<'_, S> {
    /// Whether there is still time for what takes `needed`.
    fn has_time(&self, needed: Duration) -> bool {
        self.ends.is_none_or(|ends| self.it.clock.now().plus(needed) < ends)
    }

    /// Deletes all that a closed tenant has; whether that could be done in time.
    async fn empty(&mut self) -> Result<bool, DeletionError> {
        let mut clean = 0;
        loop {
            let Some(users) = self.delete_users().await? else { return Ok(false) };
            let tokens = self.strip_all().await?;
            clean = if users == 0 && !tokens { clean + 1 } else { 0 };
            if clean == 2 {
                return Ok(true);
            }
            if !self.has_time(self.it.pace.lag) {
                return Ok(false);
            }
            tokio::time::sleep(self.it.pace.lag).await;
        }
    }

    /// Deletes the users that are listed; how many there were, or `None` where time was up first.
    async fn delete_users(&mut self) -> Result<Option<u64>, DeletionError> {
        let (store, before, mut start) = (&self.it.store, self.done.users, None);
        let mut jobs = JoinSet::new();
        let mut in_time = true;
        loop {
            let page = store.users_of(self.name, start.as_deref(), PAGE).await?;
            for listed in page.items {
                if jobs.len() >= PARALLEL {
                    self.finished(jobs.join_next().await)?;
                }
                in_time = self.has_time(Duration::ZERO);
                if !in_time {
                    break;
                }
                let (store, tenant, now) = (store.clone(), self.name.clone(), self.it.clock.now());
                jobs.spawn(async move { delete_user(&store, &listed.id, &tenant, now).await });
            }
            start = page.next;
            if start.is_none() || !in_time {
                break;
            }
        }
        while !jobs.is_empty() {
            self.finished(jobs.join_next().await)?;
        }
        Ok(in_time.then_some(self.done.users - before))
    }

    fn finished(&mut self, job: Option<Result<Result<bool, DeletionError>, JoinError>>) -> Result<(), DeletionError> {
        if job.map_or(Ok(Ok(false)), |job| job.map_err(DeletionError::Died))?? {
            self.done.users += 1;
            (self.deleted)();
        }
        Ok(())
    }

    /// Takes the tenant out of the permissions of access tokens; whether any had it.
    async fn strip_all(&mut self) -> Result<bool, DeletionError> {
        let mut any = false;
        for token in self.it.store.access_tokens().await? {
            any |= self.used != Some(token.digest) && token.names(self.name) && self.strip(token.digest).await?;
        }
        Ok(any)
    }

    async fn strip(&mut self, digest: Digest) -> Result<bool, DeletionError> {
        let store = &self.it.store;
        for _ in 0..ATTEMPTS {
            let lookup = Lookup { access_token: Some(digest), ..Lookup::default() };
            let found = store.lookup(lookup).await?.access_token;
            let Some(before) = found.filter(|token| token.names(self.name)) else { return Ok(false) };
            let after = before.without(self.name);
            let write = match &after {
                Some(after) => store.update_access_token(&before, after).await?,
                None => store.delete_access_token(before.digest).await?,
            };
            if write == Write::Done {
                self.count(after.as_ref());
                return Ok(true);
            }
        }
        Err(DeletionError::Busy { what: "the access token", id: digest.to_base64url() })
    }

    /// Deletes the tenant, and in one step with it the right of the access token that is used: were that gone first, an
    /// outage in between would leave an application that can't go on.
    async fn delete_tenant(&mut self) -> Result<(), DeletionError> {
        let store = &self.it.store;
        for _ in 0..ATTEMPTS {
            let wanted = Lookup { tenant: Some(self.name.clone()), access_token: self.used, ..Lookup::default() };
            let found = store.lookup(wanted).await?;
            // Somebody else has done it, at the same moment and in the same way.
            if found.tenant.is_none() {
                return Ok(());
            }
            let right = found.access_token.filter(|token| token.names(self.name));
            let write = match &right {
                Some(right) => store.delete_tenant_and_right(self.name, right).await?,
                None => store.delete_tenant(self.name).await?,
            };
            if write == Write::Done {
                if let Some(right) = right {
                    self.count(right.without(self.name).as_ref());
                }
                return Ok(());
            }
        }
        Err(DeletionError::Busy { what: "the tenant", id: self.name.to_string() })
    }

    /// Counts an access token of which `after` is left.
    fn count(&mut self, after: Option<&AccessToken>) {
        let counter = if after.is_some() { &mut self.done.tokens_changed } else { &mut self.done.tokens_deleted };
        *counter += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use super::*;
    use crate::access_token::TenantPermission;
    use crate::store::memory::MemoryStore;
    use crate::store::{Creation, NewUser, Store as _};
    use crate::tenant::Tenant;
    use crate::testing;
    use crate::user::User;

    /// A clock that goes on by a second whenever somebody looks.
    #[derive(Default)]
    struct Hurried(AtomicI64);

    impl Clock for Hurried {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.0.fetch_add(1, Ordering::SeqCst))
        }
    }

    fn name(text: &str) -> TenantName {
        TenantName::parse(text).unwrap()
    }

    async fn world(users: usize) -> MemoryStore {
        let store = MemoryStore::default();
        for tenant in ["doomed", "other"] {
            let made = store.create_tenant(&Tenant::new(name(tenant), Timestamp::from_seconds(1))).await.unwrap();
            assert_eq!(made, Write::Done);
            for number in 0..users {
                let user = User { tenant: name(tenant), ..testing::user(&format!("{tenant}-{number}")) };
                assert_eq!(store.create_user(NewUser::new(user, None)).await.unwrap(), Creation::Done);
            }
        }
        store
    }

    async fn token(store: &MemoryStore, text: &str, tenants: &[&str], master: bool) -> Digest {
        let entry = |tenant: &&str| TenantPermission { tenant: TenantName::parse(tenant), actions: None };
        let token = AccessToken {
            digest: Digest::of(text.as_bytes()),
            application: text.to_owned(),
            master,
            permissions: tenants.iter().map(entry).collect(),
            expires: None,
            created: Timestamp::from_seconds(1),
        };
        assert_eq!(store.create_access_token(&token).await.unwrap(), Write::Done);
        token.digest
    }

    async fn rights(store: &MemoryStore, digest: Digest) -> Option<usize> {
        let wanted = Lookup { access_token: Some(digest), ..Lookup::default() };
        store.lookup(wanted).await.unwrap().access_token.map(|token| token.permissions.len())
    }

    async fn users(store: &MemoryStore, tenant: &str) -> usize {
        store.users_of(&name(tenant), None, 10_000).await.unwrap().items.len()
    }

    fn deletion(store: &MemoryStore, seconds: Option<u64>) -> TenantDeletion<MemoryStore> {
        let pace = Pace { lag: Duration::ZERO, budget: seconds.map(Duration::from_secs) };
        TenantDeletion { store: store.clone(), clock: Arc::new(Hurried::default()), pace }
    }

    #[tokio::test]
    async fn what_is_the_tenant_s_goes_and_nothing_else() {
        let store = world(40).await;
        let (own, both) = (token(&store, "own", &["doomed"], false).await, ["doomed", "other"]);
        let (both, master) =
            (token(&store, "both", &both, false).await, token(&store, "master", &["doomed"], true).await);
        let counted = AtomicU64::new(0);
        let count = || {
            counted.fetch_add(1, Ordering::SeqCst);
        };
        let outcome = deletion(&store, None).delete(&name("doomed"), None, &count).await.unwrap();
        assert_eq!(outcome, Outcome::Done(Done { users: 40, tokens_changed: 2, tokens_deleted: 1 }));
        assert_eq!(counted.into_inner(), 40);
        assert_eq!((users(&store, "doomed").await, users(&store, "other").await), (0, 40));
        let left = (rights(&store, own).await, rights(&store, both).await, rights(&store, master).await);
        assert_eq!(left, (None, Some(1), Some(0)));
        let again = deletion(&store, None).delete(&name("doomed"), None, &|| ()).await.unwrap();
        assert_eq!(again, Outcome::NoSuchTenant);
    }

    #[tokio::test]
    async fn what_takes_too_long_is_gone_on_with_by_the_same_application() {
        let mut unfinished = 0;
        for budget in 2..30 {
            let store = world(9).await;
            let asks = token(&store, "asks", &["doomed"], false).await;
            let bystander = token(&store, "bystander", &["doomed"], false).await;
            let mut calls = 0;
            loop {
                let outcome = deletion(&store, Some(budget)).delete(&name("doomed"), Some(asks), &|| ()).await.unwrap();
                if matches!(outcome, Outcome::Done(_)) {
                    break;
                }
                assert_eq!(outcome, Outcome::Unfinished, "deleted before everything was gone");
                assert_eq!(rights(&store, asks).await, Some(1), "who asks can ask again");
                let tenant = Lookup { tenant: Some(name("doomed")), ..Lookup::default() };
                assert!(store.lookup(tenant).await.unwrap().tenant.unwrap().closing, "nobody can join it");
                calls += 1;
                // What the pace of the real clock never does: so little time that two listings don't fit.
                if calls > 20 {
                    assert!(budget < 4, "no progress in {budget} seconds");
                    break;
                }
            }
            unfinished += calls;
            if calls <= 20 {
                assert_eq!((rights(&store, asks).await, rights(&store, bystander).await), (None, None));
                assert_eq!((users(&store, "doomed").await, users(&store, "other").await), (0, 9));
            }
        }
        assert!(unfinished > 20, "{unfinished} calls were not enough");
    }

    #[tokio::test]
    async fn an_outage_at_any_call_leaves_the_name_taken_and_the_right_to_go_on() {
        let anew = Tenant::new(name("doomed"), Timestamp::from_seconds(9));
        let mut calls = 0;
        loop {
            let store = world(3).await;
            let asks = token(&store, "asks", &["doomed"], false).await;
            token(&store, "bystander", &["doomed"], false).await;
            store.fail_after(Some(calls));
            let outcome = deletion(&store, None).delete(&name("doomed"), Some(asks), &|| ()).await;
            store.fail_after(None);
            match outcome {
                Ok(outcome) => {
                    assert_eq!(outcome, Outcome::Done(Done { users: 3, tokens_changed: 0, tokens_deleted: 2 }));
                    break;
                }
                Err(DeletionError::Store(_)) => {}
                Err(error) => panic!("{error}"),
            }
            assert_eq!(store.create_tenant(&anew).await.unwrap(), Write::Refused, "after {calls} calls");
            assert_eq!(rights(&store, asks).await, Some(1), "after {calls} calls");
            let outcome = deletion(&store, None).delete(&name("doomed"), Some(asks), &|| ()).await.unwrap();
            assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
            assert_eq!((users(&store, "doomed").await, rights(&store, asks).await), (0, None));
            assert_eq!(store.create_tenant(&anew).await.unwrap(), Write::Done, "after {calls} calls");
            calls += 1;
        }
        assert!(calls > 15, "{calls} calls");
    }
}
