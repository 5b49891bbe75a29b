//! The store in memory, for tests: the same rules as on DynamoDB, plus counters and faults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{
    Administration, Claim, Counted, Creation, Credential, Found, Guess, Guessed, LoginCommit, LoginName, Lookup,
    NewUser, Order, Page, PasswordChange, Proof, Renewal, Step, Store, StoreError, Update, Write,
    auth_header_swept_from, changed, email_claim, swept_from,
};
use crate::access_token::AccessToken;
use crate::auth_header::{AuthHeader, AuthHeaderKey};
use crate::clock::{Clock, Timestamp};
use crate::lockout::{Gate, Guesses};
use crate::one_time::{OneTime, OneTimeKey, Purpose};
use crate::password::Phc;
use crate::persistent_login::{PersistentLogin, PersistentLoginKey};
use crate::secret::Digest;
use crate::tenant::{Tenant, TenantName};
use crate::ticket::{Branch, Ticket, TicketKey};
use crate::user::{User, UserId};

/// So many users are listed at a time, whatever was asked for: who lists must go on.
const PAGE: usize = 1000;

#[derive(Default)]
struct Tables {
    credentials: BTreeMap<LoginName, Credential>,
    claims: BTreeMap<LoginName, Claim>,
    one_times: BTreeMap<OneTimeKey, OneTime>,
    sent: BTreeMap<UserId, Timestamp>,
    users: BTreeMap<UserId, User>,
    tickets: BTreeMap<TicketKey, Ticket>,
    persistent_logins: BTreeMap<PersistentLoginKey, PersistentLogin>,
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
    sweeper: Arc<Mutex<Option<Arc<dyn Clock>>>>,
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

    /// Takes everything away as soon as the database may, by this clock: the tables' TTL may be days late, which is as if
    /// it were never, or on time.
    pub fn sweep_on_time(&self, clock: Arc<dyn Clock>) {
        *self.sweeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock);
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

    /// Every persistent login that is stored.
    #[must_use]
    pub fn persistent_logins(&self) -> Vec<PersistentLogin> {
        self.lock().persistent_logins.values().cloned().collect()
    }

    /// Every item that is somebody's: its key, as it would be on DynamoDB, and whose it is.
    #[must_use]
    pub fn owned(&self) -> Vec<(String, UserId)> {
        let tables = self.lock();
        let key = |kind: &str, name: &LoginName| format!("{kind}#{}#{}", name.tenant(), name.name());
        let names = tables.credentials.iter().map(|(name, credential)| (key("NAME", name), credential.user.clone()));
        let claims = tables.claims.iter().map(|(name, claim)| (key("EMAIL", name), claim.user.clone()));
        let tokens = tables.one_times.keys().map(|key| ("RESET".to_owned(), key.user.clone()));
        let users = tables.users.keys().map(|id| (id.to_string(), id.clone()));
        let tickets = tables.tickets.keys().map(|key| ("T".to_owned(), key.user.clone()));
        let series = tables.persistent_logins.keys().map(|key| ("P".to_owned(), key.user.clone()));
        let headers = tables.auth_headers.keys().map(|key| ("H".to_owned(), key.user.clone()));
        names.chain(claims).chain(tokens).chain(users).chain(tickets).chain(series).chain(headers).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, operation: &'static str) -> Result<MutexGuard<'_, Tables>, StoreError> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
        crate::metrics::store_call(Duration::ZERO);
        if let Some(clock) = &*self.sweeper.lock().unwrap_or_else(PoisonError::into_inner) {
            self.lock().sweep(clock.now().as_seconds());
        }
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

/// Notes that somebody came through a gate.
fn pass(guesses: &mut Guesses, gate: &Gate, at: Timestamp) {
    guesses.counters.retain(|key, _| key.place != gate.place && !gate.stale.contains(key));
    guesses.known.retain(|place, _| !gate.forgotten.contains(place));
    guesses.known.insert(gate.place.clone(), at);
}

impl Tables {
    /// Takes away what DynamoDB may by its TTL, `now` in seconds since the epoch.
    fn sweep(&mut self, now: i64) {
        self.tickets.retain(|_, ticket| now < swept_from(ticket.expires));
        self.persistent_logins.retain(|_, login| now < swept_from(login.expires));
        self.one_times.retain(|_, token| now < swept_from(token.expires));
        self.auth_headers.retain(|_, header| header.expires.is_none_or(|end| now < auth_header_swept_from(end)));
    }

    /// Whether a name is free for a user: neither another one's name nor another one's address. Names and addresses are
    /// compared in one form.
    fn name_is_free(&self, user: &User) -> bool {
        let name = LoginName::new(&user.tenant, &user.name);
        let other = |owner: &UserId| *owner != user.id;
        !self.credentials.get(&name).is_some_and(|credential| other(&credential.user))
            && !self.claims.get(&name).is_some_and(|claim| other(&claim.user))
    }

    /// The same for an address.
    fn email_is_free(&self, user: &User) -> bool {
        let Some(email) = &user.email else { return true };
        let key = email_claim(&user.tenant, email);
        let other = |owner: &UserId| *owner != user.id;
        !self.claims.get(&key).is_some_and(|claim| other(&claim.user))
            && !self.credentials.get(&key).is_some_and(|credential| other(&credential.user))
    }

    fn users_of(&self, tenant: &TenantName, order: Order, start: Option<&str>, limit: usize) -> Page<User> {
        let place = |user: &User| (user.name.canonical().to_owned(), user.id.to_string());
        let mut users: Vec<_> = self.users.values().filter(|user| user.tenant == *tenant).cloned().collect();
        users.sort_by_key(place);
        if order == Order::Descending {
            users.reverse();
        }
        if let Some((id, name)) = start.and_then(|start| start.split_once('/')) {
            let from = (name.to_owned(), id.to_owned());
            users.retain(|user| match order {
                Order::Ascending => place(user) > from,
                Order::Descending => place(user) < from,
            });
        }
        let limit = limit.min(PAGE);
        let more = users.len() > limit;
        users.truncate(limit);
        let next = users.last().filter(|_| more).map(|last| format!("{}/{}", last.id, last.name.canonical()));
        Page { items: users, next }
    }

    fn claim(&mut self, user: &User) {
        if let Some(email) = &user.email {
            let claim = Claim { user: user.id.clone(), name: LoginName::new(&user.tenant, &user.name) };
            self.claims.insert(email_claim(&user.tenant, email), claim);
        }
    }

    fn unclaim(&mut self, user: &User) {
        if let Some(email) = &user.email {
            self.claims.remove(&email_claim(&user.tenant, email));
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
            claim: wanted.claim.and_then(|key| tables.claims.get(&key).cloned()),
            owner: wanted.owner.and_then(|name| Some(tables.credentials.get(&name)?.user.clone())),
            one_time: wanted.one_time.and_then(|key| tables.one_times.get(&key).cloned()),
            tenant: wanted.tenant.and_then(|name| tables.tenants.get(&name).cloned()),
            access_token: wanted.access_token.and_then(|digest| tables.access_tokens.get(&digest).cloned()),
            subject_tokens: wanted
                .subject_tokens
                .iter()
                .filter_map(|digest| tables.access_tokens.get(digest).cloned())
                .collect(),
            ticket: wanted.ticket.and_then(|key| tables.tickets.get(&key).cloned()),
            persistent_login: wanted.persistent_login.and_then(|key| tables.persistent_logins.get(&key).cloned()),
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
        pass(&mut credential.guesses, &commit.gate, commit.at);
        credential.last_login = Some(commit.at);
        Ok(Write::Done)
    }

    async fn replace_hash(
        &self,
        name: &LoginName,
        user: &UserId,
        version: u64,
        phc: &Phc,
    ) -> Result<Write, StoreError> {
        let mut tables = self.call("replace_hash")?;
        let credential = tables.credentials.get_mut(name);
        let credential = credential.filter(|credential| credential.version == version && credential.user == *user);
        Ok(done_if(credential.map(|credential| credential.phc = Some(phc.clone())).is_some()))
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

    async fn create_persistent_login(&self, login: &PersistentLogin) -> Result<Write, StoreError> {
        let mut tables = self.call("create_persistent_login")?;
        let fresh = !tables.persistent_logins.contains_key(&login.key);
        tables.persistent_logins.entry(login.key.clone()).or_insert_with(|| login.clone());
        Ok(done_if(fresh))
    }

    async fn refresh_persistent_login(
        &self,
        key: &PersistentLoginKey,
        generation: u64,
        at: Timestamp,
    ) -> Result<Write, StoreError> {
        let mut tables = self.call("refresh_persistent_login")?;
        let login = tables.persistent_logins.get_mut(key);
        let Some(login) = login.filter(|login| login.generation == generation && login.expires > at) else {
            return Ok(Write::Refused);
        };
        login.generation += 1;
        login.refreshed = Some(at);
        Ok(Write::Done)
    }

    async fn delete_persistent_login(&self, key: &PersistentLoginKey) -> Result<(), StoreError> {
        self.call("delete_persistent_login")?.persistent_logins.remove(key);
        Ok(())
    }

    async fn end_replayed_login(&self, login: &PersistentLogin) -> Result<Write, StoreError> {
        let mut tables = self.call("end_replayed_login")?;
        let stored = tables.persistent_logins.contains_key(&login.key);
        let user = tables.users.get_mut(&login.key.user).filter(|user| stored && user.session_epoch == login.epoch);
        let Some(user) = user else { return Ok(Write::Refused) };
        user.session_epoch += 1;
        tables.persistent_logins.remove(&login.key);
        Ok(Write::Done)
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

    async fn change_password(&self, change: PasswordChange) -> Result<Write, StoreError> {
        let mut tables = self.call("change_password")?;
        let owner = tables.users.get(&change.user).cloned();
        let credential = tables.credentials.get(&change.name);
        let (Some(mut owner), Some(mut credential)) = (owner, credential.cloned()) else { return Ok(Write::Refused) };
        let proven = match &change.proof {
            Proof::OldPassword(gate) => owner.enabled && credential.guesses.admit(&gate.locks),
            Proof::Reset(token) => {
                let current = owner.enabled && owner.email == token.email && owner.session_epoch == token.epoch;
                current && tables.one_times.contains_key(&token.key)
            }
            Proof::Administrator => owner.modified <= change.at,
        };
        let fits = change.fits_its_token() && credential.version == change.version && credential.user == change.user;
        if !proven || !fits {
            return Ok(Write::Refused);
        }
        match &change.proof {
            Proof::OldPassword(gate) => pass(&mut credential.guesses, gate, change.at),
            Proof::Reset(token) => {
                tables.one_times.remove(&token.key);
                if token.email.is_some() {
                    owner.email_verified = true;
                    owner.modified = change.at;
                }
            }
            Proof::Administrator => owner.modified = change.at,
        }
        credential.guesses.counters.retain(|key, _| !change.forget.contains(key));
        credential.guesses.known.extend(change.place.map(|place| (place, change.at)));
        credential.version += 1;
        credential.phc = Some(change.password.phc);
        credential.password_changed = change.password.changed;
        credential.password_expires = change.password.expires;
        credential.history = change.password.history;
        owner.session_epoch += 1;
        owner.key_epoch += u64::from(change.end_auth_headers);
        tables.credentials.insert(change.name, credential);
        tables.users.insert(change.user, owner);
        Ok(Write::Done)
    }

    async fn create_one_time(&self, name: &LoginName, token: &OneTime, since: Timestamp) -> Result<Write, StoreError> {
        let mut tables = self.call("create_one_time")?;
        let own = tables.credentials.get(name).is_some_and(|credential| credential.user == token.key.user);
        let early = tables.sent.get(&token.key.user).is_some_and(|sent| *sent > since);
        if !own || early {
            return Ok(Write::Refused);
        }
        tables.sent.insert(token.key.user.clone(), token.created);
        tables.one_times.insert(token.key.clone(), token.clone());
        Ok(Write::Done)
    }

    async fn withdraw_one_time(&self, name: &LoginName, token: &OneTime) -> Result<Write, StoreError> {
        let mut tables = self.call("withdraw_one_time")?;
        let own = tables.credentials.get(name).is_some_and(|credential| credential.user == token.key.user);
        let last = tables.sent.get(&token.key.user) == Some(&token.created);
        if !own || !last || tables.one_times.remove(&token.key).is_none() {
            return Ok(Write::Refused);
        }
        tables.sent.remove(&token.key.user);
        Ok(Write::Done)
    }

    async fn delete_one_time(&self, key: &OneTimeKey) -> Result<(), StoreError> {
        self.call("delete_one_time")?.one_times.remove(key);
        Ok(())
    }

    async fn verify_email(&self, token: &OneTime, at: Timestamp) -> Result<Write, StoreError> {
        let mut tables = self.call("verify_email")?;
        let fits = token.purpose == Purpose::Verify && token.email.is_some();
        let stored = fits && tables.one_times.contains_key(&token.key);
        let user = tables.users.get_mut(&token.key.user).filter(|user| user.enabled && user.email == token.email);
        let (Some(user), true) = (user, stored) else { return Ok(Write::Refused) };
        user.email_verified = true;
        user.modified = at;
        tables.one_times.remove(&token.key);
        Ok(Write::Done)
    }
}

/// A part of what is listed by its keys, from behind `start`.
fn page_from<T: Clone>(mut listed: Vec<(String, &T)>, start: Option<&str>) -> Page<T> {
    listed.sort_by(|(one, _), (other, _)| one.cmp(other));
    listed.retain(|(key, _)| start.is_none_or(|start| key.as_str() > start));
    let more = listed.len() > PAGE;
    listed.truncate(PAGE);
    let next = listed.last().filter(|_| more).map(|(key, _)| key.clone());
    Page { items: listed.into_iter().map(|(_, item)| item.clone()).collect(), next }
}

impl Administration for MemoryStore {
    async fn create_tenant(&self, tenant: &Tenant) -> Result<Write, StoreError> {
        let mut tables = self.call("create_tenant")?;
        let fresh = !tables.tenants.contains_key(&tenant.name);
        tables.tenants.entry(tenant.name.clone()).or_insert_with(|| tenant.clone());
        Ok(done_if(fresh))
    }

    async fn tenants_from(&self, start: Option<&str>) -> Result<Page<Tenant>, StoreError> {
        let tables = self.call("tenants_from")?;
        let tenants = tables.tenants.values().map(|tenant| (tenant.name.as_str().to_owned(), tenant));
        Ok(page_from(tenants.collect(), start))
    }

    async fn count_tenants(&self, start: Option<&str>) -> Result<Counted, StoreError> {
        let tables = self.call("count_tenants")?;
        let tenants = tables.tenants.values().map(|tenant| (tenant.name.as_str().to_owned(), tenant));
        let Page { items, next } = page_from(tenants.collect(), start);
        Ok(Counted { count: items.len(), next })
    }

    async fn update_tenant(&self, tenant: &Tenant) -> Result<Write, StoreError> {
        let mut tables = self.call("update_tenant")?;
        let stored = tables.tenants.get_mut(&tenant.name);
        let as_read = |stored: &&mut Tenant| {
            stored.revision == tenant.revision && stored.created == tenant.created && !stored.closing
        };
        let Some(stored) = stored.filter(as_read) else {
            return Ok(Write::Refused);
        };
        stored.settings = tenant.settings.clone();
        stored.revision += 1;
        Ok(Write::Done)
    }

    async fn close_tenant(&self, tenant: &TenantName) -> Result<Write, StoreError> {
        let mut tables = self.call("close_tenant")?;
        Ok(done_if(tables.tenants.get_mut(tenant).map(|tenant| tenant.closing = true).is_some()))
    }

    async fn delete_tenant(&self, tenant: &TenantName) -> Result<Write, StoreError> {
        let mut tables = self.call("delete_tenant")?;
        let closing = tables.tenants.get(tenant).is_some_and(|tenant| tenant.closing);
        Ok(done_if(closing && tables.tenants.remove(tenant).is_some()))
    }

    async fn delete_tenant_and_right(&self, tenant: &TenantName, right: &AccessToken) -> Result<Write, StoreError> {
        let mut tables = self.call("delete_tenant_and_right")?;
        let closing = tables.tenants.get(tenant).is_some_and(|tenant| tenant.closing);
        if !closing || tables.access_tokens.get(&right.digest) != Some(right) {
            return Ok(Write::Refused);
        }
        tables.tenants.remove(tenant);
        match right.without(tenant) {
            Some(left) => tables.access_tokens.insert(right.digest, left),
            None => tables.access_tokens.remove(&right.digest),
        };
        Ok(Write::Done)
    }

    async fn users_in_order(
        &self,
        tenant: &TenantName,
        order: Order,
        start: Option<&str>,
        limit: usize,
    ) -> Result<Page<User>, StoreError> {
        Ok(self.call("users_in_order")?.users_of(tenant, order, start, limit))
    }

    async fn count_users(
        &self,
        tenant: &TenantName,
        order: Order,
        start: Option<&str>,
        limit: usize,
    ) -> Result<Counted, StoreError> {
        let Page { items, next } = self.call("count_users")?.users_of(tenant, order, start, limit);
        Ok(Counted { count: items.len(), next })
    }

    async fn credentials(&self, names: &[LoginName]) -> Result<Vec<Credential>, StoreError> {
        let tables = self.call("credentials")?;
        let names: BTreeSet<_> = names.iter().collect();
        Ok(names.into_iter().filter_map(|name| tables.credentials.get(name).cloned()).collect())
    }

    async fn create_user(&self, account: NewUser) -> Result<Creation, StoreError> {
        let mut tables = self.call("create_user")?;
        let user = account.user;
        let login = LoginName::new(&user.tenant, &user.name);
        if tables.credentials.contains_key(&login) || !tables.name_is_free(&user) {
            return Ok(Creation::NameTaken);
        }
        if tables.users.contains_key(&user.id) {
            return Ok(Creation::IdTaken);
        }
        if !tables.email_is_free(&user) {
            return Ok(Creation::EmailTaken);
        }
        if tables.tenants.get(&user.tenant).is_none_or(|tenant| tenant.closing) {
            return Ok(Creation::NoSuchTenant);
        }
        let (phc, changed, expires, history) = account.password.map_or_else(
            || (None, user.created, None, Vec::new()),
            |password| (Some(password.phc), password.changed, password.expires, password.history),
        );
        let credential = Credential {
            name: login.clone(),
            user: user.id.clone(),
            phc,
            version: user.session_epoch,
            password_changed: changed,
            password_expires: expires,
            history,
            guesses: Guesses::default(),
            last_login: None,
        };
        tables.credentials.insert(login, credential);
        tables.claim(&user);
        tables.users.insert(user.id.clone(), user);
        Ok(Creation::Done)
    }

    async fn import_users(&self, accounts: Vec<NewUser>) -> Result<Vec<Creation>, StoreError> {
        let mut creations = Vec::with_capacity(accounts.len());
        for account in accounts {
            creations.push(self.create_user(account).await?);
        }
        Ok(creations)
    }

    async fn update_user(&self, before: &User, after: &User) -> Result<Update, StoreError> {
        let mut tables = self.call("update_user")?;
        let after = &changed(before, after);
        let Some(stored) = tables.users.get(&before.id).filter(|stored| stored.modified == before.modified).cloned()
        else {
            return Ok(Update::Stale);
        };
        if !tables.name_is_free(after) {
            return Ok(Update::NameTaken);
        }
        if !tables.email_is_free(after) {
            return Ok(Update::EmailTaken);
        }
        let old = LoginName::new(&before.tenant, &before.name);
        let new = LoginName::new(&after.tenant, &after.name);
        let Some(credential) = tables.credentials.remove(&old) else { return Ok(Update::Stale) };
        tables.credentials.insert(new.clone(), Credential { name: new, ..credential });
        tables.unclaim(before);
        tables.claim(after);
        let disabling = before.enabled && !after.enabled;
        let untouched = User {
            id: stored.id.clone(),
            tenant: stored.tenant,
            enabled: stored.enabled && !disabling,
            created: stored.created,
            session_epoch: stored.session_epoch + u64::from(disabling),
            key_epoch: stored.key_epoch + u64::from(disabling),
            ..after.clone()
        };
        tables.users.insert(stored.id, untouched);
        Ok(Update::Done)
    }

    async fn delete_user(&self, user: &User, _at: Timestamp) -> Result<Write, StoreError> {
        let mut tables = self.call("delete_user")?;
        let named = |stored: &User| stored.name.canonical() == user.name.canonical() && stored.tenant == user.tenant;
        let as_read = |stored: &User| named(stored) && stored.email == user.email;
        let stored = tables.users.get(&user.id).map(as_read);
        if stored == Some(false) {
            return Ok(Write::Refused);
        }
        tables.tickets.retain(|key, _| key.user != user.id);
        tables.persistent_logins.retain(|key, _| key.user != user.id);
        tables.auth_headers.retain(|key, _| key.user != user.id);
        if stored.is_none() {
            return Ok(Write::Refused);
        }
        tables.users.remove(&user.id);
        tables.sent.remove(&user.id);
        tables.credentials.remove(&LoginName::new(&user.tenant, &user.name));
        tables.unclaim(user);
        Ok(Write::Done)
    }

    async fn expire_password(&self, name: &LoginName, at: Option<Timestamp>) -> Result<Write, StoreError> {
        let mut tables = self.call("expire_password")?;
        let credential = tables.credentials.get_mut(name).filter(|credential| credential.phc.is_some());
        Ok(done_if(credential.map(|credential| credential.password_expires = at).is_some()))
    }

    async fn update_access_token(&self, before: &AccessToken, after: &AccessToken) -> Result<Write, StoreError> {
        let mut tables = self.call("update_access_token")?;
        let stored = tables.access_tokens.get_mut(&before.digest).filter(|stored| *stored == before);
        Ok(done_if(stored.map(|stored| *stored = after.clone()).is_some()))
    }

    async fn set_enabled(&self, user: &User, enabled: bool, at: Timestamp) -> Result<Write, StoreError> {
        let mut tables = self.call("set_enabled")?;
        let stored = tables.users.get_mut(&user.id);
        let Some(user) = stored.filter(|stored| stored.tenant == user.tenant && stored.modified <= at) else {
            return Ok(Write::Refused);
        };
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

    async fn access_tokens_from(&self, start: Option<&str>) -> Result<Page<AccessToken>, StoreError> {
        let tables = self.call("access_tokens_from")?;
        let tokens = tables.access_tokens.values().map(|token| (token.digest.to_base64url(), token));
        Ok(page_from(tokens.collect(), start))
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
