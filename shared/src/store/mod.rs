//! What the domain asks of storage. One implementation speaks to DynamoDB, one keeps everything in memory for tests;
//! one suite of rules runs on both.
//!
//! Every write that rests on what was read says so in its condition. A condition that fails is an answer of the
//! method, never an error: each caller decides what it means. An error means that nobody knows (an outage) or that
//! what is stored makes no sense; neither is ever "not found".

pub mod dynamo;
#[cfg(any(test, feature = "testing"))]
pub mod memory;

use std::time::Duration;

use crate::access_token::AccessToken;
use crate::auth_header::{AuthHeader, AuthHeaderKey};
use crate::clock::Timestamp;
use crate::lockout::{CounterKey, Gate, Guesses, Lock, Place};
use crate::one_time::{OneTime, OneTimeKey, Purpose};
use crate::password::Phc;
use crate::password::rules::PasswordRules;
use crate::persistent_login::{PersistentLogin, PersistentLoginKey};
use crate::secret::Digest;
use crate::tenant::{Tenant, TenantName};
use crate::ticket::{Lineage, Ticket, TicketKey};
use crate::user::{Email, User, UserId, UserName};

/// Why storage gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be reached, was throttled, or refused us: an outage.
    #[error("the store did not answer ({operation})")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stored item lacks an attribute or holds one that can't be read.
    #[error("a stored {item} has no usable {attribute}")]
    Corrupt {
        /// Which kind of item.
        item: &'static str,
        /// Which attribute.
        attribute: &'static str,
    },
    /// A stored item is of a format that came after those which are known here: newer functions wrote it, and what they
    /// know of it is not known to these.
    #[error(
        "a stored {item} is of format {version}, and formats up to {known} are known here: newer functions wrote it, and \
         these are too old for the tables"
    )]
    Newer {
        /// Which kind of item.
        item: &'static str,
        /// The version of its format.
        version: u64,
        /// The newest version that is known.
        known: u64,
    },
}

/// Whether a conditional write happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Write {
    /// It happened, now or in a try whose answer was lost.
    Done,
    /// Its condition did not hold; nothing was changed.
    Refused,
}

/// Under which name a password is looked up: a tenant and a user name, in their one canonical form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginName {
    tenant: String,
    name: String,
}

impl LoginName {
    /// The login name of an account.
    #[must_use]
    pub fn new(tenant: &TenantName, name: &UserName) -> Self {
        Self { tenant: tenant.as_str().to_owned(), name: name.canonical().to_owned() }
    }

    /// The login name that somebody typed. What can't be a name leads to one that no account has, so that it costs the
    /// same calls as any unknown name.
    #[must_use]
    pub fn typed(tenant: &str, name: &str) -> Self {
        if let (Some(tenant), Some(name)) = (TenantName::parse(tenant), UserName::parse(name)) {
            return Self::new(&tenant, &name);
        }
        // A key of its own for each, since all of them in one place would be the store's busiest.
        let digest = Digest::of(format!("{tenant}/{name}").as_bytes());
        Self { tenant: "*".to_owned(), name: digest.to_base64url() }
    }

    /// The key of the claim on the e-mail address that somebody typed as a user name.
    #[must_use]
    pub fn typed_email(tenant: &str, address: &str) -> Option<Self> {
        Some(email_claim(&TenantName::parse(tenant)?, &Email::parse(address)?))
    }

    /// The canonical tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The canonical user name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The part of an account that only functions which take a password may read.
#[derive(Clone)]
pub struct Credential {
    /// Its name.
    pub name: LoginName,
    /// Whose it is.
    pub user: UserId,
    /// The password's hash; `None` for an account without a password.
    pub phc: Option<Phc>,
    /// Counts password changes; a login that began before one ends with it.
    pub version: u64,
    /// When the password was set.
    pub password_changed: Timestamp,
    /// When the password ends, whatever the tenant's rules say: in the past where its owner must change it.
    pub password_expires: Option<Timestamp>,
    /// Hashes of the passwords before, the last one first.
    pub history: Vec<Phc>,
    /// What is remembered of guesses at the password.
    pub guesses: Guesses,
    /// The last accepted one.
    pub last_login: Option<Timestamp>,
}

impl Credential {
    /// When its password ends by itself or by the tenant's `rules`, if ever.
    #[must_use]
    pub fn password_ends(&self, rules: &PasswordRules) -> Option<Timestamp> {
        let aged = rules.max_age.map(|age| self.password_changed.plus(age));
        [self.password_expires, aged].into_iter().flatten().min()
    }

    /// The hashes of its passwords, the present one first.
    pub fn passwords(&self) -> impl Iterator<Item = &Phc> {
        self.phc.iter().chain(&self.history)
    }
}

/// Whose an e-mail address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The user.
    pub user: UserId,
    /// Under which name its credential is stored.
    pub name: LoginName,
}

/// What one round trip shall read, strongly consistent.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// A credential by its name.
    pub credential: Option<LoginName>,
    /// Whose an e-mail address is, by [`LoginName::typed_email`].
    pub claim: Option<LoginName>,
    /// Whose a user name is. Where no other part of Credentials is asked for, no hash is read.
    pub owner: Option<LoginName>,
    /// A one-time token.
    pub one_time: Option<OneTimeKey>,
    /// A tenant.
    pub tenant: Option<TenantName>,
    /// The calling application's access token by its digest.
    pub access_token: Option<Digest>,
    /// Access tokens that the request is about; the caller's own may be among them.
    pub subject_tokens: Vec<Digest>,
    /// A ticket.
    pub ticket: Option<TicketKey>,
    /// A persistent login.
    pub persistent_login: Option<PersistentLoginKey>,
    /// An auth header.
    pub auth_header: Option<AuthHeaderKey>,
    /// Users; the same one twice is read once.
    pub users: Vec<UserId>,
}

/// What was found of a [`Lookup`]. Expiry and revocation are the caller's to check.
#[derive(Default)]
pub struct Found {
    /// The credential.
    pub credential: Option<Credential>,
    /// Whose the e-mail address is.
    pub claim: Option<Claim>,
    /// Whose the user name is.
    pub owner: Option<UserId>,
    /// The one-time token.
    pub one_time: Option<OneTime>,
    /// The tenant.
    pub tenant: Option<Tenant>,
    /// The calling application's access token.
    pub access_token: Option<AccessToken>,
    /// The access tokens that the request is about, in the order of the lookup without those that there are not.
    pub subject_tokens: Vec<AccessToken>,
    /// The ticket.
    pub ticket: Option<Ticket>,
    /// The persistent login.
    pub persistent_login: Option<PersistentLogin>,
    /// The auth header.
    pub auth_header: Option<AuthHeader>,
    /// The users, in no order.
    pub users: Vec<User>,
}

impl Found {
    /// The user with this id, if it was found.
    #[must_use]
    pub fn user(&self, id: &UserId) -> Option<&User> {
        self.users.iter().find(|user| user.id == *id)
    }
}

/// What a password that opened nothing writes to its credential.
pub struct Guess {
    /// Whose.
    pub name: LoginName,
    /// What came of it.
    pub found: Guessed,
    /// The counters that it has to pass.
    pub locks: Vec<Lock>,
    /// Those in which a wrong one is counted.
    pub counted: Vec<CounterKey>,
    /// Counters of the past, to be swept.
    pub stale: Vec<CounterKey>,
    /// When.
    pub at: Timestamp,
}

/// What came of a password that opened nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guessed {
    /// It is wrong: counted, unless one with the same mark was counted before.
    Wrong {
        /// [`crate::lockout::mark`] of it.
        mark: u32,
    },
    /// It is right, and its owner is to be told why it does not open the account.
    Right,
    /// Nothing was found out: there is no such account, it has no password, or its lock is closed.
    Nothing,
}

/// What a login that succeeded writes to its credential.
pub struct LoginCommit {
    /// Whose.
    pub name: LoginName,
    /// The [`Credential::version`] that the password was checked against: the condition.
    pub version: u64,
    /// The account, as the credential named it: part of the condition.
    pub user: UserId,
    /// What it had to pass: part of the condition, and opened by it.
    pub gate: Gate,
    /// When.
    pub at: Timestamp,
}

/// What a renewal writes to a ticket.
pub struct Renewal {
    /// What becomes of its branches; what was read of them is the condition.
    pub step: Step,
    /// The new end. Earlier than the stored one only where the ticket has one branch: others may rest on it.
    pub expires: Timestamp,
    /// When.
    pub at: Timestamp,
}

/// What becomes of a ticket's branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A branch goes on to its next generation.
    Advance {
        /// Where it stands.
        from: Lineage,
        /// Whether it is the only one.
        alone: bool,
    },
    /// A branch stays where it is, and only the end moves.
    Join {
        /// Where it stands.
        at: Lineage,
    },
    /// Another branch begins.
    Fork {
        /// How many there are.
        branches: usize,
    },
}

/// A password to be stored.
#[derive(Clone)]
pub struct NewPassword {
    /// Its hash.
    pub phc: Phc,
    /// When it was set.
    pub changed: Timestamp,
    /// When it ends, whatever the tenant's rules say.
    pub expires: Option<Timestamp>,
    /// Hashes of the passwords before, the last one first.
    pub history: Vec<Phc>,
}

impl NewPassword {
    /// One that was set at `changed`, without a past and without an end of its own.
    #[must_use]
    pub fn new(phc: Phc, changed: Timestamp) -> Self {
        Self { phc, changed, expires: None, history: Vec::new() }
    }
}

/// A new password in the place of another, and what ends with the old one: every ticket, every earlier reset token, and
/// what was remembered of guesses.
pub struct PasswordChange {
    /// Whose: the name of the credential.
    pub name: LoginName,
    /// Whose: part of the condition.
    pub user: UserId,
    /// The [`Credential::version`] that was read: part of the condition.
    pub version: u64,
    /// The new one.
    pub password: NewPassword,
    /// What allows it: part of the condition.
    pub proof: Proof,
    /// Whether the user's auth headers end too.
    pub end_auth_headers: bool,
    /// Counters of guesses to forget, beyond those of an old password's gate.
    pub forget: Vec<CounterKey>,
    /// The network that it came from, where that is to be one of the account's own from now on, beyond that of a gate.
    pub place: Option<Place>,
    /// When.
    pub at: Timestamp,
}

impl PasswordChange {
    /// Whether the one-time token that it rests on, if any, was made for it: for this user, and in the place of this very
    /// password.
    pub(crate) fn fits_its_token(&self) -> bool {
        match &self.proof {
            Proof::Reset(token) => {
                token.purpose == (Purpose::Reset { version: self.version }) && token.key.user == self.user
            }
            Proof::OldPassword(_) | Proof::Administrator => true,
        }
    }
}

/// What allows a change of a password.
pub enum Proof {
    /// The old one, which had to pass this gate.
    OldPassword(Gate),
    /// A one-time token, which is used up.
    Reset(OneTime),
    /// Somebody who may set anybody's.
    Administrator,
}

/// A new account.
pub struct NewUser {
    /// Who it is.
    pub user: User,
    /// Its password, if it has one.
    pub password: Option<NewPassword>,
}

impl NewUser {
    /// An account whose password, if it has one, is as old as itself.
    #[must_use]
    pub fn new(user: User, phc: Option<Phc>) -> Self {
        let password = phc.map(|phc| NewPassword::new(phc, user.created));
        Self { user, password }
    }
}

/// What came of a new account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Creation {
    /// It exists now.
    Done,
    /// The user name is taken, in some spelling of it.
    NameTaken,
    /// The e-mail address is taken.
    EmailTaken,
    /// The id is taken.
    IdTaken,
    /// The tenant does not exist, or is being deleted.
    NoSuchTenant,
}

/// What came of a change of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Update {
    /// It is written.
    Done,
    /// The user was changed by somebody else meanwhile, or is gone: what was read is no longer so.
    Stale,
    /// The new user name is taken, in some spelling of it.
    NameTaken,
    /// The new e-mail address is taken.
    EmailTaken,
}

/// A part of a listing.
pub struct Page<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// Where the next one starts; `None` where this is the last.
    pub next: Option<String>,
}

/// A part of a listing that was counted and not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How much is in it.
    pub count: usize,
    /// Where the next one starts; `None` where this is the last.
    pub next: Option<String>,
}

/// Which way a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The smallest first.
    Ascending,
    /// The largest first.
    Descending,
}

/// What the functions ask. Each method is one round trip and one IAM action, named with it.
pub trait Store: Clone + Send + Sync + 'static {
    /// `BatchGetItem`: everything that a request rests on.
    fn lookup(&self, wanted: Lookup) -> impl Future<Output = Result<Found, StoreError>> + Send;

    /// `UpdateItem` on Credentials: counts a wrong password, provided that its locks admit it; asks the same of a right
    /// one, and changes nothing. Refused when they don't. For a name that nobody has it makes the same call.
    fn record_guess(&self, guess: Guess) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `UpdateItem` on Credentials: marks a login, provided that the password was not changed meanwhile and its gate
    /// is still open. The network's guesses are forgotten, and it is a known one from now on.
    fn commit_login(&self, commit: LoginCommit) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `UpdateItem` on Credentials: puts another hash of the same password in the place of the one that was read. Refused
    /// when the password was changed meanwhile, or the name is another user's by now.
    fn replace_hash(
        &self,
        name: &LoginName,
        user: &UserId,
        version: u64,
        phc: &Phc,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `PutItem` on Tickets: stores a ticket that does not exist yet.
    fn create_ticket(&self, ticket: &Ticket) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `UpdateItem` on Tickets: notes a use; refused when the ticket is gone, so that nothing revives it.
    fn touch_ticket(&self, key: &TicketKey, at: Timestamp) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `UpdateItem` on Tickets: takes a step of renewal with a ticket that is live by its absolute limit, unless another
    /// one came first.
    fn renew_ticket(&self, key: &TicketKey, renewal: Renewal)
    -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `Query` on Tickets, strongly consistent: one user's whose absolute limit lies after `now`. Of a user who has more
    /// than anybody logs in by hand (some 50,000 tickets that were not swept yet), only a part.
    fn tickets(&self, user: &UserId, now: Timestamp) -> impl Future<Output = Result<Vec<Ticket>, StoreError>> + Send;

    /// `UpdateItem` on Users and Tickets in one transaction: ends all tickets of a user at once, by raising the user's
    /// [`User::session_epoch`] from `epoch`, and takes `kept` along to the new epoch. Refused when the epoch is another
    /// by now, or `kept` is gone.
    fn end_tickets(
        &self,
        user: &UserId,
        epoch: u64,
        kept: Option<&TicketKey>,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `DeleteItem` on Tickets; one that is gone already is no error.
    fn delete_ticket(&self, key: &TicketKey) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// `PutItem` on Tickets: stores a persistent login that does not exist yet.
    fn create_persistent_login(
        &self,
        login: &PersistentLogin,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `UpdateItem` on Tickets: moves a persistent login that is not over on from `generation`. Refused when it moved on
    /// meanwhile, or is gone.
    fn refresh_persistent_login(
        &self,
        key: &PersistentLoginKey,
        generation: u64,
        at: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `DeleteItem` on Tickets; one that is gone already is no error.
    fn delete_persistent_login(&self, key: &PersistentLoginKey) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// `DeleteItem` on Tickets and `UpdateItem` on Users in one transaction: deletes a persistent login of which a replaced
    /// token was shown, and ends every ticket and every other persistent login of its user, by raising the user's
    /// [`User::session_epoch`] from [`PersistentLogin::epoch`]. Refused when it is gone, or the epoch is another by now:
    /// then it has ended.
    fn end_replayed_login(&self, login: &PersistentLogin) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `PutItem` on AuthHeaders: stores an auth header that does not exist yet.
    fn create_auth_header(&self, header: &AuthHeader) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `Query` on AuthHeaders, strongly consistent: all of one user's.
    fn auth_headers(&self, user: &UserId) -> impl Future<Output = Result<Vec<AuthHeader>, StoreError>> + Send;

    /// `Query` on AuthHeaders, strongly consistent: how many one user has, counted no further than `enough`.
    fn count_auth_headers(
        &self,
        user: &UserId,
        enough: usize,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// `UpdateItem` on AuthHeaders: notes a use, unless one was noted less than [`crate::ticket::USE_NOTED`] ago or the
    /// auth header is gone.
    fn note_auth_header_use(
        &self,
        key: &AuthHeaderKey,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// `UpdateItem` and `PutItem` on AuthHeaders in one transaction: gives `old` an end at `ends`, and stores `new`.
    /// Refused when `old` is gone or ends earlier by now, so that no rotation prolongs what another one ended.
    fn rotate_auth_header(
        &self,
        old: &AuthHeaderKey,
        ends: Timestamp,
        new: &AuthHeader,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `DeleteItem` on AuthHeaders; refused when there is none.
    fn delete_auth_header(&self, key: &AuthHeaderKey) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `UpdateItem` on Credentials and Users, and `DeleteItem` on Credentials for a one-time token, in one transaction:
    /// changes a password. Refused when its proof does not hold by now, or the password was changed meanwhile.
    fn change_password(&self, change: PasswordChange) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `UpdateItem` and `PutItem` on Credentials in one transaction: stores a one-time token for the account `name`,
    /// unless it was given one after `since`, so that nobody's mailbox is filled. Refused also when the account is
    /// another user's or nobody's: `token` is then never stored, and the calls are the same.
    fn create_one_time(
        &self,
        name: &LoginName,
        token: &OneTime,
        since: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `DeleteItem` and `UpdateItem` on Credentials in one transaction: takes back a one-time token that could not be
    /// sent, so that the account may be given another one at once. Refused when it was never stored.
    fn withdraw_one_time(
        &self,
        name: &LoginName,
        token: &OneTime,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// `DeleteItem` on Credentials: ends a one-time token; one that is gone already is no error.
    fn delete_one_time(&self, key: &OneTimeKey) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// `DeleteItem` on Credentials and `UpdateItem` on Users in one transaction: uses up a one-time token, and notes that
    /// the address which it was made for is the user's own. Refused when either is no longer so.
    fn verify_email(&self, token: &OneTime, at: Timestamp) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// What the operator's tool and the Profile API's functions ask in addition, to manage tenants, users and access tokens.
pub trait Administration: Store {
    /// Makes a tenant; refused when the name is taken.
    fn create_tenant(&self, tenant: &Tenant) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// All tenants, by name.
    fn tenants(&self) -> impl Future<Output = Result<Vec<Tenant>, StoreError>> + Send {
        async {
            let mut page = self.tenants_from(None).await?;
            let mut tenants = page.items;
            while let Some(next) = page.next {
                page = self.tenants_from(Some(&next)).await?;
                tenants.append(&mut page.items);
            }
            Ok(tenants)
        }
    }

    /// `Query` on the index of Applications: a part of all tenants by name, from where `start` says, as large as one call
    /// reads.
    fn tenants_from(&self, start: Option<&str>) -> impl Future<Output = Result<Page<Tenant>, StoreError>> + Send;

    /// `Query` on the index of Applications: counts what [`Self::tenants_from`] would list.
    fn count_tenants(&self, start: Option<&str>) -> impl Future<Output = Result<Counted, StoreError>> + Send;

    /// Changes a tenant's rules, provided that they are still of [`Tenant::revision`], which goes up. Refused otherwise,
    /// and for a tenant that is gone or being deleted.
    fn update_tenant(&self, tenant: &Tenant) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Begins a tenant's deletion: nobody can join it any more. Refused when there is none.
    fn close_tenant(&self, tenant: &TenantName) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Deletes a tenant that is being deleted, for which nobody must be left in it. Refused when it is gone or not
    /// closed.
    fn delete_tenant(&self, tenant: &TenantName) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// The same together with what the access token `right` may do in it ([`AccessToken::without`]), all or nothing.
    /// Refused also when that one is not as it was read by now.
    fn delete_tenant_and_right(
        &self,
        tenant: &TenantName,
        right: &AccessToken,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Up to `limit` users of a tenant by name, from where `start` says. A listing lags behind by moments.
    fn users_of(
        &self,
        tenant: &TenantName,
        start: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<User>, StoreError>> + Send {
        self.users_in_order(tenant, Order::Ascending, start, limit)
    }

    /// `Query` on the index of Users: the same, either way.
    fn users_in_order(
        &self,
        tenant: &TenantName,
        order: Order,
        start: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<User>, StoreError>> + Send;

    /// `Query` on the index of Users: counts what [`Self::users_in_order`] would list, in larger parts than that could.
    fn count_users(
        &self,
        tenant: &TenantName,
        order: Order,
        start: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Counted, StoreError>> + Send;

    /// Several credentials by name, in no order; those that don't exist are left out.
    fn credentials(&self, names: &[LoginName]) -> impl Future<Output = Result<Vec<Credential>, StoreError>> + Send;

    /// Makes an account with its claims on name and e-mail, all or nothing.
    fn create_user(&self, account: NewUser) -> impl Future<Output = Result<Creation, StoreError>> + Send;

    /// Makes several accounts, each all or nothing, in as few calls as possible; what came of each, in their order.
    fn import_users(&self, accounts: Vec<NewUser>) -> impl Future<Output = Result<Vec<Creation>, StoreError>> + Send;

    /// Writes what differs between `before`, as it was read, and `after`: names, address, roles, attributes. It may
    /// disable as well, which ends what [`Self::set_enabled`] ends, so that no account is given anything and not
    /// disabled; it enables nobody. Not what no change can touch: id, tenant, epochs. All or nothing, with the claims on
    /// name and address. [`User::modified`] becomes later, if need be by a millisecond.
    fn update_user(&self, before: &User, after: &User) -> impl Future<Output = Result<Update, StoreError>> + Send;

    /// Deletes an account and everything that is its own: its claims, tickets and auth headers. Ends all of them first,
    /// so that after a crash in between the account is disabled and the call can be repeated. One-time tokens are dead
    /// with the account and swept by their TTL. Refused when the user has another name or address by now, which changes
    /// nothing, or is gone, and then what it left behind is deleted all the same.
    fn delete_user(&self, user: &User, at: Timestamp) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Gives a password an end, whatever the tenant's rules say: in the past where its owner must change it. Refused when
    /// there is no such account, or it has no password.
    fn expire_password(
        &self,
        name: &LoginName,
        at: Option<Timestamp>,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Changes what an access token may do, provided that it still is as `before`. Refused otherwise.
    fn update_access_token(
        &self,
        before: &AccessToken,
        after: &AccessToken,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Disables or enables an account, whatever else of it changed since it was read. Disabling ends its tickets and auth
    /// headers for good. Refused when there is none in this tenant, or it was changed later than `at`, before which
    /// [`User::modified`] must not go back.
    fn set_enabled(
        &self,
        user: &User,
        enabled: bool,
        at: Timestamp,
    ) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Stores an access token; refused when it exists.
    fn create_access_token(&self, token: &AccessToken) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// All access tokens.
    fn access_tokens(&self) -> impl Future<Output = Result<Vec<AccessToken>, StoreError>> + Send {
        async {
            let mut page = self.access_tokens_from(None).await?;
            let mut tokens = page.items;
            while let Some(next) = page.next {
                page = self.access_tokens_from(Some(&next)).await?;
                tokens.append(&mut page.items);
            }
            Ok(tokens)
        }
    }

    /// `Query` on the index of Applications: a part of all access tokens, from where `start` says, as large as one call
    /// reads.
    fn access_tokens_from(
        &self,
        start: Option<&str>,
    ) -> impl Future<Output = Result<Page<AccessToken>, StoreError>> + Send;

    /// Forgets all guesses at an account's password, so that none has to wait; refused when there is none.
    fn unlock(&self, name: &LoginName) -> impl Future<Output = Result<Write, StoreError>> + Send;

    /// Deletes an access token, at once for every function; refused when there is none.
    fn delete_access_token(&self, digest: Digest) -> impl Future<Output = Result<Write, StoreError>> + Send;
}

/// What a change from `before` to `after` makes of a user. [`User::modified`] tells one state from another, so it never
/// stays the same, however little the clock moved.
pub(crate) fn changed(before: &User, after: &User) -> User {
    let modified = after.modified.max(before.modified.plus(Duration::from_millis(1)));
    let ended = u64::from(before.enabled && !after.enabled);
    User {
        id: before.id.clone(),
        tenant: before.tenant.clone(),
        enabled: before.enabled && after.enabled,
        session_epoch: before.session_epoch + ended,
        key_epoch: before.key_epoch + ended,
        modified,
        ..after.clone()
    }
}

/// The first second, since the epoch, in which the database may take away what ends at `expires`: after its end, so that
/// nothing rests on when it does.
pub(crate) fn swept_from(expires: Timestamp) -> i64 {
    expires.as_seconds().saturating_add(1)
}

/// The same for an auth header, which its owner sees for a while after its end.
pub(crate) fn auth_header_swept_from(expires: Timestamp) -> i64 {
    expires.plus(AuthHeader::KEPT_AFTER_EXPIRY).as_seconds()
}

/// The name under which an e-mail address is claimed.
pub(crate) fn email_claim(tenant: &TenantName, email: &Email) -> LoginName {
    LoginName { tenant: tenant.as_str().to_owned(), name: email.canonical().to_owned() }
}
