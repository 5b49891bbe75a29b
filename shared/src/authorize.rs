//! Who may do what: every path that needs a credential asks here.
//!
//! Invariant: a JWT, a ticket or an auth header is good only if it is stored and live at this moment, together with
//! its user; one strongly consistent round trip reads both. A credential that can't be ours costs no store call.

use std::sync::Arc;

use crate::access_token::{AccessToken, Action};
use crate::auth_header::AuthHeaderKey;
use crate::clock::{Clock, Timestamp};
use crate::error::Problem;
use crate::gateway::{Parameters, Request};
use crate::jwt::{self, Party, Rejection, Verified};
use crate::keyring::Keyring;
use crate::secret::{Digest, Token};
use crate::store::{Found, Lookup, Store};
use crate::tenant::TenantName;
use crate::ticket::{Origin, Ticket, TicketKey};
use crate::user::User;

/// Checks the credentials of users.
pub struct Verifier<S> {
    /// Where tickets, auth headers and users are.
    pub store: S,
    /// The keys that sign JWTs.
    pub keyring: Arc<Keyring>,
    /// Whose JWTs are ours.
    pub party: Party,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// A user whose JWT was accepted.
pub struct Session {
    /// Who.
    pub user: User,
    /// The ticket that the JWT names.
    pub ticket: Ticket,
}

impl<S: Store> Verifier<S> {
    /// The caller by the JWT in `Authorization`, which must come from a login.
    pub async fn login(&self, request: &Request) -> Result<Session, Problem> {
        self.login_of(&self.verify(request).await?).await
    }

    /// The caller by a JWT that was verified, which must come from a login.
    pub async fn login_of(&self, verified: &Verified) -> Result<Session, Problem> {
        let session = self.jwt_of(verified).await?;
        match session.ticket.origin {
            Origin::Login => Ok(session),
            Origin::Profile | Origin::Ticket => Err(Problem::NotFromLogin),
        }
    }

    /// The caller by the JWT in `Authorization`, whatever minted it.
    pub async fn jwt(&self, request: &Request) -> Result<Session, Problem> {
        self.jwt_of(&self.verify(request).await?).await
    }

    async fn jwt_of(&self, verified: &Verified) -> Result<Session, Problem> {
        let wanted =
            Lookup { ticket: Some(verified.ticket_key()), users: vec![verified.user.clone()], ..Lookup::default() };
        self.session(verified, self.store.lookup(wanted).await?)
    }

    /// Form, signature and claims of the JWT in `Authorization`; whether its ticket lives is for [`Self::session`].
    pub async fn verify(&self, request: &Request) -> Result<Verified, Problem> {
        let text = request.bearer()?.ok_or(Problem::Unauthenticated)?;
        match jwt::verify(&self.keyring, &self.party, text, self.clock.now()).await {
            Ok(verified) => Ok(verified),
            Err(Rejection::Invalid(reason)) => {
                tracing::info!(reason, "a JWT was rejected");
                Err(Problem::Unauthenticated)
            }
            Err(Rejection::Keys(error)) => Err(Problem::Keys(error)),
        }
    }

    /// The session of a verified JWT, if what was found of its ticket and user is live and fits it.
    pub fn session(&self, verified: &Verified, mut found: Found) -> Result<Session, Problem> {
        let user = found.user(&verified.user).cloned().ok_or(Problem::Unauthenticated)?;
        let ticket = found.ticket.take().ok_or(Problem::Unauthenticated)?;
        let now = self.clock.now();
        if user.tenant != verified.tenant || ticket.key != verified.ticket_key() || !ticket.is_live(&user, now) {
            return Err(Problem::Unauthenticated);
        }
        match ticket.origin {
            Origin::Login | Origin::Profile => Ok(Session { user, ticket }),
            // No JWT is ever made for such a ticket.
            Origin::Ticket => Err(Problem::Unauthenticated),
        }
    }

    /// The caller by an auth header in `X-Authorization`, or else by a JWT.
    pub async fn user(&self, request: &Request) -> Result<User, Problem> {
        let Some(text) = request.credential("x-authorization")? else {
            return self.jwt(request).await.map(|session| session.user);
        };
        // Looked at even though it does not decide, so that a doubled one is refused.
        request.credential("authorization")?;
        let key = AuthHeaderKey::of(text).ok_or(Problem::Unauthenticated)?;
        let wanted = Lookup { users: vec![key.user.clone()], auth_header: Some(key.clone()), ..Lookup::default() };
        let found = self.store.lookup(wanted).await?;
        match (found.user(&key.user), &found.auth_header) {
            (Some(user), Some(header)) if header.key == key && header.is_live(user, self.clock.now()) => {
                Ok(user.clone())
            }
            _ => Err(Problem::Unauthenticated),
        }
    }
}

impl Verified {
    /// Where the ticket is stored that the JWT names.
    #[must_use]
    pub fn ticket_key(&self) -> TicketKey {
        TicketKey { user: self.user.clone(), digest: self.ticket }
    }
}

/// An application's access token as a client sent it, before it was looked up.
pub struct Presented(Option<Digest>);

impl Presented {
    /// Finds the calling application's access token: parameter `accessTokenId`, header `x-access-token-id` or
    /// `x-api-key`, in one of these places. An empty one counts as none.
    pub fn in_request(request: &Request, parameters: &Parameters) -> Result<Self, Problem> {
        let places = [
            parameters.get(ACCESS_TOKEN_PARAMETER).filter(|text| !text.is_empty()),
            request.credential("x-access-token-id")?,
            request.credential("x-api-key")?,
        ];
        let mut given = places.into_iter().flatten();
        let first = given.next().ok_or(Problem::AccessTokenMissing)?;
        if given.next().is_some() {
            return Err(Problem::invalid(ACCESS_TOKEN_PARAMETER, "must be given in one place"));
        }
        Ok(Self::new(first))
    }

    /// The access token `text`. One that can't be an access token is unknown, without a look.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(AccessToken::is_well_formed(text).then(|| Token::new(text.to_owned()).digest()))
    }

    /// A lookup of the access token together with the ticket that a client named. What can't be a ticket is not looked
    /// for.
    pub fn with_ticket(&self, text: &str) -> Result<Lookup, Problem> {
        Ok(Lookup { access_token: Some(self.digest()?), ticket: TicketKey::of(text), ..Lookup::default() })
    }

    /// What to look up.
    pub fn digest(&self) -> Result<Digest, Problem> {
        self.0.ok_or(Problem::AccessTokenUnknown)
    }
}

/// The ticket family's parameter that carries the application's access token.
pub const ACCESS_TOKEN_PARAMETER: &str = "accessTokenId";

/// The application behind what was found, while its access token is not over.
pub fn application(found: Option<AccessToken>, now: Timestamp) -> Result<AccessToken, Problem> {
    let token = found.ok_or(Problem::AccessTokenUnknown)?;
    if token.is_expired(now) { Err(Problem::AccessTokenExpired(token.application)) } else { Ok(token) }
}

/// Refuses an application that lacks one of `actions` on `tenant`, which need not exist.
pub fn demand(token: &AccessToken, actions: &[Action], tenant: &str) -> Result<(), Problem> {
    let name = TenantName::parse(tenant);
    let lacking = actions.iter().find(|action| match &name {
        Some(name) => !token.allows(**action, name),
        None => !token.allows_everywhere(**action),
    });
    match lacking {
        None => Ok(()),
        Some(action) => Err(Problem::ActionDenied { action: *action, tenant: tenant.to_owned() }),
    }
}

/// The ticket that was found, for an application that manages tickets: `None` for one of a tenant that it has nothing to
/// do with, or that no application was ever given; refused where it knows the tenant without managing its tickets.
pub fn managed_ticket(token: &AccessToken, found: Option<Ticket>) -> Result<Option<Ticket>, Problem> {
    demand_somewhere(token, Action::ManageTickets)?;
    let Some(ticket) = found.filter(|ticket| ticket.origin == Origin::Ticket && token.knows(&ticket.tenant)) else {
        return Ok(None);
    };
    demand(token, &[Action::ManageTickets], ticket.tenant.as_str())?;
    Ok(Some(ticket))
}

/// Refuses an application that lacks `action` on every tenant there is, before it is told whether something exists.
fn demand_somewhere(token: &AccessToken, action: Action) -> Result<(), Problem> {
    if token.allows_somewhere(action) { Ok(()) } else { Err(Problem::ActionDenied { action, tenant: "*".to_owned() }) }
}
