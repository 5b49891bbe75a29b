//! `POST /v1/profile/{id}/authenticate`: a JWT of a chosen duration for a profile.
//!
//! An application that manages profiles gets it for those of its tenants; a user with a JWT from a login gets it for
//! itself, an administrator for the profiles of its tenant. Each such JWT has a ticket of its own, so that it can be
//! ended like any other, and never lives longer than the stack allows, whatever was asked for.

use std::sync::Arc;
use std::time::Duration;

use shared::api::{self, JwtAnswer, Route};
use shared::authorize::{Verifier, demand_enabled};
use shared::clock::Timestamp;
use shared::config::Lifetimes;
use shared::error::{self, Problem};
use shared::gateway::{Endpoint, Fields, Request, Response, Spelling};
use shared::jwt::{self, Bearer};
use shared::profile_access::Minted;
use shared::random::Random;
use shared::store::Store;
use shared::tenant::Tenants;
use shared::ticket::{Limits, Origin, Ticket};

/// The endpoint.
pub struct ProfileAuthenticate<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
    /// Makes the ticket.
    pub random: Arc<dyn Random>,
    /// How long the stack lets live what it issues.
    pub lifetimes: Lifetimes,
    /// The rules of tenants.
    pub tenants: Tenants,
}

impl<S: Store> Endpoint for ProfileAuthenticate<S> {
    fn route(&self) -> &'static Route {
        &api::PROFILE_AUTHENTICATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = duration(request.json(Spelling::Exact, true)?)?;
        let profile = self.verifier.profile(&request, Minted::Refused).await?;
        demand_enabled(&profile)?;
        let now = self.verifier.clock.now();
        // A tenant that is gone takes its users with it, sooner or later.
        let settings = self.tenants.settings(&self.verifier.store, &profile.tenant, now).await?;
        let settings = settings.ok_or(Problem::NoSuchProfile)?;
        let lifetimes = settings.lifetimes.within(&self.lifetimes);
        let duration = asked.unwrap_or(lifetimes.profile_jwt).min(lifetimes.profile_jwt_max);
        let limits = Limits { idle: None, absolute: duration };
        let (ticket, _) =
            Ticket::issue(&profile, Origin::Profile, limits, request.source().clone(), now, &*self.random);
        let jwt = self.mint(Bearer::first(&profile, &ticket).under(&settings), now).await?;
        Ok(Response::json(200, &JwtAnswer { jwt }))
    }
}

impl<S: Store> ProfileAuthenticate<S> {
    async fn mint(&self, bearer: Bearer<'_>, now: Timestamp) -> Result<String, Problem> {
        let verifier = &self.verifier;
        let (keyring, party, ticket) = (&verifier.keyring, &verifier.party, bearer.ticket);
        let minted = jwt::mint(keyring, party, bearer, now, ticket.expires, &*self.random).await?;
        error::new(verifier.store.create_ticket(ticket).await?)?;
        Ok(minted.jwt.expose_secret().to_owned())
    }
}

/// What was asked for, if anything was.
fn duration(mut fields: Fields) -> Result<Option<Duration>, Problem> {
    const RULE: &str = "must be null or a whole number of seconds from 1 to 86400";
    let asked = fields.optional_integer("duration", RULE)?;
    fields.finish()?;
    let Some(asked) = asked else { return Ok(None) };
    let seconds = u64::try_from(asked).ok().filter(|seconds| (1..=86_400).contains(seconds));
    seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(|| Problem::invalid("duration", RULE))
}
