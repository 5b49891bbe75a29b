//! Renewing a login: the same ticket goes on, with a new JWT and a new end, and the JWT that was shown ends.
//!
//! Invariant: of the JWTs of a ticket only those of its current generation are accepted; a renewal raises it. One that
//! was replaced less than [`RENEWAL_GRACE`](crate::ticket::RENEWAL_GRACE) ago can itself be renewed, into the current
//! generation, so that two windows of one browser both go on. Whatever ends the ticket ends all of them.

use std::sync::Arc;
use std::time::Duration;

use crate::audit;
use crate::authorize::{Generations, Session, Verifier};
use crate::clock::Timestamp;
use crate::error::Problem;
use crate::gateway::Request;
use crate::jwt::{self, Minted, Verified};
use crate::random::Random;
use crate::store::{Renewal, Store, StoreError, Write};
use crate::ticket::Ticket;
use crate::user::User;

/// How often a renewal that others overtook is tried again.
const TRIES: usize = 5;

/// What a renewal needs.
pub struct Renewer<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
    /// Makes the JWT's id.
    pub random: Arc<dyn Random>,
    /// The longest life of a login, however often it is renewed.
    pub longest: Duration,
}

/// A login that goes on.
pub struct Renewed {
    /// Who.
    pub user: User,
    /// The new JWT and its end.
    pub minted: Minted,
    /// When it was made.
    pub at: Timestamp,
    /// When the password ends, if ever.
    pub password_expires: Option<Timestamp>,
}

impl<S: Store> Renewer<S> {
    /// Renews the JWT in `Authorization`, which must come from a login, for `lifetime` from now on, or for what is left
    /// of the login's longest life.
    pub async fn renew(&self, request: &Request, lifetime: Duration) -> Result<Renewed, Problem> {
        let verified = self.verifier.verify(request).await?;
        // One moment for all tries: whoever is overtaken by a later one has nothing left to write.
        let at = self.verifier.clock.now();
        for _ in 0..TRIES {
            let session = self.verifier.login_of(&verified, Generations::OrJustReplaced).await?;
            if let Some(renewed) = self.attempt(&verified, session, at, lifetime).await? {
                return Ok(renewed);
            }
        }
        Err(Problem::Store(StoreError::Unavailable { operation: "UpdateItem", source: "renewed all the time".into() }))
    }

    /// `None` when another renewal came first, so that everything has to be looked at again.
    async fn attempt(
        &self,
        verified: &Verified,
        session: Session,
        at: Timestamp,
        lifetime: Duration,
    ) -> Result<Option<Renewed>, Problem> {
        let Session { user, mut ticket } = session;
        if ticket.password_expires.is_some_and(|expires| at >= expires) {
            return Err(Problem::PasswordExpired);
        }
        let (from, stored_end) = (ticket.generation, ticket.expires);
        let ends = at.plus(lifetime).min(ticket.created.plus(self.longest));
        if ends <= at {
            // The setting was lowered after the login: what was granted goes on to its end, and no further.
            audit::detail("ended");
            return Err(Problem::Unauthenticated);
        }
        if verified.generation == from {
            ticket.generation = from.saturating_add(1);
            ticket.expires = ends;
        } else {
            // Another window has renewed already: its JWT must not end earlier because of this one.
            ticket.expires = ends.max(stored_end);
        }
        // Made before anything is written, so that an outage of the keys leaves the old JWT in force.
        let minted = self.mint(&user, &ticket, at, ends).await?;
        let renewal = Renewal { from, to: ticket.generation, expires: ticket.expires, at };
        let unchanged = ticket.generation == from && ticket.expires == stored_end;
        if !unchanged && self.verifier.store.renew_ticket(&ticket.key, renewal).await? == Write::Refused {
            return Ok(None);
        }
        Ok(Some(Renewed { user, minted, at, password_expires: ticket.password_expires }))
    }

    async fn mint(&self, user: &User, ticket: &Ticket, at: Timestamp, ends: Timestamp) -> Result<Minted, Problem> {
        let Verifier { keyring, party, .. } = &self.verifier;
        Ok(jwt::mint(keyring, party, user, ticket, at, ends, &*self.random).await?)
    }
}
