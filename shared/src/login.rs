//! The one function that takes a password. Every path that authenticates by password goes through it, so that a rule
//! that holds here holds everywhere, lockout first of all ([`crate::lockout`]).
//!
//! Invariant: every refusal costs the same calls in the same order: one key derivation with one read beside it, then
//! one write. Nothing is issued, nothing about a right password told, and no work done that only a right one brings,
//! before the credential's conditional write has been acknowledged.

use std::sync::Arc;

use crate::audit;
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Config};
use crate::error::{self, Problem};
use crate::lockout::{Gate, Guesses, Lock};
use crate::metrics;
use crate::password::pepper::PepperError;
use crate::password::rules::{About, Broken, PasswordRules};
use crate::password::{self, Hasher, PasswordError, Phc, Verdict};
use crate::random::Random;
use crate::secret::{Password, Token};
use crate::source::Source;
use crate::store::{
    Credential, Found, Guess, Guessed, LoginCommit, LoginName, Lookup, NewPassword, PasswordChange, Proof, Store, Write,
};
use crate::tenant::{Settings, TenantName, Tenants, Wanted};
use crate::ticket::{Limits, Origin, Ticket};
use crate::user::{Email, User, UserId, UserName};

/// The longest user name that the user family takes, with a tenant in front of it.
pub const MAX_NAME_BYTES: usize = 640;

/// What a password check needs.
pub struct Login<S> {
    /// Where accounts and tickets are.
    pub store: S,
    /// Hashes passwords.
    pub hasher: Arc<Hasher>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes tickets.
    pub random: Arc<dyn Random>,
    /// The rules of tenants.
    pub tenants: Tenants,
    /// How long the stack lets live what it issues.
    pub lifetimes: config::Lifetimes,
}

/// A user name as somebody typed it, and what has to be read for it.
///
/// What holds an `@` may be an e-mail address, which leads to a user name and costs one more read: for every such text,
/// whether anybody has it or not.
pub struct Question {
    name: LoginName,
    claim: Option<LoginName>,
    twice: bool,
    tenant: Wanted,
}

impl Question {
    /// What has to be read first; a caller may read more with it.
    #[must_use]
    pub fn lookup(&self) -> Lookup {
        Lookup {
            credential: Some(self.name.clone()),
            claim: self.claim.clone(),
            tenant: self.tenant.lookup(),
            ..Lookup::default()
        }
    }
}

/// An account that somebody named, as far as there is one.
pub struct Named {
    /// The name under which it is, or would be.
    pub name: LoginName,
    /// The account.
    pub credential: Option<Credential>,
    /// The rules of its tenant, or of any.
    pub settings: Arc<Settings>,
}

impl Named {
    /// Whether a new password keeps the rules that hold in every tenant, as far as they can be judged by what was typed:
    /// so nothing is told of the account, nor whether there is such a tenant.
    pub fn check_new(tenant: &str, username: &str, new: &Password) -> Result<(), Problem> {
        const TOO_SHORT: &str = "must be at least 8 characters long, and 15 where the tenant has no other rule";
        let (tenant, name, email) = (TenantName::parse(tenant), UserName::parse(username), Email::parse(username));
        let about = About { user_name: name.as_ref(), email: email.as_ref(), tenant: tenant.as_ref() };
        let rules = PasswordRules { min_chars: PasswordRules::LEAST_CHARS, ..PasswordRules::DEFAULT };
        rules.check(new, &about).map_err(|broken| match broken {
            // Who is told of eight alone would come back with nine, and be told of fifteen.
            Broken::TooShort { .. } => Problem::invalid("new", TOO_SHORT),
            other => Problem::weak("new", other),
        })
    }
}

/// A login that succeeded and is stored.
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// Its new ticket: never one that the client brought.
    pub ticket: Ticket,
    /// The ticket's text.
    pub token: Token,
    /// The rules of its tenant.
    pub settings: Arc<Settings>,
}

/// The ticket that a login opens.
pub struct Opening {
    /// For which family.
    pub origin: Origin,
    /// Where the request came from.
    pub source: Source,
}

/// A password that is to be replaced.
pub struct Change {
    /// Whose.
    pub named: Named,
    /// The one to be replaced.
    pub old: Password,
    /// The one to be set.
    pub new: Password,
    /// Whether the user's auth headers end too.
    pub end_auth_headers: bool,
    /// Where the request came from.
    pub source: Source,
}

/// Why a password was not enough.
enum Refusal {
    /// It is wrong, and a hash was there to say so.
    Wrong { mark: u32 },
    /// There is nothing that it could be right for, or it came while none is judged.
    Nothing,
    /// It is right, and the account is disabled.
    Disabled(UserId),
    /// It is right, and over.
    Expired,
    /// It is right, and the tenant wants the address verified first.
    Unverified,
}

impl<S: Store> Login<S> {
    /// A login of the stack that `config` describes.
    #[must_use]
    pub fn new(store: S, hasher: Arc<Hasher>, clock: Arc<dyn Clock>, random: Arc<dyn Random>, config: &Config) -> Self {
        Self { store, hasher, clock, random, tenants: Tenants::default(), lifetimes: config.lifetimes }
    }

    /// What has to be read for a user name or e-mail address as somebody typed it.
    #[must_use]
    pub fn question(&self, tenant: &str, username: &str) -> Question {
        let claim = LoginName::typed_email(tenant, username);
        Question {
            name: LoginName::typed(tenant, username),
            claim,
            twice: username.contains('@'),
            tenant: self.tenants.wanted(tenant, self.clock.now()),
        }
    }

    /// The account that was asked for, from what was found.
    pub async fn named(&self, question: Question, found: &mut Found) -> Result<Named, Problem> {
        let Question { mut name, twice, tenant, .. } = question;
        let mut credential = found.credential.take();
        let settings = self.tenants.resolve(tenant, found.tenant.take(), self.clock.now());
        if twice {
            if let (None, Some(claim)) = (&credential, found.claim.take()) {
                name = claim.name;
            }
            let wanted = Lookup { credential: Some(name.clone()), ..Lookup::default() };
            credential = self.store.lookup(wanted).await?.credential;
        }
        if settings.is_none() {
            // Whatever a tenant left behind that is gone, nobody gets in by it.
            credential = None;
        }
        Ok(Named { name, credential, settings: settings.unwrap_or_default() })
    }

    /// Checks `password` against the account that was named, and stores a new ticket.
    pub async fn with_password(&self, named: Named, password: Password, opening: Opening) -> Result<LoggedIn, Problem> {
        let Opening { origin, source } = opening;
        let settings = Arc::clone(&named.settings);
        let (attempt, account) = self.check(named, &password, &source).await?;
        let now = attempt.now;
        let account = account.and_then(|account| account.may_log_in(&settings, now));
        let Account { credential, user, outdated } = match account {
            Ok(account) => account,
            Err(refusal) => return self.refuse(attempt, refusal).await,
        };
        let limits = self.limits(origin, &settings);
        let (mut ticket, token) = Ticket::issue(&user, origin, limits, source, now, &*self.random);
        ticket.password_expires = credential.password_ends(&settings.password);
        // What a password opened ends with it.
        ticket.expires = ticket.password_expires.map_or(ticket.expires, |ends| ticket.expires.min(ends));
        let Attempt { name, gate, .. } = attempt;
        let version = credential.version;
        let commit = LoginCommit { name: name.clone(), version, user: user.id.clone(), gate, at: now };
        self.store_login(commit, &ticket).await?;
        metrics::login();
        if outdated {
            self.rehash(&name, &user.id, version, password).await;
        }
        Ok(LoggedIn { user, ticket, token, settings })
    }

    /// Replaces a password by its owner, who shows the old one: even one that has expired, for this is how it is made
    /// good. Ends every ticket of the user.
    pub async fn change_password(&self, change: Change) -> Result<(), Problem> {
        let Change { named, old, new, end_auth_headers, source } = change;
        let settings = Arc::clone(&named.settings);
        let (attempt, account) = self.check(named, &old, &source).await?;
        let account = match account {
            Ok(account) if account.user.enabled => account,
            Ok(account) => return self.refuse(attempt, Refusal::Disabled(account.user.id)).await,
            Err(refusal) => return self.refuse(attempt, refusal).await,
        };
        let Account { credential, user, .. } = account;
        let Attempt { name, gate, now, .. } = self.admit(attempt).await?;
        // The old one was just found right, so that comparing the texts spares a derivation.
        let same = old.expose_secret() == new.expose_secret();
        let earlier = credential.history.iter().take(history(&settings)).cloned().collect();
        let weighed = if same { Err(Broken::Reused) } else { self.weigh(&settings, &user, earlier, &new).await? };
        weighed.map_err(|broken| Problem::weak("new", broken))?;
        let password = self.new_password(&settings, &credential, new, now).await?;
        let change = PasswordChange {
            name,
            user: user.id,
            version: credential.version,
            password,
            proof: Proof::OldPassword(gate),
            end_auth_headers,
            forget: Vec::new(),
            place: None,
            at: now,
        };
        match self.store.change_password(change).await? {
            Write::Done => Ok(()),
            // The password was changed, or guesses closed the lock, between our read and our write.
            Write::Refused => Err(Problem::BadCredentials),
        }
    }

    /// Whether a new password keeps the rules of its tenant, and is none of the `earlier` ones.
    pub async fn weigh(
        &self,
        settings: &Settings,
        user: &User,
        earlier: Vec<Phc>,
        new: &Password,
    ) -> Result<Result<(), Broken>, Problem> {
        if let Err(broken) = settings.password.check(new, &About::from(user)) {
            return Ok(Err(broken));
        }
        for earlier in earlier {
            match password::verify(&self.hasher, new.clone(), Some(earlier)).await {
                Ok(Verdict { matches: true, .. }) => return Ok(Err(Broken::Reused)),
                Ok(_) => {}
                // Its pepper was dropped: nobody can use that password any more, nor tell that this is the one.
                Err(PasswordError::Pepper(PepperError::Unknown(_) | PepperError::TurnedOff(_))) => {
                    tracing::warn!("an earlier password can't be compared: its pepper is gone");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Ok(()))
    }

    /// Hashes a new password, and keeps the one before as long as the rules ask for it.
    pub async fn new_password(
        &self,
        settings: &Settings,
        credential: &Credential,
        new: Password,
        now: Timestamp,
    ) -> Result<NewPassword, Problem> {
        let phc = password::hash(&self.hasher, new, &self.random).await?;
        let history = credential.passwords().take(history(settings)).cloned().collect();
        Ok(NewPassword { history, ..NewPassword::new(phc, now) })
    }

    /// How long a ticket of `origin` lives in a tenant.
    fn limits(&self, origin: Origin, settings: &Settings) -> Limits {
        let lifetimes = settings.lifetimes.within(&self.lifetimes);
        match origin {
            Origin::Login => Limits { idle: None, absolute: lifetimes.login_jwt },
            Origin::Ticket => lifetimes.ticket,
            Origin::Profile => Limits { idle: None, absolute: lifetimes.profile_jwt },
        }
    }

    /// Checks a password: one derivation with one read beside it, whatever there is to be found.
    async fn check(
        &self,
        named: Named,
        password: &Password,
        source: &Source,
    ) -> Result<(Attempt, Result<Account, Refusal>), Problem> {
        audit::credential("password");
        let Named { name, credential: found, settings } = named;
        let id = found.as_ref().map_or_else(|| UserId::nobody(name.name()), |credential| credential.user.clone());
        let phc = found.as_ref().and_then(|credential| credential.phc.clone());
        let (verdict, profile) = tokio::join!(
            password::verify(&self.hasher, password.clone(), phc),
            self.store.lookup(Lookup { users: vec![id.clone()], ..Lookup::default() }),
        );
        let (verdict, profile) = (verdict?, profile?);
        let now = self.clock.now();
        let guesses = found.as_ref().map(|credential| credential.guesses.clone()).unwrap_or_default();
        let gate = Gate::of(&guesses, source.network.as_deref(), &settings.lockout, now);
        let user = profile.user(&id).cloned();
        if let Some(user) = &user {
            audit::actor(user);
        }
        let account = judge(found, user, verdict, &gate);
        Ok((Attempt { name, guesses, gate, now }, account))
    }

    /// Both writes at once, without a transaction: a ticket that nobody was shown is harmless. Only the first one is waited
    /// for where it is refused, so that a right password which was not admitted takes as long as a wrong one, and an
    /// outage of the second tells nothing of it either.
    async fn store_login(&self, commit: LoginCommit, ticket: &Ticket) -> Result<(), Problem> {
        let (store, new) = (self.store.clone(), ticket.clone());
        let created = metrics::spawn(async move { store.create_ticket(&new).await });
        if self.store.commit_login(commit).await? == Write::Refused {
            // The password was changed, or guesses closed the lock, between our read and our write.
            let (store, key) = (self.store.clone(), ticket.key.clone());
            tokio::spawn(async move {
                let _stored_or_not = created.await;
                if let Err(error) = store.delete_ticket(&key).await {
                    tracing::warn!(error = %error, "a ticket that nobody was shown is left to its end");
                }
            });
            return Err(Problem::BadCredentials);
        }
        error::new(created.await.map_err(|_| Problem::Internal("a ticket was not stored"))??)
    }

    /// One write, whatever the reason. What a right password earns is told only if that write was admitted: being told
    /// is what a guess is made for.
    async fn refuse<T>(&self, attempt: Attempt, refusal: Refusal) -> Result<T, Problem> {
        let (found, detail, told) = match refusal {
            Refusal::Wrong { mark } => (Guessed::Wrong { mark }, Some("wrong_password"), Problem::BadCredentials),
            Refusal::Nothing => (Guessed::Nothing, None, Problem::BadCredentials),
            Refusal::Disabled(id) => (Guessed::Right, Some("disabled"), Problem::DisabledProfile(id)),
            Refusal::Expired => (Guessed::Right, Some("password_expired"), Problem::PasswordExpired),
            Refusal::Unverified => (Guessed::Right, Some("email_not_verified"), Problem::EmailNotVerified),
        };
        detail.into_iter().for_each(audit::detail);
        let closes = attempt.closes(found);
        match self.store.record_guess(attempt.guess(found)).await? {
            Write::Done => {
                if closes {
                    metrics::lockout();
                }
                Err(told)
            }
            Write::Refused => {
                if found == Guessed::Right {
                    audit::detail("locked");
                }
                Err(Problem::BadCredentials)
            }
        }
    }

    /// Asks whether a right password is admitted, before anything is done or told that a wrong one would not get: what
    /// takes longer tells as much as an answer.
    async fn admit(&self, attempt: Attempt) -> Result<Attempt, Problem> {
        match self.store.record_guess(attempt.clone().guess(Guessed::Right)).await? {
            Write::Done => Ok(attempt),
            Write::Refused => {
                audit::detail("locked");
                Err(Problem::BadCredentials)
            }
        }
    }

    /// Puts a hash of the configured cost in the place of an outdated one, after the login was admitted. A failure leaves
    /// the old one for the next login.
    async fn rehash(&self, name: &LoginName, user: &UserId, version: u64, password: Password) {
        let done = match password::hash(&self.hasher, password, &self.random).await {
            Ok(phc) => matches!(self.store.replace_hash(name, user, version, &phc).await, Ok(Write::Done)),
            Err(_) => false,
        };
        if done {
            metrics::rehash();
        }
        tracing::info!(rehashed = done, "a password hash was outdated");
    }
}

/// A password that was shown for an account, and what it had to pass.
#[derive(Clone)]
struct Attempt {
    name: LoginName,
    guesses: Guesses,
    gate: Gate,
    now: Timestamp,
}

impl Attempt {
    /// What is to be written. The store itself looks for a wrong password's mark among those of its network; strangers
    /// may have it from another one.
    fn guess(self, found: Guessed) -> Guess {
        let counted = self.counted(found).map(|lock| lock.key.clone()).collect();
        let Gate { locks, stale, .. } = self.gate;
        Guess { name: self.name, found, locks, counted, stale, at: self.now }
    }

    fn counted(&self, found: Guessed) -> impl Iterator<Item = &Lock> {
        let known = move |key| matches!(found, Guessed::Wrong { mark } if self.guesses.holds(key, mark));
        let locks = self.gate.locks.iter().enumerate();
        locks.filter(move |(index, lock)| *index == 0 || !known(&lock.key)).map(|(_, lock)| lock)
    }

    /// Whether a wrong password makes the next one wait, as far as was read: guesses that came at the same moment may
    /// close the lock together without any of them knowing.
    fn closes(&self, found: Guessed) -> bool {
        let Guessed::Wrong { mark } = found else { return false };
        self.counted(found).any(|lock| !self.guesses.holds(&lock.key, mark) && self.guesses.close(lock))
    }
}

/// How many hashes before the present one are kept.
fn history(settings: &Settings) -> usize {
    usize::try_from(settings.password.history).unwrap_or_default()
}

/// What a new password must not be where the old one was not shown: the present one, since a change to the same is
/// none, and those before as far as the rules ask for it.
#[must_use]
pub fn earlier(settings: &Settings, credential: &Credential) -> Vec<Phc> {
    credential.passwords().take(history(settings) + 1).cloned().collect()
}

/// An account whose password is right.
struct Account {
    credential: Credential,
    user: User,
    /// Whether its hash is weaker than what is configured now.
    outdated: bool,
}

impl Account {
    /// Whether the right password lets its owner in.
    fn may_log_in(self, settings: &Settings, now: Timestamp) -> Result<Self, Refusal> {
        if !self.user.enabled {
            return Err(Refusal::Disabled(self.user.id));
        }
        if settings.verified_email && !self.user.email_verified {
            return Err(Refusal::Unverified);
        }
        if self.credential.password_ends(&settings.password).is_some_and(|ends| now >= ends) {
            return Err(Refusal::Expired);
        }
        Ok(self)
    }
}

/// The account that a password is right for, or what stands in the way of saying so.
fn judge(found: Option<Credential>, user: Option<User>, verdict: Verdict, gate: &Gate) -> Result<Account, Refusal> {
    let nothing = |detail| {
        audit::detail(detail);
        Refusal::Nothing
    };
    let (Some(credential), Some(user)) = (found, user) else { return Err(nothing("unknown_user")) };
    if user.tenant.as_str() != credential.name.tenant() {
        return Err(nothing("unknown_user"));
    }
    if !gate.is_open() {
        return Err(nothing("locked"));
    }
    match verdict {
        Verdict { matches: true, outdated, .. } => Ok(Account { credential, user, outdated }),
        Verdict { mark: Some(mark), .. } => Err(Refusal::Wrong { mark }),
        Verdict { mark: None, .. } => Err(nothing("no_password")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::Cost;
    use crate::store::memory::MemoryStore;
    use crate::store::{Administration as _, Creation, NewUser, Update};
    use crate::tenant::Tenant;
    use crate::testing::{Stack, user};

    fn opening() -> Opening {
        Opening { origin: Origin::Login, source: Source::default() }
    }

    struct World {
        stack: Stack,
        login: Login<MemoryStore>,
        name: LoginName,
    }

    async fn world() -> World {
        let stack = Stack::new();
        let hasher = Arc::new(stack.config.hasher().unwrap());
        let owner = user("u-1");
        let tenant = Tenant::new(owner.tenant.clone(), owner.created);
        assert_eq!(stack.store.create_tenant(&tenant).await.unwrap(), Write::Done);
        let phc = hasher.hash(&password("right"), &*stack.random).unwrap();
        let name = LoginName::new(&owner.tenant, &owner.name);
        let account = NewUser::new(owner, Some(phc));
        assert_eq!(stack.store.create_user(account).await.unwrap(), Creation::Done);
        let _ = stack.store.take_calls();
        let clock: Arc<dyn Clock> = Arc::new(stack.clock.clone());
        let login = Login::new(stack.store.clone(), hasher, clock, Arc::clone(&stack.random), &stack.config);
        World { stack, login, name }
    }

    fn password(text: &str) -> Password {
        Password::from_input(text).unwrap()
    }

    impl World {
        async fn found(&self) -> Option<Credential> {
            let wanted = Lookup { credential: Some(self.name.clone()), ..Lookup::default() };
            self.stack.store.lookup(wanted).await.unwrap().credential
        }

        async fn named(&self) -> Result<Named, Problem> {
            let question = self.login.question(self.name.tenant(), self.name.name());
            let mut found = self.stack.store.lookup(question.lookup()).await.unwrap();
            self.login.named(question, &mut found).await
        }

        async fn attempt(&self, text: &str) -> Result<LoggedIn, Problem> {
            let named = self.named().await?;
            self.login.with_password(named, password(text), opening()).await
        }
    }

    #[tokio::test]
    async fn refusals_are_counted_and_a_login_starts_over() {
        let world = world().await;
        for number in 0..3 {
            assert!(matches!(world.attempt(&format!("wrong {number}")).await, Err(Problem::BadCredentials)));
        }
        assert_eq!(world.found().await.unwrap().guesses.failures(), 3);
        assert!(world.attempt("right").await.is_ok());
        assert_eq!(world.found().await.unwrap().guesses.failures(), 0);
    }

    #[tokio::test]
    async fn a_login_that_began_before_a_password_change_ends_with_it() {
        let world = world().await;
        let read_before = world.named().await.unwrap();
        world.stack.store.edit_credential(&world.name, |credential| credential.version += 1);
        let late = world.login.with_password(read_before, password("right"), opening());
        let _earlier = world.stack.store.take_calls();
        assert!(matches!(late.await, Err(Problem::BadCredentials)));
        assert_eq!(world.stack.store.take_calls(), ["lookup", "commit_login"], "it takes no longer than a wrong one");
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.stack.store.take_calls(), ["create_ticket", "delete_ticket"]);
        assert_eq!(world.stack.store.tickets(), [], "nothing is left behind");
    }

    #[tokio::test]
    async fn a_hash_that_became_too_cheap_is_made_anew() {
        let mut world = world().await;
        let before = world.found().await.unwrap().phc.unwrap();
        let dearer = Cost { iterations: 2, ..world.stack.config.cost };
        world.login.hasher = Arc::new(Hasher::new(dearer).unwrap());
        assert!(world.attempt("wrong").await.is_err());
        assert!(world.found().await.unwrap().phc.unwrap() == before, "only the right password can do it");
        assert!(world.attempt("right").await.is_ok());
        let after = world.found().await.unwrap().phc.unwrap();
        assert!(after.expose_secret().contains("t=2"));
        assert!(world.attempt("right").await.is_ok());
        assert!(world.found().await.unwrap().phc.unwrap() == after, "and once is enough");
    }

    #[tokio::test]
    async fn a_hash_of_another_system_opens_and_is_made_anew() {
        let world = world().await;
        // Of "right", by libxcrypt.
        let imported = "$2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC";
        let set = |credential: &mut Credential| credential.phc = Some(password::Phc::from_stored(imported.to_owned()));
        world.stack.store.edit_credential(&world.name, set);
        assert!(world.attempt("wrong").await.is_err());
        assert!(world.found().await.unwrap().phc.unwrap().expose_secret() == imported, "only the right one can do it");
        assert!(world.attempt("right").await.is_ok());
        assert!(world.found().await.unwrap().phc.unwrap().expose_secret().starts_with("$argon2id$"));
        assert!(world.attempt("right").await.is_ok());
    }

    #[tokio::test]
    async fn disabled_and_expired_are_told_only_to_who_has_the_password() {
        let world = world().await;
        let now = world.login.clock.now();
        world.stack.store.edit_credential(&world.name, |credential| credential.password_expires = Some(now));
        assert!(matches!(world.attempt("wrong").await, Err(Problem::BadCredentials)));
        assert!(matches!(world.attempt("right").await, Err(Problem::PasswordExpired)));
        let owner = user("u-1").id;
        world.stack.store.edit_user(&owner, |user| user.enabled = false);
        assert!(matches!(world.attempt("wrong").await, Err(Problem::BadCredentials)));
        assert!(matches!(world.attempt("right").await, Err(Problem::DisabledProfile(id)) if id == owner));
        assert_eq!(
            world.found().await.unwrap().guesses.failures(),
            1,
            "the right one never counts, the same wrong one once"
        );
        assert_eq!(world.stack.store.tickets(), []);
    }

    impl World {
        /// Changes the rules of the tenant, for environments that did not meet it yet.
        async fn set_rules(&mut self, set: impl FnOnce(&mut Settings)) {
            let name = TenantName::parse(self.name.tenant());
            let found = self.stack.store.lookup(Lookup { tenant: name, ..Lookup::default() }).await.unwrap();
            let mut tenant = found.tenant.unwrap();
            set(&mut tenant.settings);
            assert_eq!(self.stack.store.update_tenant(&tenant).await.unwrap(), Write::Done);
            self.login.tenants = Tenants::default();
        }

        async fn change(&self, old: &str, new: &str, end_auth_headers: bool) -> Result<(), Problem> {
            let named = self.named().await?;
            let (old, new, source) = (password(old), password(new), Source::default());
            self.login.change_password(Change { named, old, new, end_auth_headers, source }).await
        }

        async fn user(&self) -> User {
            let wanted = Lookup { users: vec![user("u-1").id], ..Lookup::default() };
            self.stack.store.lookup(wanted).await.unwrap().users.pop().unwrap()
        }
    }

    const NEW: &str = "seven lamps above a harbour";
    const NEWER: &str = "eight boats below a lighthouse";

    #[tokio::test]
    async fn a_changed_password_is_the_only_one_and_ends_every_ticket() {
        let world = world().await;
        let before = world.attempt("right").await.ok().unwrap();
        assert!(matches!(world.change("wrong", NEW, false).await, Err(Problem::BadCredentials)));
        assert_eq!(world.found().await.unwrap().guesses.failures(), 1, "counted like that of a login");
        world.change("right", NEW, false).await.ok().unwrap();
        let (owner, credential) = (world.user().await, world.found().await.unwrap());
        assert!(!before.ticket.is_live(&owner, world.login.clock.now()));
        assert_eq!((owner.key_epoch, credential.version, credential.guesses.failures()), (0, 1, 0));
        assert!(matches!(world.attempt("right").await, Err(Problem::BadCredentials)));
        assert!(world.attempt(NEW).await.is_ok());
        world.change(NEW, NEWER, true).await.ok().unwrap();
        assert_eq!(world.user().await.key_epoch, 1, "auth headers end where that is asked for");
    }

    #[tokio::test]
    async fn an_expired_password_can_be_changed_and_a_disabled_account_cannot() {
        let world = world().await;
        let now = world.login.clock.now();
        world.stack.store.edit_credential(&world.name, |credential| credential.password_expires = Some(now));
        assert!(matches!(world.attempt("right").await, Err(Problem::PasswordExpired)));
        world.change("right", NEW, false).await.ok().unwrap();
        assert!(world.attempt(NEW).await.is_ok(), "and is good for good");
        world.stack.store.edit_user(&user("u-1").id, |user| user.enabled = false);
        assert!(matches!(world.change(NEW, NEWER, false).await, Err(Problem::DisabledProfile(_))));
    }

    #[tokio::test]
    async fn a_password_that_was_used_before_is_told_only_to_who_has_the_present_one() {
        let mut world = world().await;
        world.set_rules(|settings| settings.password.history = 2).await;
        let reused = |result| matches!(result, Err(Problem::WeakPassword { broken: Broken::Reused, .. }));
        world.change("right", NEW, false).await.ok().unwrap();
        assert!(reused(world.change(NEW, NEW, false).await), "the present one");
        world.change(NEW, NEWER, false).await.ok().unwrap();
        assert!(reused(world.change(NEWER, NEW, false).await), "the one before");
        assert!(matches!(world.change("wrong", NEW, false).await, Err(Problem::BadCredentials)));
        world.change(NEWER, "nine bells over the old town", false).await.ok().unwrap();
        world.change("nine bells over the old town", "ten trees along a white road", false).await.ok().unwrap();
        let credential = world.found().await.unwrap();
        assert_eq!(credential.history.len(), 2, "no more are kept than the rules ask for");
        world.change("ten trees along a white road", NEW, false).await.ok().unwrap();
        for _ in 0..5 {
            let _ = world.change(&format!("wrong {:?}", world.login.random.bytes::<4>()), NEWER, false).await;
        }
        let told = world.change(NEW, NEWER, false).await;
        assert!(matches!(told, Err(Problem::BadCredentials)), "nothing is told while the account waits");
    }

    /// Many guesses read an open gate before one of them closes it: what is then done or told for a right one would tell it
    /// from the wrong ones.
    #[tokio::test]
    async fn a_right_password_that_is_not_admitted_is_as_good_as_a_wrong_one() {
        let mut world = world().await;
        world.set_rules(|settings| settings.lockout.per_network = 1).await;
        for new in ["right", "name-of-u-1-name-of-u-1", NEW] {
            let named = world.named().await.unwrap();
            world.stack.store.edit_credential(&world.name, |credential| credential.guesses = Guesses::default());
            assert!(world.attempt(&format!("wrong for {new}")).await.is_err());
            let _earlier = world.stack.store.take_calls();
            let (old, new, source) = (password("right"), password(new), Source::default());
            let change = Change { named, old, new, end_auth_headers: false, source };
            assert!(matches!(world.login.change_password(change).await, Err(Problem::BadCredentials)));
            assert_eq!(
                world.stack.store.take_calls(),
                ["lookup", "record_guess"],
                "as for a wrong one, and no hash more"
            );
            world.stack.store.edit_credential(&world.name, |credential| credential.guesses = Guesses::default());
        }
        assert_eq!(world.found().await.unwrap().version, 0);
    }

    #[tokio::test]
    async fn a_password_ends_by_the_rules_of_its_tenant_whenever_they_were_made() {
        let mut world = world().await;
        let day = std::time::Duration::from_secs(86_400);
        let age = day * 30;
        world.set_rules(|settings| settings.password.max_age = Some(age)).await;
        // It is as old as its account, and so long over.
        assert!(matches!(world.attempt("right").await, Err(Problem::PasswordExpired)));
        world.change("right", NEW, false).await.ok().unwrap();
        let ends = world.login.clock.now().plus(age);
        assert_eq!(world.attempt(NEW).await.ok().unwrap().ticket.password_expires, Some(ends));
        world.stack.clock.advance(day * 29);
        assert!(world.attempt(NEW).await.is_ok());
        world.stack.clock.advance(day);
        assert!(matches!(world.attempt(NEW).await, Err(Problem::PasswordExpired)));
        world.set_rules(|settings| settings.password.max_age = None).await;
        assert!(world.attempt(NEW).await.is_ok(), "rules that are lifted expire nobody");
    }

    #[tokio::test]
    async fn a_tenant_may_want_the_address_verified_first() {
        let mut world = world().await;
        world.set_rules(|settings| settings.verified_email = true).await;
        assert!(matches!(world.attempt("wrong").await, Err(Problem::BadCredentials)));
        assert!(matches!(world.attempt("right").await, Err(Problem::EmailNotVerified)));
        world.stack.store.edit_user(&user("u-1").id, |user| user.email_verified = true);
        assert!(world.attempt("right").await.is_ok());
    }

    #[tokio::test]
    async fn a_tenant_s_own_lockout_and_lifetimes_hold() {
        let mut world = world().await;
        let minute = std::time::Duration::from_secs(60);
        world
            .set_rules(|settings| {
                settings.lockout.per_network = 2;
                settings.lifetimes.login_jwt = Some(minute);
            })
            .await;
        let ticket = world.attempt("right").await.ok().unwrap().ticket;
        assert_eq!(ticket.expires, ticket.created.plus(minute));
        for number in 0..2 {
            assert!(world.attempt(&format!("wrong {number}")).await.is_err());
        }
        assert!(matches!(world.attempt("right").await, Err(Problem::BadCredentials)));
        world.stack.clock.advance(minute);
        assert!(world.attempt("right").await.is_ok());
    }

    #[tokio::test]
    async fn nobody_gets_into_a_tenant_that_is_gone() {
        let mut world = world().await;
        let name = TenantName::parse(world.name.tenant()).unwrap();
        assert_eq!(world.stack.store.close_tenant(&name).await.unwrap(), Write::Done);
        assert_eq!(world.stack.store.delete_tenant(&name).await.unwrap(), Write::Done);
        world.login.tenants = Tenants::default();
        assert!(matches!(world.attempt("right").await, Err(Problem::BadCredentials)));
        assert!(matches!(world.change("right", NEW, false).await, Err(Problem::BadCredentials)));
    }

    #[tokio::test]
    async fn an_address_and_a_name_in_every_spelling_are_one_account_with_one_lockout() {
        let world = world().await;
        let owner = world.user().await;
        let after = User { email: Email::parse("Jane@Example.com"), ..owner.clone() };
        assert_eq!(world.stack.store.update_user(&owner, &after).await.unwrap(), Update::Done);
        let attempt = async |typed: &str, text: &str| {
            let question = world.login.question("demo", typed);
            let mut found = world.stack.store.lookup(question.lookup()).await.unwrap();
            let named = world.login.named(question, &mut found).await.ok().unwrap();
            world.login.with_password(named, password(text), opening()).await
        };
        assert!(attempt("jane@example.com", "right").await.is_ok());
        let spellings =
            ["jane@example.com", "JANE@EXAMPLE.COM", "name-of-u-1", "NAME-OF-U-1", "\u{ff4a}ane@example.com"];
        for (number, typed) in spellings.into_iter().enumerate() {
            assert!(attempt(typed, &format!("wrong {number}")).await.is_err());
        }
        assert_eq!(world.found().await.unwrap().guesses.failures(), 5);
        for typed in spellings {
            assert!(matches!(attempt(typed, "right").await, Err(Problem::BadCredentials)), "{typed}");
        }
    }

    #[tokio::test]
    async fn each_login_makes_a_ticket_of_its_own() {
        let world = world().await;
        let first = world.attempt("right").await.ok().unwrap();
        let second = world.attempt("right").await.ok().unwrap();
        assert_ne!(first.ticket.key, second.ticket.key);
        assert_eq!(world.stack.store.tickets().len(), 2);
    }

    #[tokio::test]
    async fn an_outage_at_any_step_issues_nothing_and_is_no_refusal() {
        for step in 0..3 {
            let world = world().await;
            let named = world.named().await.unwrap();
            world.stack.store.fail_after(Some(step));
            let outcome = world.login.with_password(named, password("right"), opening()).await;
            assert!(matches!(outcome, Err(Problem::Store(_))), "step {step}");
        }
    }
}
