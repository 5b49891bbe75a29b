//! Renewing a login: the same ticket goes on, with a new JWT and a new end, and the JWT that was shown ends.
//!
//! Invariant: of the JWTs of a ticket only the last one of each branch is accepted; a renewal ends the one before it in
//! its branch. One that was replaced less than [`RENEWAL_GRACE`](crate::ticket::RENEWAL_GRACE) ago can itself be renewed,
//! into a branch of its own, so that two windows of one browser both go on, then and later. Whatever ends the ticket
//! ends all of them.

use std::sync::Arc;
use std::time::Duration;

use crate::audit;
use crate::authorize::{Generations, Session, Verifier};
use crate::clock::Timestamp;
use crate::error::Problem;
use crate::gateway::Request;
use crate::jwt::{self, Bearer, Minted};
use crate::random::Random;
use crate::store::{Renewal, Step, Store, StoreError, Write};
use crate::ticket::{Lineage, MAX_BRANCHES, Ticket};
use crate::user::User;

/// How often a renewal that others overtook is tried.
const TRIES: usize = 8;
/// In the last so many of them it asks for no branch of its own any more.
const SHARING_TRIES: usize = 4;

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
        for left in (0..TRIES).rev() {
            let Session { user, ticket } = self.verifier.login_of(&verified, Generations::OrJustReplaced).await?;
            if ticket.password_expires.is_some_and(|expires| at >= expires) {
                return Err(Problem::PasswordExpired);
            }
            let plan = Plan::of(&ticket, verified.lineage, left < SHARING_TRIES);
            if let Some(renewed) = self.attempt(&user, ticket, plan, at, lifetime).await? {
                return Ok(renewed);
            }
        }
        Err(Problem::Store(StoreError::Unavailable { operation: "UpdateItem", source: "renewed all the time".into() }))
    }

    /// `None` when another renewal came first, so that everything has to be looked at again.
    async fn attempt(
        &self,
        user: &User,
        mut ticket: Ticket,
        plan: Plan,
        at: Timestamp,
        lifetime: Duration,
    ) -> Result<Option<Renewed>, Problem> {
        let ends = at.plus(lifetime).min(ticket.created.plus(self.longest));
        if ends <= at {
            // The setting was lowered after the login: what was granted goes on to its end, and no further.
            audit::detail("ended");
            return Err(Problem::Unauthenticated);
        }
        let stored_end = ticket.expires;
        ticket.expires = match plan.step {
            Step::Advance { alone: true, .. } => ends,
            // Another window's JWT must not end earlier because of this one.
            Step::Advance { .. } | Step::Fork { .. } | Step::Join { .. } => ends.max(stored_end),
        };
        // Made before anything is written, so that an outage of the keys leaves the old JWT in force.
        let bearer = Bearer { user, ticket: &ticket, lineage: plan.lineage };
        let Verifier { keyring, party, store, .. } = &self.verifier;
        let minted = jwt::mint(keyring, party, bearer, at, ends, &*self.random).await?;
        let unchanged = matches!(plan.step, Step::Join { .. }) && ticket.expires == stored_end;
        let renewal = Renewal { step: plan.step, expires: ticket.expires, at };
        if !unchanged && store.renew_ticket(&ticket.key, renewal).await? == Write::Refused {
            return Ok(None);
        }
        Ok(Some(Renewed { user: user.clone(), minted, at, password_expires: ticket.password_expires }))
    }
}

/// What a renewal does.
struct Plan {
    /// To the ticket.
    step: Step,
    /// Where the new JWT stands.
    lineage: Lineage,
}

impl Plan {
    /// The plan for a JWT of `from`, which is current or was just replaced.
    fn of(ticket: &Ticket, from: Lineage, sharing: bool) -> Self {
        let branches = ticket.branches.len();
        if ticket.accepts(from) {
            let step = Step::Advance { from, alone: branches == 1 };
            return Self { step, lineage: Lineage { generation: from.generation + 1, ..from } };
        }
        if branches < MAX_BRANCHES && !sharing {
            return Self { step: Step::Fork { branches }, lineage: Lineage { branch: branches, generation: 0 } };
        }
        // Too many windows at once: this one shares the branch of the one that came first.
        let lineage = Lineage { generation: from.generation + 1, ..from };
        Self { step: Step::Join { at: lineage }, lineage }
    }
}
