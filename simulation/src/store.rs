//! The store as one environment of a function sees it: the store in memory, behind a gate in front of every call.
//!
//! Two things are as on DynamoDB and not as in memory: a read of several items is no snapshot, and deleting an account
//! takes two steps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::access_token::AccessToken;
use shared::auth_header::{AuthHeader, AuthHeaderKey};
use shared::clock::Timestamp;
use shared::one_time::{OneTime, OneTimeKey, Purpose};
use shared::password::Phc;
use shared::persistent_login::{PersistentLogin, PersistentLoginKey};
use shared::secret::Digest;
use shared::store::memory::MemoryStore;
use shared::store::{
    Administration, Counted, Creation, Credential, Found, Guess, LoginCommit, LoginName, Lookup, NewUser, Order, Page,
    PasswordChange, Proof, Renewal, Step, Store, StoreError, Update, Write,
};
use shared::tenant::{Tenant, TenantName};
use shared::ticket::{Ticket, TicketKey};
use shared::user::{User, UserId, UserName};

use crate::bug::Bug;
use crate::hub::{Fact, Hub, Verdict};

/// The gate's name of the second part of a torn read, which is neither lost nor torn again.
pub const SECOND_PART: &str = "lookup, second part";

/// One environment's way to the store.
#[derive(Clone)]
pub struct SimulatedStore {
    /// What is stored.
    pub inner: MemoryStore,
    /// Where calls wait.
    pub hub: Hub,
    /// Whose way it is.
    pub environment: usize,
    /// What is broken.
    pub bug: Option<Bug>,
    /// What was read before, where that is what is broken.
    pub cache: Arc<Mutex<Cache>>,
}

/// What an environment read.
#[derive(Default)]
pub struct Cache {
    users: BTreeMap<UserId, User>,
    tickets: BTreeMap<TicketKey, Ticket>,
    headers: BTreeMap<AuthHeaderKey, AuthHeader>,
}

fn lost(operation: &'static str) -> StoreError {
    StoreError::Unavailable { operation, source: "no answer".into() }
}

impl SimulatedStore {
    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn note(&self, fact: Fact) {
        self.hub.note(self.environment, fact);
    }

    async fn call<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match self.hub.pass(self.environment, operation).await {
            Verdict::Go | Verdict::Torn { .. } => work.await,
            Verdict::LostBefore => Err(lost(operation)),
            Verdict::LostAfter => {
                work.await?;
                Err(lost(operation))
            }
        }
    }

    async fn torn(&self, wanted: Lookup, users_first: bool) -> Result<Found, StoreError> {
        let users = Lookup { users: wanted.users.clone(), ..Lookup::default() };
        let rest = Lookup { users: Vec::new(), ..wanted };
        let (first, second) = if users_first { (users, rest) } else { (rest, users) };
        let mut first = self.inner.lookup(first).await?;
        let Verdict::Go = self.hub.pass(self.environment, SECOND_PART).await else { return Err(lost(SECOND_PART)) };
        let mut second = self.inner.lookup(second).await?;
        let (users, rest) = if users_first { (&mut first, second) } else { (&mut second, first) };
        Ok(Found { users: std::mem::take(&mut users.users), ..rest })
    }

    fn spoiled(&self, found: Found) -> Found {
        match self.bug {
            Some(Bug::ExpiryIsNotChecked) => timeless(found),
            Some(Bug::ReadsAreCached) => self.cached(found),
            Some(Bug::PermissionsKnowNoTenant) => unbounded(found),
            _ => found,
        }
    }

    fn cached(&self, mut found: Found) -> Found {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if found.ticket.is_some() || found.auth_header.is_some() {
            for user in &mut found.users {
                *user = cache.users.entry(user.id.clone()).or_insert_with(|| user.clone()).clone();
            }
        }
        if let Some(ticket) = &mut found.ticket {
            *ticket = cache.tickets.entry(ticket.key.clone()).or_insert_with(|| ticket.clone()).clone();
        }
        if let Some(header) = &mut found.auth_header {
            *header = cache.headers.entry(header.key.clone()).or_insert_with(|| header.clone()).clone();
        }
        found
    }

    async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let wanted = Lookup { users: vec![id.clone()], ..Lookup::default() };
        Ok(self.inner.lookup(wanted).await?.users.pop())
    }

    /// Whether an account and its name lead to each other; creates them as two things that don't.
    async fn create_unclaimed(&self, account: NewUser) -> Result<Creation, StoreError> {
        let wanted = account.user.clone();
        let own = UserName::parse(&format!("unclaimed-{}", wanted.id)).expect("a name");
        let user = User { name: own, email: None, ..account.user };
        let created = self.inner.create_user(NewUser { user, password: account.password }).await?;
        self.inner.edit_user(&wanted.id, |user| {
            user.name = wanted.name.clone();
            user.email.clone_from(&wanted.email);
        });
        Ok(created)
    }

    /// Makes a token fit that was used before.
    async fn revived(&self, name: &LoginName, token: OneTime) -> Result<OneTime, StoreError> {
        let wanted = Lookup { one_time: Some(token.key.clone()), ..Lookup::default() };
        if self.inner.lookup(wanted).await?.one_time.is_some() {
            return Ok(token);
        }
        let wanted = Lookup { credential: Some(name.clone()), ..Lookup::default() };
        let version = self.inner.lookup(wanted).await?.credential.map_or(0, |credential| credential.version);
        let epoch = self.user(&token.key.user).await?.map_or(0, |user| user.session_epoch);
        let purpose = match token.purpose {
            Purpose::Reset { .. } => Purpose::Reset { version },
            Purpose::Verify => Purpose::Verify,
        };
        let token = OneTime { purpose, epoch, ..token };
        let (Write::Done | Write::Refused) = self.inner.create_one_time(name, &token, token.expires).await?;
        Ok(token)
    }

    /// Notes what a changed password means.
    fn meaning(change: &PasswordChange) -> Vec<Fact> {
        let (name, at) = (change.name.clone(), change.at);
        let mut facts = match &change.proof {
            Proof::OldPassword(gate) => {
                let locks = gate.locks.iter().map(|lock| lock.key.clone()).collect();
                vec![Fact::Opened { name: name.clone(), locks, place: gate.place.clone(), at }]
            }
            Proof::Reset(token) => vec![Fact::Used(format!("one-time token {:?}", token.key))],
            Proof::Administrator => Vec::new(),
        };
        facts.push(Fact::Forgotten { name, counters: Some(change.forget.clone()) });
        facts
    }
}

/// What was found, as if none of it ever ended.
fn timeless(mut found: Found) -> Found {
    let never = Timestamp::from_seconds(4_000_000_000);
    if let Some(ticket) = &mut found.ticket {
        (ticket.expires, ticket.idle) = (never, None);
    }
    if let Some(header) = &mut found.auth_header {
        header.expires = None;
    }
    if let Some(token) = &mut found.one_time {
        token.expires = never;
    }
    if let Some(login) = &mut found.persistent_login {
        login.expires = never;
    }
    if let Some(token) = &mut found.access_token {
        token.expires = None;
    }
    found
}

/// What was found, with an application's permissions for every tenant.
fn unbounded(mut found: Found) -> Found {
    if let Some(token) = &mut found.access_token {
        for permission in &mut token.permissions {
            permission.tenant = None;
        }
    }
    found
}

impl Store for SimulatedStore {
    async fn lookup(&self, wanted: Lookup) -> Result<Found, StoreError> {
        let found = match self.hub.pass(self.environment, "lookup").await {
            Verdict::Go => self.inner.lookup(wanted).await?,
            Verdict::Torn { users_first } => self.torn(wanted, users_first).await?,
            Verdict::LostBefore | Verdict::LostAfter if self.has(Bug::OutagesReadAsNothing) => Found::default(),
            Verdict::LostBefore | Verdict::LostAfter => return Err(lost("lookup")),
        };
        Ok(self.spoiled(found))
    }

    async fn record_guess(&self, guess: Guess) -> Result<Write, StoreError> {
        self.call("record_guess", async {
            let mut guess = guess;
            let locks = guess.locks.iter().map(|lock| lock.key.clone()).collect();
            let (name, counted, at) = (guess.name.clone(), guess.counted.clone(), guess.at);
            let wrong = matches!(guess.found, shared::store::Guessed::Wrong { .. });
            if self.has(Bug::GuessesAreNotConditional) {
                guess.locks.clear();
            }
            let write = self.inner.record_guess(guess).await?;
            if wrong && write == Write::Done {
                self.note(Fact::Guess { name, locks, counted, at });
            }
            Ok(write)
        })
        .await
    }

    async fn commit_login(&self, commit: LoginCommit) -> Result<Write, StoreError> {
        self.call("commit_login", async {
            let locks = commit.gate.locks.iter().map(|lock| lock.key.clone()).collect();
            let (name, place, at) = (commit.name.clone(), commit.gate.place.clone(), commit.at);
            let write = self.inner.commit_login(commit).await?;
            if write == Write::Done {
                self.note(Fact::Opened { name, locks, place, at });
            }
            Ok(write)
        })
        .await
    }

    async fn replace_hash(
        &self,
        name: &LoginName,
        user: &UserId,
        version: u64,
        phc: &Phc,
    ) -> Result<Write, StoreError> {
        self.call("replace_hash", self.inner.replace_hash(name, user, version, phc)).await
    }

    async fn create_ticket(&self, ticket: &Ticket) -> Result<Write, StoreError> {
        self.call("create_ticket", self.inner.create_ticket(ticket)).await
    }

    async fn touch_ticket(&self, key: &TicketKey, at: Timestamp) -> Result<Write, StoreError> {
        self.call("touch_ticket", self.inner.touch_ticket(key, at)).await
    }

    async fn renew_ticket(&self, key: &TicketKey, renewal: Renewal) -> Result<Write, StoreError> {
        self.call("renew_ticket", async {
            let step = renewal.step;
            let write = self.inner.renew_ticket(key, renewal).await?;
            if let (Step::Advance { from, .. }, Write::Done) = (step, write) {
                self.note(Fact::Used(format!("{from:?} of ticket {}", key.session_id())));
            }
            Ok(write)
        })
        .await
    }

    async fn tickets(&self, user: &UserId, now: Timestamp) -> Result<Vec<Ticket>, StoreError> {
        self.call("tickets", Store::tickets(&self.inner, user, now)).await
    }

    async fn end_tickets(&self, user: &UserId, epoch: u64, kept: Option<&TicketKey>) -> Result<Write, StoreError> {
        self.call("end_tickets", self.inner.end_tickets(user, epoch, kept)).await
    }

    async fn delete_ticket(&self, key: &TicketKey) -> Result<(), StoreError> {
        self.call("delete_ticket", self.inner.delete_ticket(key)).await
    }

    async fn create_persistent_login(&self, login: &PersistentLogin) -> Result<Write, StoreError> {
        self.call("create_persistent_login", self.inner.create_persistent_login(login)).await
    }

    async fn refresh_persistent_login(
        &self,
        key: &PersistentLoginKey,
        generation: u64,
        at: Timestamp,
    ) -> Result<Write, StoreError> {
        self.call("refresh_persistent_login", async {
            let mut write = self.inner.refresh_persistent_login(key, generation, at).await?;
            if write == Write::Refused && self.has(Bug::SeriesMoveTwice) {
                let wanted = Lookup { persistent_login: Some(key.clone()), ..Lookup::default() };
                if let Some(now) = self.inner.lookup(wanted).await?.persistent_login {
                    write = self.inner.refresh_persistent_login(key, now.generation, at).await?;
                }
            }
            if write == Write::Done {
                self.note(Fact::Used(format!("token {generation} of series {key:?}")));
            }
            Ok(write)
        })
        .await
    }

    async fn delete_persistent_login(&self, key: &PersistentLoginKey) -> Result<(), StoreError> {
        self.call("delete_persistent_login", self.inner.delete_persistent_login(key)).await
    }

    async fn end_replayed_login(&self, login: &PersistentLogin) -> Result<Write, StoreError> {
        self.call("end_replayed_login", self.inner.end_replayed_login(login)).await
    }

    async fn create_auth_header(&self, header: &AuthHeader) -> Result<Write, StoreError> {
        self.call("create_auth_header", async {
            let write = self.inner.create_auth_header(header).await?;
            if write == Write::Done {
                self.note(Fact::Header(header.key.clone()));
            }
            Ok(write)
        })
        .await
    }

    async fn auth_headers(&self, user: &UserId) -> Result<Vec<AuthHeader>, StoreError> {
        self.call("auth_headers", self.inner.auth_headers(user)).await
    }

    async fn count_auth_headers(&self, user: &UserId, enough: usize) -> Result<usize, StoreError> {
        self.call("count_auth_headers", self.inner.count_auth_headers(user, enough)).await
    }

    async fn note_auth_header_use(&self, key: &AuthHeaderKey, at: Timestamp) -> Result<(), StoreError> {
        self.call("note_auth_header_use", self.inner.note_auth_header_use(key, at)).await
    }

    async fn rotate_auth_header(
        &self,
        old: &AuthHeaderKey,
        ends: Timestamp,
        new: &AuthHeader,
    ) -> Result<Write, StoreError> {
        let answered = self.call("rotate_auth_header", async {
            let write = self.inner.rotate_auth_header(old, ends, new).await?;
            if write == Write::Done {
                self.note(Fact::Header(new.key.clone()));
            }
            Ok(write)
        });
        match answered.await {
            Err(error) if self.has(Bug::RetriesMeetThemselves) => {
                let wanted = Lookup { auth_header: Some(new.key.clone()), ..Lookup::default() };
                let done = self.inner.lookup(wanted).await?.auth_header.is_some();
                if done { self.inner.rotate_auth_header(old, ends, new).await } else { Err(error) }
            }
            answer => answer,
        }
    }

    async fn delete_auth_header(&self, key: &AuthHeaderKey) -> Result<Write, StoreError> {
        self.call("delete_auth_header", self.inner.delete_auth_header(key)).await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<Write, StoreError> {
        self.call("change_password", async {
            let mut change = change;
            let facts = Self::meaning(&change);
            let user = change.user.clone();
            if let (true, Proof::Reset(token)) = (self.has(Bug::TokensStay), &change.proof) {
                let token = self.revived(&change.name, token.clone()).await?;
                if let Purpose::Reset { version } = token.purpose {
                    change.version = version;
                }
                change.proof = Proof::Reset(token);
            }
            let write = self.inner.change_password(change).await?;
            if write == Write::Done {
                for fact in facts {
                    self.note(fact);
                }
                if self.has(Bug::SessionsOutliveThePassword) {
                    self.inner.edit_user(&user, |user| user.session_epoch -= 1);
                }
            }
            Ok(write)
        })
        .await
    }

    async fn create_one_time(&self, name: &LoginName, token: &OneTime, since: Timestamp) -> Result<Write, StoreError> {
        self.call("create_one_time", self.inner.create_one_time(name, token, since)).await
    }

    async fn withdraw_one_time(&self, name: &LoginName, token: &OneTime) -> Result<Write, StoreError> {
        self.call("withdraw_one_time", self.inner.withdraw_one_time(name, token)).await
    }

    async fn delete_one_time(&self, key: &OneTimeKey) -> Result<(), StoreError> {
        self.call("delete_one_time", self.inner.delete_one_time(key)).await
    }

    async fn verify_email(&self, token: &OneTime, at: Timestamp) -> Result<Write, StoreError> {
        self.call("verify_email", async {
            if let (true, Some(user)) = (self.has(Bug::TokensStay), self.user(&token.key.user).await?) {
                self.revived(&LoginName::new(&user.tenant, &user.name), token.clone()).await?;
            }
            let write = self.inner.verify_email(token, at).await?;
            if write == Write::Done {
                self.note(Fact::Used(format!("one-time token {:?}", token.key)));
            }
            Ok(write)
        })
        .await
    }
}

impl Administration for SimulatedStore {
    async fn create_tenant(&self, tenant: &Tenant) -> Result<Write, StoreError> {
        self.call("create_tenant", self.inner.create_tenant(tenant)).await
    }

    async fn tenants_from(&self, start: Option<&str>) -> Result<Page<Tenant>, StoreError> {
        self.call("tenants_from", self.inner.tenants_from(start)).await
    }

    async fn count_tenants(&self, start: Option<&str>) -> Result<Counted, StoreError> {
        self.call("count_tenants", self.inner.count_tenants(start)).await
    }

    async fn update_tenant(&self, tenant: &Tenant) -> Result<Write, StoreError> {
        self.call("update_tenant", self.inner.update_tenant(tenant)).await
    }

    async fn close_tenant(&self, tenant: &TenantName) -> Result<Write, StoreError> {
        self.call("close_tenant", self.inner.close_tenant(tenant)).await
    }

    async fn delete_tenant(&self, tenant: &TenantName) -> Result<Write, StoreError> {
        self.call("delete_tenant", self.inner.delete_tenant(tenant)).await
    }

    async fn delete_tenant_and_right(&self, tenant: &TenantName, right: &AccessToken) -> Result<Write, StoreError> {
        self.call("delete_tenant_and_right", self.inner.delete_tenant_and_right(tenant, right)).await
    }

    async fn users_in_order(
        &self,
        tenant: &TenantName,
        order: Order,
        start: Option<&str>,
        limit: usize,
    ) -> Result<Page<User>, StoreError> {
        self.call("users_in_order", self.inner.users_in_order(tenant, order, start, limit)).await
    }

    async fn count_users(
        &self,
        tenant: &TenantName,
        order: Order,
        start: Option<&str>,
        limit: usize,
    ) -> Result<Counted, StoreError> {
        self.call("count_users", self.inner.count_users(tenant, order, start, limit)).await
    }

    async fn credentials(&self, names: &[LoginName]) -> Result<Vec<Credential>, StoreError> {
        self.call("credentials", self.inner.credentials(names)).await
    }

    async fn create_user(&self, account: NewUser) -> Result<Creation, StoreError> {
        self.call("create_user", async {
            let (user, password) = (account.user.clone(), account.password.clone());
            if self.has(Bug::AcknowledgedBeforeWritten) {
                let it = self.clone();
                tokio::spawn(async move {
                    it.hub.pass(it.environment, "create_user, in fact").await;
                    let _nobody_waits = it.inner.create_user(account).await;
                    it.note(Fact::Accounts);
                });
                return Ok(Creation::Done);
            }
            let created = match self.inner.create_user(account).await? {
                Creation::NameTaken | Creation::EmailTaken if self.has(Bug::NamesAreNotClaimed) => {
                    self.create_unclaimed(NewUser { user, password }).await?
                }
                created => created,
            };
            self.note(Fact::Accounts);
            Ok(created)
        })
        .await
    }

    async fn import_users(&self, accounts: Vec<NewUser>) -> Result<Vec<Creation>, StoreError> {
        self.call("import_users", self.inner.import_users(accounts)).await
    }

    async fn update_user(&self, before: &User, after: &User) -> Result<Update, StoreError> {
        self.call("update_user", async {
            let update = self.inner.update_user(before, after).await?;
            let (from, to) =
                (LoginName::new(&before.tenant, &before.name), LoginName::new(&before.tenant, &after.name));
            if update == Update::Done && from != to {
                self.note(Fact::Renamed { from, to });
            }
            self.note(Fact::Accounts);
            Ok(update)
        })
        .await
    }

    async fn delete_user(&self, user: &User, at: Timestamp) -> Result<Write, StoreError> {
        self.call("delete_user", async {
            let stored = self.user(&user.id).await?;
            let as_read = |stored: &User| {
                stored.tenant == user.tenant
                    && stored.name.canonical() == user.name.canonical()
                    && stored.email == user.email
            };
            if stored.as_ref().is_some_and(as_read) {
                self.inner.edit_user(&user.id, |user| {
                    user.enabled = false;
                    user.modified = at.max(user.modified.plus(Duration::from_millis(1)));
                    user.session_epoch += 1;
                    user.key_epoch += 1;
                });
            }
            Ok(())
        })
        .await?;
        self.call("delete_user, the rest", async {
            let write = self.inner.delete_user(user, at).await?;
            if write == Write::Done {
                let name = LoginName::new(&user.tenant, &user.name);
                self.note(Fact::Forgotten { name, counters: None });
            }
            self.note(Fact::Accounts);
            Ok(write)
        })
        .await
    }

    async fn expire_password(&self, name: &LoginName, at: Option<Timestamp>) -> Result<Write, StoreError> {
        self.call("expire_password", self.inner.expire_password(name, at)).await
    }

    async fn update_access_token(&self, before: &AccessToken, after: &AccessToken) -> Result<Write, StoreError> {
        self.call("update_access_token", self.inner.update_access_token(before, after)).await
    }

    async fn set_enabled(&self, user: &User, enabled: bool, at: Timestamp) -> Result<Write, StoreError> {
        self.call("set_enabled", async {
            let write = self.inner.set_enabled(user, enabled, at).await?;
            if write == Write::Done && !enabled && self.has(Bug::EpochsStay) {
                self.inner.edit_user(&user.id, |user| {
                    user.session_epoch -= 1;
                    user.key_epoch -= 1;
                });
            }
            Ok(write)
        })
        .await
    }

    async fn create_access_token(&self, token: &AccessToken) -> Result<Write, StoreError> {
        self.call("create_access_token", self.inner.create_access_token(token)).await
    }

    async fn access_tokens_from(&self, start: Option<&str>) -> Result<Page<AccessToken>, StoreError> {
        self.call("access_tokens_from", self.inner.access_tokens_from(start)).await
    }

    async fn unlock(&self, name: &LoginName) -> Result<Write, StoreError> {
        self.call("unlock", async {
            self.note(Fact::Forgotten { name: name.clone(), counters: None });
            self.inner.unlock(name).await
        })
        .await
    }

    async fn delete_access_token(&self, digest: Digest) -> Result<Write, StoreError> {
        self.call("delete_access_token", self.inner.delete_access_token(digest)).await
    }
}
