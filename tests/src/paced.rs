//! A store whose calls take a while, so that requests sent together meet in all sorts of orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared::auth_header::{AuthHeader, AuthHeaderKey};
use shared::clock::Timestamp;
use shared::one_time::OneTime;
use shared::password::Phc;
use shared::store::memory::MemoryStore;
use shared::store::{Found, Guess, LoginCommit, LoginName, Lookup, PasswordChange, Renewal, Store, StoreError, Write};
use shared::ticket::{Ticket, TicketKey};
use shared::user::UserId;

use crate::Dice;

/// The store in memory, with pauses before and after each call: the same ones for the same seed.
#[derive(Clone)]
pub struct Paced {
    inner: MemoryStore,
    steps: Arc<AtomicU64>,
    notes: Notes,
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
        Self { inner, steps: Arc::new(AtomicU64::new(seed << 32)), notes: Notes::Kept }
    }

    /// The same with another fate of notes.
    #[must_use]
    pub fn with_notes(self, notes: Notes) -> Self {
        Self { notes, ..self }
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

impl Store for Paced {
    async fn lookup(&self, wanted: Lookup) -> Result<Found, StoreError> {
        self.paced(self.inner.lookup(wanted)).await
    }

    async fn record_guess(&self, guess: Guess) -> Result<Write, StoreError> {
        self.paced(self.inner.record_guess(guess)).await
    }

    async fn commit_login(&self, commit: LoginCommit) -> Result<Write, StoreError> {
        self.paced(self.inner.commit_login(commit)).await
    }

    async fn replace_hash(
        &self,
        name: &LoginName,
        user: &UserId,
        version: u64,
        phc: &Phc,
    ) -> Result<Write, StoreError> {
        self.paced(self.inner.replace_hash(name, user, version, phc)).await
    }

    async fn create_ticket(&self, ticket: &Ticket) -> Result<Write, StoreError> {
        self.paced(self.inner.create_ticket(ticket)).await
    }

    async fn touch_ticket(&self, key: &TicketKey, at: Timestamp) -> Result<Write, StoreError> {
        self.note().await;
        self.paced(self.inner.touch_ticket(key, at)).await
    }

    async fn renew_ticket(&self, key: &TicketKey, renewal: Renewal) -> Result<Write, StoreError> {
        self.paced(self.inner.renew_ticket(key, renewal)).await
    }

    async fn tickets(&self, user: &UserId, now: Timestamp) -> Result<Vec<Ticket>, StoreError> {
        self.paced(Store::tickets(&self.inner, user, now)).await
    }

    async fn end_tickets(&self, user: &UserId, epoch: u64, kept: Option<&TicketKey>) -> Result<Write, StoreError> {
        self.paced(self.inner.end_tickets(user, epoch, kept)).await
    }

    async fn delete_ticket(&self, key: &TicketKey) -> Result<(), StoreError> {
        self.paced(self.inner.delete_ticket(key)).await
    }

    async fn create_auth_header(&self, header: &AuthHeader) -> Result<Write, StoreError> {
        self.paced(self.inner.create_auth_header(header)).await
    }

    async fn auth_headers(&self, user: &UserId) -> Result<Vec<AuthHeader>, StoreError> {
        self.paced(self.inner.auth_headers(user)).await
    }

    async fn count_auth_headers(&self, user: &UserId, enough: usize) -> Result<usize, StoreError> {
        self.paced(self.inner.count_auth_headers(user, enough)).await
    }

    async fn note_auth_header_use(&self, key: &AuthHeaderKey, at: Timestamp) -> Result<(), StoreError> {
        self.note().await;
        self.paced(self.inner.note_auth_header_use(key, at)).await
    }

    async fn rotate_auth_header(
        &self,
        old: &AuthHeaderKey,
        ends: Timestamp,
        new: &AuthHeader,
    ) -> Result<Write, StoreError> {
        self.paced(self.inner.rotate_auth_header(old, ends, new)).await
    }

    async fn delete_auth_header(&self, key: &AuthHeaderKey) -> Result<Write, StoreError> {
        self.paced(self.inner.delete_auth_header(key)).await
    }

    async fn change_password(&self, change: PasswordChange) -> Result<Write, StoreError> {
        self.paced(self.inner.change_password(change)).await
    }

    async fn create_one_time(&self, name: &LoginName, token: &OneTime, since: Timestamp) -> Result<Write, StoreError> {
        self.paced(self.inner.create_one_time(name, token, since)).await
    }

    async fn withdraw_one_time(&self, name: &LoginName, token: &OneTime) -> Result<Write, StoreError> {
        self.paced(self.inner.withdraw_one_time(name, token)).await
    }

    async fn verify_email(&self, token: &OneTime, at: Timestamp) -> Result<Write, StoreError> {
        self.paced(self.inner.verify_email(token, at)).await
    }
}
