//! The one function that takes a password. Every path that authenticates by password goes through it, so that a rule
//! that holds here holds everywhere, lockout first of all ([`crate::lockout`]).
//!
//! Invariant: every refusal costs the same calls in the same order: one key derivation with one read beside it, then
//! one write. Nothing is issued, and nothing about a right password told, before the credential's conditional write has
//! been acknowledged.

use std::sync::Arc;

use crate::audit;
use crate::clock::{Clock, Timestamp};
use crate::error::Problem;
use crate::lockout::{Gate, Guesses, Rules};
use crate::password::{self, Hasher, Verdict};
use crate::random::Random;
use crate::secret::{Password, Token};
use crate::source::Source;
use crate::store::{Credential, Guess, Guessed, LoginCommit, LoginName, Lookup, Store, Write};
use crate::ticket::{Limits, Origin, Ticket};
use crate::user::{User, UserId};

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
    /// How many wrong passwords an account takes.
    pub rules: Rules,
}

/// A login that succeeded and is stored.
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// Its new ticket: never one that the client brought.
    pub ticket: Ticket,
    /// The ticket's text.
    pub token: Token,
}

/// The ticket that a login opens.
pub struct Opening {
    /// For which family.
    pub origin: Origin,
    /// How long it may live.
    pub limits: Limits,
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
}

impl<S: Store> Login<S> {
    /// Checks `password` against what was found under `name`, and stores a new ticket.
    pub async fn with_password(
        &self,
        name: LoginName,
        found: Option<Credential>,
        password: Password,
        opening: Opening,
    ) -> Result<LoggedIn, Problem> {
        audit::credential("password");
        let id = found.as_ref().map_or_else(|| UserId::nobody(name.name()), |credential| credential.user.clone());
        let phc = found.as_ref().and_then(|credential| credential.phc.clone());
        let (verdict, profile) = tokio::join!(
            password::verify(&self.hasher, password.clone(), phc),
            self.store.lookup(Lookup { users: vec![id.clone()], ..Lookup::default() }),
        );
        let (verdict, profile) = (verdict.map_err(|_| Problem::Internal("a password was not checked"))?, profile?);
        let now = self.clock.now();
        let guesses = found.as_ref().map(|credential| credential.guesses.clone()).unwrap_or_default();
        let gate = Gate::of(&guesses, opening.source.network.as_deref(), &self.rules, now);
        let user = profile.user(&id).cloned();
        if let Some(user) = &user {
            audit::actor(user);
        }
        let (credential, user) = match judge(found, user, verdict, &gate, now) {
            Ok(account) => account,
            Err(refusal) => return self.refuse(Attempt { name, guesses, gate, now }, refusal).await,
        };
        let rehashed = if verdict.outdated { self.rehash(password).await } else { None };
        let (version, owner) = (credential.version, user.id.clone());
        let commit = LoginCommit { name, version, user: owner, gate, rehashed, at: now };
        let Opening { origin, limits, source } = opening;
        let (mut ticket, token) = Ticket::issue(&user, origin, limits, source, now, &*self.random);
        ticket.password_expires = credential.password_expires;
        self.store_login(commit, &ticket).await?;
        Ok(LoggedIn { user, ticket, token })
    }

    /// Both writes at once, without a transaction: a ticket that nobody was shown is harmless.
    async fn store_login(&self, commit: LoginCommit, ticket: &Ticket) -> Result<(), Problem> {
        let (committed, created) = tokio::join!(self.store.commit_login(commit), self.store.create_ticket(ticket));
        match (committed?, created?) {
            (Write::Done, Write::Done) => Ok(()),
            (Write::Refused, _) => {
                // The password was changed, or guesses closed the lock, between our read and our write.
                self.store.delete_ticket(&ticket.key).await?;
                Err(Problem::BadCredentials)
            }
            (Write::Done, Write::Refused) => Err(Problem::Internal("a fresh ticket existed already")),
        }
    }

    /// One write, whatever the reason. What a right password earns is told only if that write was admitted: being told
    /// is what a guess is made for.
    async fn refuse<T>(&self, attempt: Attempt, refusal: Refusal) -> Result<T, Problem> {
        let (found, detail, told) = match refusal {
            Refusal::Wrong { mark } => (Guessed::Wrong { mark }, Some("wrong_password"), Problem::BadCredentials),
            Refusal::Nothing => (Guessed::Nothing, None, Problem::BadCredentials),
            Refusal::Disabled(id) => (Guessed::Right, Some("disabled"), Problem::DisabledProfile(id)),
            Refusal::Expired => (Guessed::Right, Some("password_expired"), Problem::PasswordExpired),
        };
        detail.into_iter().for_each(audit::detail);
        match self.store.record_guess(attempt.guess(found)).await? {
            Write::Done => Err(told),
            Write::Refused => {
                if found == Guessed::Right {
                    audit::detail("locked");
                }
                Err(Problem::BadCredentials)
            }
        }
    }

    /// A hash of the configured cost for a password that was just found right; a failure leaves the old one.
    async fn rehash(&self, password: Password) -> Option<password::Phc> {
        let (hasher, random) = (Arc::clone(&self.hasher), Arc::clone(&self.random));
        let phc = tokio::task::spawn_blocking(move || hasher.hash(&password, &*random)).await.ok()?.ok();
        tracing::info!(rehashed = phc.is_some(), "a password hash was outdated");
        phc
    }
}

/// A password that was shown for an account, and what it had to pass.
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
        let Gate { locks, stale, .. } = self.gate;
        let known = |key| matches!(found, Guessed::Wrong { mark } if self.guesses.holds(key, mark));
        let keys = locks.iter().map(|lock| &lock.key).enumerate();
        let counted = keys.filter(|(index, key)| *index == 0 || !known(key)).map(|(_, key)| key.clone()).collect();
        Guess { name: self.name, found, locks, counted, stale, at: self.now }
    }
}

/// The account that a password opens, or what stands in the way of it.
fn judge(
    found: Option<Credential>,
    user: Option<User>,
    verdict: Verdict,
    gate: &Gate,
    now: Timestamp,
) -> Result<(Credential, User), Refusal> {
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
        Verdict { matches: true, .. } => {}
        Verdict { mark: Some(mark), .. } => return Err(Refusal::Wrong { mark }),
        Verdict { mark: None, .. } => return Err(nothing("no_password")),
    }
    if !user.enabled {
        return Err(Refusal::Disabled(user.id));
    }
    if credential.password_expires.is_some_and(|expires| now >= expires) {
        return Err(Refusal::Expired);
    }
    Ok((credential, user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::Cost;
    use crate::store::memory::MemoryStore;
    use crate::store::{Administration as _, Creation, NewUser};
    use crate::tenant::Tenant;
    use crate::testing::{Stack, user};

    fn opening() -> Opening {
        let limits = Limits { idle: None, absolute: std::time::Duration::from_secs(60) };
        Opening { origin: Origin::Login, limits, source: Source::default() }
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
        let tenant = Tenant { name: owner.tenant.clone(), created: owner.created };
        assert_eq!(stack.store.create_tenant(&tenant).await.unwrap(), Write::Done);
        let phc = hasher.hash(&password("right"), &*stack.random).unwrap();
        let name = LoginName::new(&owner.tenant, &owner.name);
        let account = NewUser { user: owner, phc: Some(phc) };
        assert_eq!(stack.store.create_user(account).await.unwrap(), Creation::Done);
        let _ = stack.store.take_calls();
        let clock: Arc<dyn Clock> = Arc::new(stack.clock.clone());
        let login = Login {
            store: stack.store.clone(),
            hasher,
            clock,
            random: Arc::clone(&stack.random),
            rules: Rules::DEFAULT,
        };
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

        async fn attempt(&self, text: &str) -> Result<LoggedIn, Problem> {
            let found = self.found().await;
            self.login.with_password(self.name.clone(), found, password(text), opening()).await
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
        let read_before = world.found().await;
        world.stack.store.edit_credential(&world.name, |credential| credential.version += 1);
        let late = world.login.with_password(world.name.clone(), read_before, password("right"), opening());
        assert!(matches!(late.await, Err(Problem::BadCredentials)));
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
            let found = world.found().await;
            world.stack.store.fail_after(Some(step));
            let name = world.name.clone();
            let outcome = world.login.with_password(name, found, password("right"), opening()).await;
            assert!(matches!(outcome, Err(Problem::Store(_))), "step {step}");
        }
    }
}
