//! `POST /v1/profile/{id}/authenticate`: a JWT of a chosen duration for a profile.
//!
//! An application that manages profiles gets it for those of its tenants; a user with a JWT from a login gets it for
//! itself, an administrator for the profiles of its tenant. Each such JWT has a ticket of its own, so that it can be
//! ended like any other, and never lives longer than the stack allows, whatever was asked for.

use std::sync::Arc;
use std::time::Duration;

use shared::access_token::Action;
use shared::api::{self, JwtAnswer, Route};
use shared::audit;
use shared::authorize::{Generations, Presented, Session, Verifier, application};
use shared::clock::Timestamp;
use shared::config::Lifetimes;
use shared::error::Problem;
use shared::gateway::{Endpoint, Fields, Request, Response, Spelling};
use shared::jwt::{self, Bearer};
use shared::random::Random;
use shared::store::{Lookup, Store, Write};
use shared::tenant::{Settings, Tenants};
use shared::ticket::{Limits, Origin, Ticket};
use shared::user::{User, UserId};

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
        let id = UserId::parse(request.path_parameter("id")?);
        // Looked at even where an access token decides, so that a doubled one is refused.
        request.credential("authorization")?;
        let profile = match request.credential("x-api-key")? {
            Some(text) => self.for_application(text, id).await?,
            None => self.for_user(&request, id).await?,
        };
        audit::actor(&profile);
        if !profile.enabled {
            return Err(Problem::DisabledProfile(profile.id));
        }
        let now = self.verifier.clock.now();
        let settings = self.settings(&profile, now).await?;
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
    /// The rules of a profile's tenant, of which nobody knows before the profile was found: one more read, once a minute.
    async fn settings(&self, profile: &User, now: Timestamp) -> Result<Arc<Settings>, Problem> {
        let tenant = self.tenants.wanted(profile.tenant.as_str(), now);
        let found = match tenant.lookup() {
            None => None,
            wanted => self.verifier.store.lookup(Lookup { tenant: wanted, ..Lookup::default() }).await?.tenant,
        };
        // A tenant that is gone takes its users with it, sooner or later.
        self.tenants.resolve(tenant, found, now).ok_or(Problem::NoSuchProfile)
    }

    /// The profile, for the application with the access token `text`. One of a tenant that the token does not know
    /// answers like one that does not exist.
    async fn for_application(&self, text: &str, id: Option<UserId>) -> Result<User, Problem> {
        let not_covered = |_| Problem::NotCovered;
        let digest = Presented::new(text).digest().map_err(not_covered)?;
        let wanted = Lookup { access_token: Some(digest), users: id.iter().cloned().collect(), ..Lookup::default() };
        let mut found = self.verifier.store.lookup(wanted).await?;
        let application = application(found.access_token.take(), self.verifier.clock.now()).map_err(not_covered)?;
        if !application.allows_somewhere(Action::ManageProfiles) {
            return Err(Problem::NotCovered);
        }
        let profile = id.and_then(|id| found.user(&id).cloned()).ok_or(Problem::NoSuchProfile)?;
        if application.allows(Action::ManageProfiles, &profile.tenant) {
            Ok(profile)
        } else if application.knows(&profile.tenant) {
            Err(Problem::NotCovered)
        } else {
            Err(Problem::NoSuchProfile)
        }
    }

    /// The profile, for a user with a JWT: itself, or whom it administers.
    async fn for_user(&self, request: &Request, id: Option<UserId>) -> Result<User, Problem> {
        let not_covered = |problem| match problem {
            Problem::Unauthenticated => Problem::NotCovered,
            other => other,
        };
        let verified = self.verifier.verify(request).await.map_err(not_covered)?;
        let users = id.iter().cloned().chain([verified.user.clone()]).collect();
        let wanted = Lookup { ticket: Some(verified.ticket_key()), users, ..Lookup::default() };
        let found = self.verifier.lookup(wanted).await?;
        let profile = id.as_ref().and_then(|id| found.user(id).cloned());
        let Session { user, ticket, .. } =
            self.verifier.session(&verified, found, Generations::Current).map_err(not_covered)?;
        if ticket.origin != Origin::Login {
            return Err(Problem::CannotMint);
        }
        match profile {
            Some(profile) if profile.id == user.id => Ok(profile),
            _ if !user.is_tenant_admin() => Err(Problem::NotCovered),
            Some(profile) if profile.tenant == user.tenant => Ok(profile),
            _ => Err(Problem::NoSuchProfile),
        }
    }

    async fn mint(&self, bearer: Bearer<'_>, now: Timestamp) -> Result<String, Problem> {
        let verifier = &self.verifier;
        let (keyring, party, ticket) = (&verifier.keyring, &verifier.party, bearer.ticket);
        let minted = jwt::mint(keyring, party, bearer, now, ticket.expires, &*self.random).await?;
        match verifier.store.create_ticket(ticket).await? {
            Write::Done => Ok(minted.jwt.expose_secret().to_owned()),
            Write::Refused => Err(Problem::Internal("a fresh ticket existed already")),
        }
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
