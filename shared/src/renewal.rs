//! Renewing a login: the same ticket goes on, with a new JWT and a new end, and the JWT that was shown ends.
//!
//! Invariant: of the JWTs of a ticket only the last one of each branch is accepted; a renewal ends the one before it in
//! its branch. One that was replaced less than [`RENEWAL_GRACE`](crate::ticket::RENEWAL_GRACE) ago can itself be renewed,
//! into a branch of its own, so that two windows of one browser both go on, then and later. Whatever ends the ticket
//! ends all of them.

use std::sync::Arc;
use std::time::Duration;

use crate::api::PasswordEnd;
use crate::authorize::{Generations, Plausible, Session, Verifier, refused};
use crate::clock::Timestamp;
use crate::config;
use crate::error::Problem;
use crate::gateway::Request;
use crate::jwt::{self, Bearer, Minted, Verified};
use crate::random::Random;
use crate::store::{Lookup, Renewal, Step, Store, StoreError, Write};
use crate::tenant::{Settings, Tenants};
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
    /// How long the stack lets live what it issues.
    pub lifetimes: config::Lifetimes,
    /// The rules of tenants.
    pub tenants: Tenants,
}

/// A login that goes on.
pub struct Renewed {
    /// Who.
    pub user: User,
    /// The new JWT and its end.
    pub minted: Minted,
    /// When it was made.
    pub at: Timestamp,
    /// When the password ends.
    pub password: PasswordEnd,
}

/// How long a renewed JWT shall live.
#[derive(Clone, Copy)]
pub enum Lifetime {
    /// As long as one of a login.
    OfLogin,
    /// As long as was asked for.
    Chosen(Duration),
}

impl<S: Store> Renewer<S> {
    /// Renews the JWT in `Authorization`, which must come from a login, for `lifetime` from now on, or for what is left
    /// of the login's longest life.
    pub async fn renew(&self, request: &Request, lifetime: Lifetime) -> Result<Renewed, Problem> {
        let verified = self.verifier.verify(request).await?;
        // One moment for all tries: whoever is overtaken by a later one has nothing left to write.
        let at = self.verifier.clock.now();
        for left in (0..TRIES).rev() {
            let (Session { user, ticket }, settings) = self.session(&verified, at).await?;
            let plan = Plan::of(&ticket, verified.lineage, left < SHARING_TRIES);
            if let Some(renewed) = self.attempt(&user, ticket, plan, at, Terms { lifetime, settings }).await? {
                return Ok(renewed);
            }
        }
        Err(Problem::Store(StoreError::Unavailable { operation: "UpdateItem", source: "renewed all the time".into() }))
    }

    /// The login, and the rules of its tenant.
    async fn session(&self, verified: &Verified, at: Timestamp) -> Result<(Session, Arc<Settings>), Problem> {
        let tenant = self.tenants.wanted(verified.tenant.as_str(), at);
        let wanted = Lookup { tenant: tenant.lookup(), ..Plausible::Jwt(verified.clone()).lookup() };
        let mut found = self.verifier.lookup(wanted).await?;
        let settings = self.tenants.resolve(tenant, found.tenant.take(), at);
        let session = self.verifier.login_session(verified, found, Generations::OrJustReplaced)?;
        Ok((session, settings.ok_or_else(|| refused("no_such_tenant"))?))
    }

    /// `None` when another renewal came first, so that everything has to be looked at again.
    async fn attempt(
        &self,
        user: &User,
        mut ticket: Ticket,
        plan: Plan,
        at: Timestamp,
        Terms { lifetime, settings }: Terms,
    ) -> Result<Option<Renewed>, Problem> {
        let lifetimes = settings.lifetimes.within(&self.lifetimes);
        let lifetime = match lifetime {
            Lifetime::OfLogin => lifetimes.login_jwt,
            Lifetime::Chosen(lifetime) => lifetime,
        };
        let ends = at.plus(lifetime).min(ticket.created.plus(lifetimes.login_max));
        let ends = ticket.password_expires.map_or(ends, |password| ends.min(password));
        if ends <= at {
            // The setting was lowered after the login: what was granted goes on to its end, and no further.
            return Err(refused("ended"));
        }
        let stored_end = ticket.expires;
        ticket.expires = match plan.step {
            Step::Advance { alone: true, .. } => ends,
            // Another window's JWT must not end earlier because of this one.
            Step::Advance { .. } | Step::Fork { .. } | Step::Join { .. } => ends.max(stored_end),
        };
        // Made before anything is written, so that an outage of the keys leaves the old JWT in force.
        let bearer = Bearer { lineage: plan.lineage, ..Bearer::first(user, &ticket).under(&settings) };
        let Verifier { keyring, party, store, .. } = &self.verifier;
        let minted = jwt::mint(keyring, party, bearer, at, ends, &*self.random).await?;
        let unchanged = matches!(plan.step, Step::Join { .. }) && ticket.expires == stored_end;
        let renewal = Renewal { step: plan.step, expires: ticket.expires, at };
        if !unchanged && store.renew_ticket(&ticket.key, renewal).await? == Write::Refused {
            return Ok(None);
        }
        let password = PasswordEnd::of(ticket.password_expires, &settings.password, at);
        Ok(Some(Renewed { user: user.clone(), minted, at, password }))
    }
}

/// On what terms a login goes on.
struct Terms {
    lifetime: Lifetime,
    settings: Arc<Settings>,
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
