//! The one function that takes a password. Every path that authenticates by password goes through it, so that a rule
//! that holds here holds everywhere; lockout belongs here too.
//!
//! Invariant: every refusal costs the same calls in the same order: one key derivation with one read beside it, then
//! one write. Nothing is issued before the credential's conditional write has been acknowledged.

use std::sync::Arc;

use crate::clock::Clock;
use crate::error::Problem;
use crate::password::{self, Hasher};
use crate::random::Random;
use crate::secret::{Password, Token};
use crate::store::{Credential, LoginCommit, LoginName, Lookup, Store, Write};
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
}

/// A login that succeeded and is stored.
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// Its new ticket: never one that the client brought.
    pub ticket: Ticket,
    /// The ticket's text.
    pub token: Token,
    /// When the password ends, if ever.
    pub password_expires: Option<crate::clock::Timestamp>,
}

/// Why a password was not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    BadCredentials,
    Disabled(UserId),
    Expired,
}

impl<S: Store> Login<S> {
    /// Checks `password` against what was found under `name`, and stores a new ticket.
    pub async fn with_password(
        &self,
        name: LoginName,
        found: Option<Credential>,
        password: Password,
        origin: Origin,
        limits: Limits,
    ) -> Result<LoggedIn, Problem> {
        let id = found.as_ref().map_or_else(UserId::nobody, |credential| credential.user.clone());
        let phc = found.as_ref().and_then(|credential| credential.phc.clone());
        let (verdict, profile) = tokio::join!(
            password::verify(&self.hasher, password.clone(), phc),
            self.store.lookup(Lookup { users: vec![id.clone()], ..Lookup::default() }),
        );
        let profile = profile?;
        let now = self.clock.now();
        let judged = match (found, profile.user(&id)) {
            (Some(credential), Some(user)) if verdict.matches => judge(&credential, user, now).map(|()| credential),
            _ => Err(Refusal::BadCredentials),
        };
        let user = profile.user(&id).cloned();
        let (credential, user) = match (judged, user) {
            (Ok(credential), Some(user)) => (credential, user),
            (Ok(_), None) => return self.refuse(&name, Refusal::BadCredentials).await,
            (Err(refusal), _) => return self.refuse(&name, refusal).await,
        };
        let rehashed = if verdict.outdated { self.rehash(password).await } else { None };
        let commit = LoginCommit { name, version: credential.version, user: user.id.clone(), rehashed, at: now };
        let (ticket, token) = Ticket::issue(&user, origin, limits, now, &*self.random);
        self.store_login(commit, &ticket).await?;
        Ok(LoggedIn { user, ticket, token, password_expires: credential.password_expires })
    }

    /// Both writes at once, without a transaction: a ticket that nobody was shown is harmless.
    async fn store_login(&self, commit: LoginCommit, ticket: &Ticket) -> Result<(), Problem> {
        let (committed, created) = tokio::join!(self.store.commit_login(commit), self.store.create_ticket(ticket));
        match (committed?, created?) {
            (Write::Done, Write::Done) => Ok(()),
            (Write::Refused, _) => {
                // The password was changed between our read and our write.
                self.store.delete_ticket(&ticket.key).await?;
                Err(Problem::BadCredentials)
            }
            (Write::Done, Write::Refused) => Err(Problem::Internal("a fresh ticket existed already")),
        }
    }

    async fn refuse<T>(&self, name: &LoginName, refusal: Refusal) -> Result<T, Problem> {
        self.store.record_refusal(name, refusal == Refusal::BadCredentials).await?;
        Err(match refusal {
            Refusal::BadCredentials => Problem::BadCredentials,
            Refusal::Disabled(id) => Problem::DisabledProfile(id),
            Refusal::Expired => Problem::PasswordExpired,
        })
    }

    /// A hash of the configured cost for a password that was just found right; a failure leaves the old one.
    async fn rehash(&self, password: Password) -> Option<password::Phc> {
        let (hasher, random) = (Arc::clone(&self.hasher), Arc::clone(&self.random));
        let hashed = tokio::task::spawn_blocking(move || hasher.hash(&password, &*random)).await;
        let hashed = hashed.ok()?.ok();
        tracing::info!(rehashed = hashed.is_some(), "a password hash was outdated");
        hashed
    }
}

/// What may still stand in the way of the right password. Told only to somebody who has it.
fn judge(credential: &Credential, user: &User, now: crate::clock::Timestamp) -> Result<(), Refusal> {
    if user.tenant.as_str() != credential.name.tenant() {
        return Err(Refusal::BadCredentials);
    }
    if !user.enabled {
        return Err(Refusal::Disabled(user.id.clone()));
    }
    if credential.password_expires.is_some_and(|expires| now >= expires) {
        return Err(Refusal::Expired);
    }
    Ok(())
}
