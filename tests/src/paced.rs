//! A store whose calls take a while, so that requests sent together meet in all sorts of orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

use crate::Dice;

/// The store in memory, with pauses before and after each call: the same ones for the same seed.
#[derive(Clone)]
pub struct Paced {
    inner: MemoryStore,
    steps: Arc<AtomicU64>,
    notes: Notes,
    contested: bool,
    spoiled: bool,
}

/// What becomes of the note that a credential was used.
#[derive(Clone, Copy)]
pub enum Notes {
    /// It is written like everything else.
    Kept,
    /// It never gets an answer.
    Hanging,
}

impl Paced {
    /// Paces `inner`.
    #[must_use]
    pub fn new(inner: MemoryStore, seed: u64) -> Self {
        Self {
            inner,
            steps: Arc::new(AtomicU64::new(seed << 32)),
            notes: Notes::Kept,
            contested: false,
            spoiled: false,
        }
    }

    /// The same with another fate of notes.
    #[must_use]
    pub fn with_notes(self, notes: Notes) -> Self {
        Self { notes, ..self }
    }

    /// The same where somebody else is always first: what is changed from what was read is refused.
    #[must_use]
    pub fn contested(self) -> Self {
        Self { contested: true, ..self }
    }

    /// The same where what is read is stored in a form that nobody can read.
    #[must_use]
    pub fn spoiled(self) -> Self {
        Self { spoiled: true, ..self }
    }

    async fn pause(&self) {
        let turns = Dice::new(self.steps.fetch_add(1, Ordering::SeqCst)).below(6);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    /// Waits for ever where notes get no answer.
    async fn note(&self) {
        if matches!(self.notes, Notes::Hanging) {
            std::future::pending::<()>().await;
        }
    }

    async fn paced<T>(&self, call: impl Future<Output = T> + Send) -> T {
        self.pause().await;
        let result = call.await;
        self.pause().await;
        result
    }
}

/// Methods that are the inner store's, with pauses.
macro_rules! paced {
    ($trait:ident: $($method:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        async fn $method(&self, $($argument: $type),*) -> Result<$result, StoreError> {
            self.paced($trait::$method(&self.inner, $($argument),*)).await
        }
    )*};
}

impl Store for Paced {
    paced! { Store:
        record_guess(guess: Guess) -> Write;
        commit_login(commit: LoginCommit) -> Write;
        replace_hash(name: &LoginName, user: &UserId, version: u64, phc: &Phc) -> Write;
        create_ticket(ticket: &Ticket) -> Write;
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
        rotate_auth_header(old: &AuthHeaderKey, ends: Timestamp, new: &AuthHeader) -> Write;
        delete_auth_header(key: &AuthHeaderKey) -> Write;
        change_password(change: PasswordChange) -> Write;
        create_one_time(name: &LoginName, token: &OneTime, since: Timestamp) -> Write;
        withdraw_one_time(name: &LoginName, token: &OneTime) -> Write;
        delete_one_time(key: &OneTimeKey) -> ();
        verify_email(token: &OneTime, at: Timestamp) -> Write;
    }

    async fn lookup(&self, wanted: Lookup) -> Result<Found, StoreError> {
        let found = self.paced(self.inner.lookup(wanted)).await;
        if self.spoiled { Err(StoreError::Corrupt { item: "user", attribute: "enabled" }) } else { found }
    }

    async fn touch_ticket(&self, key: &TicketKey, at: Timestamp) -> Result<Write, StoreError> {
        self.note().await;
        self.paced(self.inner.touch_ticket(key, at)).await
    }

    async fn note_auth_header_use(&self, key: &AuthHeaderKey, at: Timestamp) -> Result<(), StoreError> {
        self.note().await;
        self.paced(self.inner.note_auth_header_use(key, at)).await
    }
}

impl Administration for Paced {
    paced! { Administration:
        create_tenant(tenant: &Tenant) -> Write;
        tenants_from(start: Option<&str>) -> Page<Tenant>;
        count_tenants(start: Option<&str>) -> Counted;
        close_tenant(tenant: &TenantName) -> Write;
        delete_tenant(tenant: &TenantName) -> Write;
        delete_tenant_and_right(tenant: &TenantName, right: &AccessToken) -> Write;
        users_in_order(tenant: &TenantName, order: Order, start: Option<&str>, limit: usize) -> Page<User>;
        count_users(tenant: &TenantName, order: Order, start: Option<&str>, limit: usize) -> Counted;
        credentials(names: &[LoginName]) -> Vec<Credential>;
        create_user(account: NewUser) -> Creation;
        import_users(accounts: Vec<NewUser>) -> Vec<Creation>;
        delete_user(user: &User, at: Timestamp) -> Write;
        expire_password(name: &LoginName, at: Option<Timestamp>) -> Write;
        update_access_token(before: &AccessToken, after: &AccessToken) -> Write;
        set_enabled(user: &User, enabled: bool, at: Timestamp) -> Write;
        create_access_token(token: &AccessToken) -> Write;
        access_tokens_from(start: Option<&str>) -> Page<AccessToken>;
        unlock(name: &LoginName) -> Write;
        delete_access_token(digest: Digest) -> Write;
    }

    async fn update_tenant(&self, tenant: &Tenant) -> Result<Write, StoreError> {
        let write = self.paced(self.inner.update_tenant(tenant));
        if self.contested { Ok(Write::Refused) } else { write.await }
    }

    async fn update_user(&self, before: &User, after: &User) -> Result<Update, StoreError> {
        let write = self.paced(self.inner.update_user(before, after));
        if self.contested { Ok(Update::Stale) } else { write.await }
    }
}
