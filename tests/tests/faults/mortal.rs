//! A store over which an environment can die, or lose an answer, at any of its calls.

use std::sync::{Arc, Mutex, MutexGuard};

use shared::access_token::AccessToken;
use shared::auth_header::{AuthHeader, AuthHeaderKey};
use shared::clock::Timestamp;
use shared::one_time::{OneTime, OneTimeKey};
use shared::password::Phc;
use shared::persistent_login::{PersistentLogin, PersistentLoginKey};
use shared::secret::Digest;
use shared::store::memory::MemoryStore;
use shared::store::{
    Administration, Counted, Creation, Credential, Found, Guess, LoginCommit, LoginName, Lookup, NewUser, Order, Page,
    PasswordChange, Renewal, Store, StoreError, Update, Write,
};
use shared::tenant::{Tenant, TenantName};
use shared::ticket::{Ticket, TicketKey};
use shared::user::{User, UserId};
use tokio::sync::Notify;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The environment ends before the call is made.
    DiesBefore,
    /// It ends after the call was carried out, which nobody hears of.
    DiesAfter,
    /// The call fails and is not carried out; all goes on well afterwards.
    Fails,
    /// The call is carried out, and its answer is lost; all goes on well afterwards.
    LosesAnswer,
    /// The same, and no later call is made.
    LosesAnswerAndStore,
}

impl End {
    pub const ALL: [Self; 5] =
        [Self::DiesBefore, Self::DiesAfter, Self::Fails, Self::LosesAnswer, Self::LosesAnswerAndStore];
}

#[derive(Clone, Copy)]
enum Fate {
    Carried,
    Fails,
    Never,
    At(End),
}

#[derive(Default)]
struct Plan {
    chosen: Option<(usize, End)>,
    dead: bool,
    down: bool,
    /// Calls that failed.
    failed: usize,
}

/// The store in memory, as one environment sees it.
#[derive(Clone, Default)]
pub struct Mortal {
    inner: MemoryStore,
    plan: Arc<Mutex<Plan>>,
    died: Arc<Notify>,
}

impl Mortal {
    pub fn over(inner: &MemoryStore) -> Self {
        Self { inner: inner.clone(), ..Self::default() }
    }

    /// Lets so many calls through, and then it happens.
    pub fn ends(&self, after: usize, end: End) {
        *self.lock() = Plan { chosen: Some((after, end)), ..Plan::default() };
    }

    /// How many calls failed since the plan was made.
    pub fn failed(&self) -> usize {
        self.lock().failed
    }

    /// What a request comes to: `None` where its environment dies on the way.
    pub async fn survived<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.died.notified() => None,
            answer = request => Some(answer),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }

    fn fate(&self) -> Fate {
        let mut plan = self.lock();
        if plan.dead {
            return Fate::Never;
        }
        if plan.down {
            plan.failed += 1;
            return Fate::Fails;
        }
        match &mut plan.chosen {
            None => Fate::Carried,
            Some((left, _)) if *left > 0 => {
                *left -= 1;
                Fate::Carried
            }
            Some((_, end)) => {
                let end = *end;
                plan.chosen = None;
                plan.dead = matches!(end, End::DiesBefore | End::DiesAfter);
                plan.down = end == End::LosesAnswerAndStore;
                plan.failed += usize::from(!plan.dead);
                Fate::At(end)
            }
        }
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, StoreError>> + Send) -> Result<T, StoreError> {
        let lost = || StoreError::Unavailable { operation: "any", source: "the answer was lost".into() };
        match self.fate() {
            Fate::Carried => call.await,
            Fate::Fails | Fate::At(End::Fails) => Err(lost()),
            Fate::Never => std::future::pending().await,
            Fate::At(End::DiesBefore) => {
                self.died.notify_one();
                std::future::pending().await
            }
            Fate::At(End::DiesAfter) => {
                let _unheard = call.await;
                self.died.notify_one();
                std::future::pending().await
            }
            Fate::At(End::LosesAnswer | End::LosesAnswerAndStore) => {
                call.await?;
                Err(lost())
            }
        }
    }
}

/// Methods that are the inner store's.
macro_rules! mortal {
    ($trait:ident: $($method:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        async fn $method(&self, $($argument: $type),*) -> Result<$result, StoreError> {
            self.call($trait::$method(&self.inner, $($argument),*)).await
        }
    )*};
}

impl Store for Mortal {
    mortal! { Store:
        lookup(wanted: Lookup) -> Found;
        record_guess(guess: Guess) -> Write;
        commit_login(commit: LoginCommit) -> Write;
        replace_hash(name: &LoginName, user: &UserId, version: u64, phc: &Phc) -> Write;
        create_ticket(ticket: &Ticket) -> Write;
        touch_ticket(key: &TicketKey, at: Timestamp) -> Write;
        renew_ticket(key: &TicketKey, renewal: Renewal) -> Write;
        tickets(user: &UserId, now: Timestamp) -> Vec<Ticket>;
        end_tickets(user: &UserId, epoch: u64, kept: Option<&TicketKey>) -> Write;
        delete_ticket(key: &TicketKey) -> ();
        create_persistent_login(login: &PersistentLogin) -> Write;
        refresh_persistent_login(key: &PersistentLoginKey, generation: u64, at: Timestamp) -> Write;
        delete_persistent_login(key: &PersistentLoginKey) -> ();
        end_replayed_login(login: &PersistentLogin) -> Write;
        create_auth_header(header: &AuthHeader) -> Write;
        auth_headers(user: &UserId) -> Vec<AuthHeader>;
        count_auth_headers(user: &UserId, enough: usize) -> usize;
        note_auth_header_use(key: &AuthHeaderKey, at: Timestamp) -> ();
        rotate_auth_header(old: &AuthHeaderKey, ends: Timestamp, new: &AuthHeader) -> Write;
        delete_auth_header(key: &AuthHeaderKey) -> Write;
        change_password(change: PasswordChange) -> Write;
        create_one_time(name: &LoginName, token: &OneTime, since: Timestamp) -> Write;
        withdraw_one_time(name: &LoginName, token: &OneTime) -> Write;
        delete_one_time(key: &OneTimeKey) -> ();
        verify_email(token: &OneTime, at: Timestamp) -> Write;
    }
}

impl Administration for Mortal {
    mortal! { Administration:
        create_tenant(tenant: &Tenant) -> Write;
        tenants_from(start: Option<&str>) -> Page<Tenant>;
        count_tenants(start: Option<&str>) -> Counted;
        update_tenant(tenant: &Tenant) -> Write;
        close_tenant(tenant: &TenantName) -> Write;
        delete_tenant(tenant: &TenantName) -> Write;
        delete_tenant_and_right(tenant: &TenantName, right: &AccessToken) -> Write;
        users_in_order(tenant: &TenantName, order: Order, start: Option<&str>, limit: usize) -> Page<User>;
        count_users(tenant: &TenantName, order: Order, start: Option<&str>, limit: usize) -> Counted;
        credentials(names: &[LoginName]) -> Vec<Credential>;
        create_user(account: NewUser) -> Creation;
        import_users(accounts: Vec<NewUser>) -> Vec<Creation>;
        update_user(before: &User, after: &User) -> Update;
        delete_user(user: &User, at: Timestamp) -> Write;
        expire_password(name: &LoginName, at: Option<Timestamp>) -> Write;
        update_access_token(before: &AccessToken, after: &AccessToken) -> Write;
        set_enabled(user: &User, enabled: bool, at: Timestamp) -> Write;
        create_access_token(token: &AccessToken) -> Write;
        access_tokens_from(start: Option<&str>) -> Page<AccessToken>;
        unlock(name: &LoginName) -> Write;
        delete_access_token(digest: Digest) -> Write;
    }
}
