//! Writes accounts in batches, several batches at a time, and tells for each account what came of it.
//!
//! Invariant: of two rows for the same name, address or id the first one of the file wins, however they fall into
//! batches; and a batch whose answer was lost can be repeated without harm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shared::auth_header::AuthHeader;
use shared::clock::Timestamp;
use shared::store::{Administration, Creation, Credential, LoginName, Lookup, NewUser, StoreError, Write};
use shared::tenant::TenantName;
use shared::user::{Email, UserId};

use super::account::Account;
use super::exported::{Exported, OwnedHeader};
use super::fields::{Refusal, refusal};
use crate::failure::Failure;

/// DynamoDB takes 100 writes in one transaction; one of them is the check of the tenant.
const MAX_WRITES: usize = 99;

/// An outage is waited for so often, for twice as long each time.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// An account on its way.
pub struct Pending {
    /// The row's number, from 0.
    pub index: u64,
    /// The row's line.
    pub line: u64,
    /// What is in it.
    pub account: Account,
}

impl Pending {
    /// The names that it claims: those of two accounts in one transaction must differ.
    pub fn claims(&self) -> Vec<String> {
        let user = &self.account.new.user;
        let tenant = user.tenant.as_str();
        let name = user.name.canonical();
        let email = user.email.as_ref().map(Email::canonical).filter(|email| *email != name);
        let named = std::iter::once(name).chain(email).map(|name| format!("{tenant}/{name}"));
        named.chain([id_claim(&user.id)]).collect()
    }

    fn writes(&self) -> usize {
        let user = &self.account.new.user;
        let own = user.email.as_ref().is_some_and(|email| email.canonical() == user.name.canonical());
        let address = usize::from(user.email.is_some());
        let checks = if own { 0 } else { address + usize::from(user.name.canonical().contains('@')) };
        2 + address + checks
    }
}

/// How the claim on an id is written.
pub fn id_claim(id: &UserId) -> String {
    format!("#{id}")
}

/// Accounts of one tenant, for one call.
#[derive(Default)]
pub struct Batch {
    rows: Vec<Pending>,
    writes: usize,
}

impl Batch {
    /// Adds an account; a batch that is full by it is to be written first, and comes back.
    pub fn add(&mut self, row: Pending) -> Option<Self> {
        let writes = row.writes();
        let full = (self.writes + writes > MAX_WRITES).then(|| std::mem::take(self));
        self.writes += writes;
        self.rows.push(row);
        full
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What came of an account.
pub enum Outcome {
    /// It exists now.
    Imported,
    /// It existed before.
    Existing,
    /// It is not taken.
    Refused(Refusal),
    /// Its tenant is not there.
    NoSuchTenant(TenantName),
}

/// A row that was dealt with.
pub struct Finished {
    pub kind: Kind,
    pub index: u64,
    pub line: u64,
    pub username: String,
    pub claims: Vec<String>,
    /// Whether it administers its tenant.
    pub administrator: bool,
    pub outcome: Outcome,
}

/// A record that is no account, on its way.
pub struct PendingExported {
    /// The row's number, from 0.
    pub index: u64,
    /// The row's line.
    pub line: u64,
    /// What is in it.
    pub record: Exported,
}

/// What is written at once.
pub enum Job {
    /// Accounts.
    Batch(Batch),
    /// Something else.
    Exported(PendingExported),
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    User,
    Tenant,
    AuthHeader,
    AccessToken,
}

impl Kind {
    /// That of a record.
    pub fn of(record: &Exported) -> Self {
        match record {
            Exported::Tenant(_) => Self::Tenant,
            Exported::AuthHeader(_) => Self::AuthHeader,
            Exported::AccessToken(_) => Self::AccessToken,
        }
    }
}

impl Job {
    fn finished(self, outcomes: Vec<Outcome>) -> Vec<Finished> {
        let of_account = |(row, outcome): (Pending, Outcome)| Finished {
            kind: Kind::User,
            index: row.index,
            line: row.line,
            username: row.account.new.user.name.as_str().to_owned(),
            claims: row.claims(),
            administrator: row.account.is_administrator(),
            outcome,
        };
        let of_exported = |(row, outcome): (PendingExported, Outcome)| Finished {
            kind: Kind::of(&row.record),
            index: row.index,
            line: row.line,
            username: row.record.username().to_owned(),
            claims: Vec::new(),
            administrator: false,
            outcome,
        };
        match self {
            Self::Batch(batch) => batch.rows.into_iter().zip(outcomes).map(of_account).collect(),
            Self::Exported(row) => std::iter::once(row).zip(outcomes).map(of_exported).collect(),
        }
    }
}

/// Writes batches.
#[derive(Clone)]
pub struct Writer<S> {
    store: S,
    /// Whether an account was met that existed before: then there are more, and asking first is cheaper.
    repeated: Arc<AtomicBool>,
}

impl<S: Administration> Writer<S> {
    /// Writes to `store`.
    pub fn new(store: S) -> Self {
        Self { store, repeated: Arc::default() }
    }

    /// Writes a batch, and waits for an outage to end as long as that makes sense.
    pub async fn write(self, job: Job) -> Result<Vec<Finished>, Failure> {
        let mut tries = 0;
        loop {
            match self.outcomes(&job, tries > 0).await {
                Ok(outcomes) => return Ok(job.finished(outcomes)),
                Err(error) => {
                    let failure = Failure::from(error);
                    tries += 1;
                    if tries == TRIES || !matches!(failure, Failure::Outage(_)) {
                        return Err(failure);
                    }
                    tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(tries)).await;
                }
            }
        }
    }

    /// When a tenant was made; `None` where there is none.
    pub async fn made(&self, tenant: &TenantName) -> Result<Option<Timestamp>, Failure> {
        let wanted = Lookup { tenant: Some(tenant.clone()), ..Lookup::default() };
        Ok(self.store.lookup(wanted).await?.tenant.map(|tenant| tenant.created))
    }

    async fn outcomes(&self, job: &Job, repeated: bool) -> Result<Vec<Outcome>, StoreError> {
        match job {
            Job::Batch(batch) => self.of_accounts(&batch.rows, repeated).await,
            Job::Exported(row) => Ok(vec![self.of_exported(&row.record).await?]),
        }
    }

    async fn of_exported(&self, record: &Exported) -> Result<Outcome, StoreError> {
        let write = match record {
            Exported::Tenant(tenant) => self.store.create_tenant(tenant).await?,
            Exported::AccessToken(token) => self.store.create_access_token(token).await?,
            Exported::AuthHeader(owned) => return self.of_auth_header(owned).await,
        };
        Ok(if write == Write::Done { Outcome::Imported } else { Outcome::Existing })
    }

    /// An auth header opens whatever account has the id in it, so this looks twice that the account is the one meant.
    async fn of_auth_header(&self, owned: &OwnedHeader) -> Result<Outcome, StoreError> {
        let key = &owned.header.key;
        let wanted = Lookup { auth_header: Some(key.clone()), users: vec![key.user.clone()], ..Lookup::default() };
        let found = self.store.lookup(wanted).await?;
        let refused = |rule: &'static str| Ok(Outcome::Refused(refusal("user", rule)));
        let Some(user) = found.user(&key.user) else { return refused("of this auth header is not there") };
        if user.tenant != owned.tenant || user.name.canonical() != owned.username.canonical() {
            return refused("of this auth header is another account here");
        }
        if found.auth_header.is_some() {
            return Ok(Outcome::Existing);
        }
        if !user.enabled {
            return refused("of this auth header is disabled here, which ended all that there were");
        }
        let header = AuthHeader { epoch: user.key_epoch, ..owned.header.clone() };
        let write = self.store.create_auth_header(&header).await?;
        Ok(if write == Write::Done { Outcome::Imported } else { Outcome::Existing })
    }

    async fn of_accounts(&self, rows: &[Pending], repeated: bool) -> Result<Vec<Outcome>, StoreError> {
        let mut stored = BTreeMap::new();
        if self.repeated.load(Ordering::Relaxed) {
            let names: Vec<LoginName> = rows.iter().map(login_name).collect();
            let found = self.store.credentials(&names).await?.into_iter();
            stored = found.map(|credential| (credential.name.clone(), credential)).collect();
        }
        let fresh = rows.iter().filter(|row| !stored.contains_key(&login_name(row)));
        let accounts: Vec<NewUser> = fresh.map(|row| copy(&row.account.new)).collect();
        let mut creations = self.store.import_users(accounts).await?.into_iter();
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            let outcome = match stored.get(&login_name(row)) {
                Some(credential) => of_existing(row, credential, repeated),
                None => self.of_creation(row, creations.next().unwrap_or(Creation::NameTaken), repeated).await?,
            };
            if matches!(outcome, Outcome::Existing) {
                self.repeated.store(true, Ordering::Relaxed);
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    async fn of_creation(&self, row: &Pending, creation: Creation, repeated: bool) -> Result<Outcome, StoreError> {
        let user = &row.account.new.user;
        Ok(match creation {
            Creation::Done => Outcome::Imported,
            Creation::NoSuchTenant => Outcome::NoSuchTenant(user.tenant.clone()),
            Creation::EmailTaken => {
                Outcome::Refused(refusal("email", "is another account's address or user name in this tenant"))
            }
            Creation::NameTaken => {
                let wanted = Lookup { credential: Some(login_name(row)), ..Lookup::default() };
                match self.store.lookup(wanted).await?.credential {
                    Some(credential) => of_existing(row, &credential, repeated),
                    None => Outcome::Refused(refusal("username", "is another account's e-mail address in this tenant")),
                }
            }
            Creation::IdTaken => {
                let wanted = Lookup { users: vec![user.id.clone()], ..Lookup::default() };
                match self.store.lookup(wanted).await?.user(&user.id) {
                    // Ids of another system may become the same one here, and an account of somebody else is no copy.
                    Some(stored)
                        if stored.tenant == user.tenant && stored.name.canonical() != user.name.canonical() =>
                    {
                        Outcome::Refused(refusal("id", "is taken by an account with another user name in this tenant"))
                    }
                    Some(stored) if stored.tenant == user.tenant => Outcome::Existing,
                    _ => Outcome::Refused(refusal("id", "is taken in another tenant")),
                }
            }
        })
    }
}

fn of_existing(row: &Pending, credential: &Credential, repeated: bool) -> Outcome {
    let account = &row.account;
    let same = credential.user == account.new.user.id;
    match (account.has_id, same) {
        // Ours, of a try whose answer was lost.
        (false, true) => Outcome::Imported,
        (true, true) if repeated => Outcome::Imported,
        (true, true) | (false, false) => Outcome::Existing,
        (true, false) => Outcome::Refused(refusal("username", "is taken by an account with another id in this tenant")),
    }
}

fn login_name(row: &Pending) -> LoginName {
    let user = &row.account.new.user;
    LoginName::new(&user.tenant, &user.name)
}

fn copy(new: &NewUser) -> NewUser {
    NewUser { user: new.user.clone(), password: new.password.clone() }
}
