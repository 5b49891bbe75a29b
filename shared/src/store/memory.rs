//! The store in memory, for tests: the same rules as on DynamoDB, plus counters and faults.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Administration, Creation, Credential, Found, Guess, Guessed, LoginCommit, LoginName, Lookup, NewUser, Renewal,
    Step, Store, StoreError, Write, email_claim,
};
use crate::access_token::AccessToken;
use crate::auth_header::{AuthHeader, AuthHeaderKey};
use crate::clock::Timestamp;
use crate::lockout::Guesses;
use crate::secret::Digest;
use crate::tenant::{Tenant, TenantName};
use crate::ticket::{Branch, Ticket, TicketKey};
use crate::user::{User, UserId};

#[derive(Default)]
struct Tables {
    credentials: BTreeMap<LoginName, Credential>,
    emails: BTreeMap<LoginName, UserId>,
    users: BTreeMap<UserId, User>,
    tickets: BTreeMap<TicketKey, Ticket>,
    auth_headers: BTreeMap<AuthHeaderKey, AuthHeader>,
    tenants: BTreeMap<TenantName, Tenant>,
    access_tokens: BTreeMap<Digest, AccessToken>,
}

/// All tables behind one lock; clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
    failing_after: Arc<AtomicUsize>,
}

impl MemoryStore {
    /// The calls since the last time this was asked, in order.
    #[must_use]
    pub fn take_calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets `calls` more calls through and fails the rest; `None` fails none.
    pub fn fail_after(&self, calls: Option<usize>) {
        self.failing_after.store(calls.map_or(0, |calls| calls + 1), Ordering::SeqCst);
    }

    /// Changes a stored credential as no endpoint of today can.
    pub fn edit_credential(&self, name: &LoginName, edit: impl FnOnce(&mut Credential)) {
        if let Some(credential) = self.lock().credentials.get_mut(name) {
            edit(credential);
        }
    }

    /// Changes a stored user as no endpoint of today can.
    pub fn edit_user(&self, id: &UserId, edit: impl FnOnce(&mut User)) {
        if let Some(user) = self.lock().users.get_mut(id) {
            edit(user);
        }
    }

    /// Every ticket that is stored.
    #[must_use]
    pub fn tickets(&self) -> Vec<Ticket> {
        self.lock().tickets.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, operation: &'static str) -> Result<MutexGuard<'_, Tables>, StoreError> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
        match self.failing_after.load(Ordering::SeqCst) {
            0 => Ok(self.lock()),
            1 => Err(StoreError::Unavailable { operation, source: "told to fail".into() }),
            left => {
                self.failing_after.store(left - 1, Ordering::SeqCst);
                Ok(self.lock())
            }
        }
    }
}

fn done_if(condition: bool) -> Write {
    if condition { Write::Done } else { Write::Refused }
}

impl Store for MemoryStore {
    async fn lookup(&self, wanted: Lookup) -> Result<Found, StoreError> {
        let tables = self.call("lookup")?;
        let mut users = wanted.users;
        users.sort();
        users.dedup();
        Ok(Found {
            credential: wanted.credential.and_then(|name| tables.credentials.get(&name).cloned()),
            access_token: wanted.access_token.and_then(|digest| tables.access_tokens.get(&digest).cloned()),
            ticket: wanted.ticket.and_then(|key| tables.tickets.get(&key).cloned()),
            auth_header: wanted.auth_header.and_then(|key| tables.auth_headers.get(&key).cloned()),
            users: users.iter().filter_map(|id| tables.users.get(id).cloned()).collect(),
        })
    }

    async fn record_guess(&self, guess: Guess) -> Result<Write, StoreError> {
        let mut tables = self.call("record_guess")?;
        let Some(credential) = tables.credentials.get_mut(&guess.name) else { return Ok(Write::Refused) };
        let guesses = &mut credential.guesses;
        let mark = match guess.found {
            Guessed::Nothing => return Ok(Write::Done),
            Guessed::Right => return Ok(done_if(guesses.admit(&guess.locks))),
            Guessed::Wrong { mark } => mark,
        };
        let repeated = guess.counted.first().is_some_and(|key| guesses.holds(key, mark));
        if repeated || !guesses.admit(&guess.locks) {
            return Ok(Write::Refused);
        }
        for key in &guess.counted {
            let counter = guesses.counters.entry(key.clone()).or_default();
            counter.failures += 1;
            counter.marks.insert(mark);
            counter.last = Some(guess.at);
        }
        for key in &guess.stale {
            guesses.counters.remove(key);
        }
        Ok(Write::Done)
    }

    async fn commit_login(&self, commit: LoginCommit) -> Result<Write, StoreError> {
        let mut tables = self.call("commit_login")?;
        let Some(credential) = tables.credentials.get_mut(&commit.name) else { return Ok(Write::Refused) };
        let fits = credential.version == commit.version && credential.user == commit.user;
        if !fits || !credential.guesses.admit(&commit.gate.locks) {
            return Ok(Write::Refused);
        }
        let Guesses { counters, known } = &mut credential.guesses;
        counters.retain(|key, _| key.place != commit.gate.place && !commit.gate.stale.contains(key));
        known.retain(|place, _| !commit.gate.forgotten.contains(place));
        known.insert(commit.gate.place, commit.at);
        credential.last_login = Some(commit.at);
        if let Some(phc) = commit.rehashed {
            credential.phc = Some(phc);
        }
        Ok(Write::Done)
    }

    async fn create_ticket(&self, ticket: &Ticket) -> Result<Write, StoreError> {
        let mut tables = self.call("create_ticket")?;
        let fresh = !tables.tickets.contains_key(&ticket.key);
        tables.tickets.entry(ticket.key.clone()).or_insert_with(|| ticket.clone());
        Ok(done_if(fresh))
    }

    async fn touch_ticket(&self, key: &TicketKey, at: Timestamp) -> Result<Write, StoreError> {
        let mut tables = self.call("touch_ticket")?;
        let ticket = tables.tickets.get_mut(key).filter(|ticket| ticket.expires > at);
        Ok(done_if(ticket.map(|ticket| ticket.last_request = at).is_some()))
    }

    async fn renew_ticket(&self, key: &TicketKey, renewal: Renewal) -> Result<Write, StoreError> {
        let mut tables = self.call("renew_ticket")?;
        let Some(ticket) = tables.tickets.get_mut(key) else { return Ok(Write::Refused) };
        let count = ticket.branches.len();
        let (fits, may_shorten) = match renewal.step {
            Step::Advance { from, alone } => (ticket.accepts(from) && (!alone || count == 1), alone),
            Step::Join { at } => (ticket.accepts(at), false),
            Step::Fork { branches } => (count == branches, false),
        };
        if !fits || ticket.expires <= renewal.at || !may_shorten && ticket.expires > renewal.expires {
            return Ok(Write::Refused);
        }
        match renewal.step {
            Step::Advance { from, .. } => {
                let next = Branch { generation: from.generation + 1, renewed: Some(renewal.at) };
                ticket.branches.iter_mut().skip(from.branch).take(1).for_each(|branch| *branch = next);
            }
            Step::Join { .. } => {}
            Step::Fork { .. } => ticket.branches.push(Branch::default()),
        }
        ticket.expires = renewal.expires;
        ticket.last_request = renewal.at;
        Ok(Write::Done)
    }

    async fn tickets(&self, user: &UserId, now: Timestamp) -> Result<Vec<Ticket>, StoreError> {
        let tables = self.call("tickets")?;
        Ok(tables.tickets.values().filter(|ticket| ticket.key.user == *user && ticket.expires > now).cloned().collect())
    }

    async fn end_tickets(&self, user: &UserId, epoch: u64, kept: Option<&TicketKey>) -> Result<Write, StoreError> {
        let mut tables = self.call("end_tickets")?;
        let current = tables.users.get(user).is_some_and(|user| user.session_epoch == epoch);
        let keepable = kept.is_none_or(|key| tables.tickets.get(key).is_some_and(|ticket| ticket.epoch == epoch));
        if !current || !keepable {
            return Ok(Write::Refused);
        }
        if let Some(user) = tables.users.get_mut(user) {
            user.session_epoch += 1;
        }
        if let Some(ticket) = kept.and_then(|key| tables.tickets.get_mut(key)) {
            ticket.epoch += 1;
        }
        Ok(Write::Done)
    }

    async fn delete_ticket(&self, key: &TicketKey) -> Result<(), StoreError> {
        self.call("delete_ticket")?.tickets.remove(key);
        Ok(())
    }

    async fn create_auth_header(&self, header: &AuthHeader) -> Result<Write, StoreError> {
        let mut tables = self.call("create_auth_header")?;
        let fresh = !tables.auth_headers.contains_key(&header.key);
        tables.auth_headers.entry(header.key.clone()).or_insert_with(|| header.clone());
        Ok(done_if(fresh))
    }

    async fn auth_headers(&self, user: &UserId) -> Result<Vec<AuthHeader>, StoreError> {
        let tables = self.call("auth_headers")?;
        Ok(tables.auth_headers.values().filter(|header| header.key.user == *user).cloned().collect())
    }

    async fn count_auth_headers(&self, user: &UserId, enough: usize) -> Result<usize, StoreError> {
        let tables = self.call("count_auth_headers")?;
        Ok(tables.auth_headers.keys().filter(|key| key.user == *user).take(enough).count())
    }

    async fn note_auth_header_use(&self, key: &AuthHeaderKey, at: Timestamp) -> Result<(), StoreError> {
        let mut tables = self.call("note_auth_header_use")?;
        if let Some(header) = tables.auth_headers.get_mut(key).filter(|header| header.needs_note(at)) {
            header.last_used = Some(at);
        }
        Ok(())
    }

    async fn rotate_auth_header(
        &self,
        old: &AuthHeaderKey,
        ends: Timestamp,
        new: &AuthHeader,
    ) -> Result<Write, StoreError> {
        let mut tables = self.call("rotate_auth_header")?;
        let fresh = !tables.auth_headers.contains_key(&new.key);
        let header = tables.auth_headers.get_mut(old).filter(|header| header.expires.is_none_or(|end| end >= ends));
        let (Some(header), true) = (header, fresh) else { return Ok(Write::Refused) };
        header.expires = Some(ends);
        tables.auth_headers.insert(new.key.clone(), new.clone());
        Ok(Write::Done)
    }

    async fn delete_auth_header(&self, key: &AuthHeaderKey) -> Result<Write, StoreError> {
        Ok(done_if(self.call("delete_auth_header")?.auth_headers.remove(key).is_some()))
    }
}

impl Administration for MemoryStore {
    async fn create_tenant(&self, tenant: &Tenant) -> Result<Write, StoreError> {
        let mut tables = self.call("create_tenant")?;
        let fresh = !tables.tenants.contains_key(&tenant.name);
        tables.tenants.entry(tenant.name.clone()).or_insert_with(|| tenant.clone());
        Ok(done_if(fresh))
    }

    async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        Ok(self.call("tenants")?.tenants.values().cloned().collect())
    }

    async fn create_user(&self, account: NewUser) -> Result<Creation, StoreError> {
        let mut tables = self.call("create_user")?;
        let user = account.user;
        let login = LoginName::new(&user.tenant, &user.name);
        let claim = user.email.as_ref().map(|email| email_claim(&user.tenant, email));
        if tables.credentials.contains_key(&login) {
            return Ok(Creation::NameTaken);
        }
        if tables.users.contains_key(&user.id) {
            return Ok(Creation::IdTaken);
        }
        if !tables.tenants.contains_key(&user.tenant) {
            return Ok(Creation::NoSuchTenant);
        }
        if claim.as_ref().is_some_and(|claim| tables.emails.contains_key(claim)) {
            return Ok(Creation::EmailTaken);
        }
        if let Some(claim) = claim {
            tables.emails.insert(claim, user.id.clone());
        }
        let credential = Credential {
            name: login.clone(),
            user: user.id.clone(),
            phc: account.phc,
            version: 0,
            password_expires: None,
            guesses: Guesses::default(),
            last_login: None,
        };
        tables.credentials.insert(login, credential);
        tables.users.insert(user.id.clone(), user);
        Ok(Creation::Done)
    }

    async fn set_enabled(&self, user: &UserId, enabled: bool, at: Timestamp) -> Result<Write, StoreError> {
        let mut tables = self.call("set_enabled")?;
        let Some(user) = tables.users.get_mut(user) else { return Ok(Write::Refused) };
        user.enabled = enabled;
        user.modified = at;
        if !enabled {
            user.session_epoch += 1;
            user.key_epoch += 1;
        }
        Ok(Write::Done)
    }

    async fn create_access_token(&self, token: &AccessToken) -> Result<Write, StoreError> {
        let mut tables = self.call("create_access_token")?;
        let fresh = !tables.access_tokens.contains_key(&token.digest);
        tables.access_tokens.entry(token.digest).or_insert_with(|| token.clone());
        Ok(done_if(fresh))
    }

    async fn access_tokens(&self) -> Result<Vec<AccessToken>, StoreError> {
        Ok(self.call("access_tokens")?.access_tokens.values().cloned().collect())
    }

    async fn unlock(&self, name: &LoginName) -> Result<Write, StoreError> {
        let mut tables = self.call("unlock")?;
        let credential = tables.credentials.get_mut(name);
        Ok(done_if(credential.map(|credential| credential.guesses.counters.clear()).is_some()))
    }

    async fn delete_access_token(&self, digest: Digest) -> Result<Write, StoreError> {
        Ok(done_if(self.call("delete_access_token")?.access_tokens.remove(&digest).is_some()))
    }
}
