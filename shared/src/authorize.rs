//! Who may do what: every path that needs a credential asks here.
//!
//! Invariant: a JWT, a ticket or an auth header is good only if it is stored and live at this moment, together with
//! its user; one strongly consistent round trip reads both. A credential that can't be ours costs no store call.

use std::sync::Arc;

use crate::access_token::{AccessToken, Action};
use crate::audit;
use crate::auth_header::{AuthHeaderKey, PREFIX};
use crate::clock::{Clock, Timestamp};
use crate::error::Problem;
use crate::gateway::{Parameters, Request};
use crate::jwt::{self, Party, Purpose, Rejection, Verified};
use crate::keyring::Keyring;
use crate::secret::{Digest, Token};
use crate::store::{Found, Lookup, Store, StoreError, Write};
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

/// Which JWTs of a ticket are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generations {
    /// Those of the last login or renewal.
    Current,
    /// Also those that the last renewal replaced a moment ago: for renewing, and for ending the session.
    OrJustReplaced,
}

/// A credential of a user as a client showed it.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// In `Authorization`.
    Jwt(&'a str),
    /// In `X-Authorization`.
    AuthHeader(&'a str),
    /// In `X-Ticket`.
    Ticket(&'a str),
}

impl<'a> Shown<'a> {
    /// Tells by its form what `text` is, where only the text is known. Whatever it is, it is still to be judged.
    #[must_use]
    pub fn of_form(text: &'a str) -> Self {
        if text.starts_with(PREFIX) {
            Self::AuthHeader(text)
        } else if text.contains('.') {
            Self::Jwt(text)
        } else {
            Self::Ticket(text)
        }
    }

    /// The credential in a request's headers: an auth header, or else a JWT. All are looked at, so that a doubled one
    /// is refused even where another one decides.
    pub fn in_request(request: &'a Request) -> Result<Option<Self>, Problem> {
        let header = request.credential("x-authorization")?;
        let jwt = request.bearer()?;
        Ok(header.map(Self::AuthHeader).or_else(|| jwt.map(Self::Jwt)))
    }
}

/// Which kind of credential was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A JWT.
    Jwt,
    /// An auth header.
    AuthHeader,
    /// A ticket.
    Ticket,
}

impl CredentialKind {
    /// Its name in answers and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::AuthHeader => "auth_header",
            Self::Ticket => "ticket",
        }
    }
}

/// A credential that can be ours: its form is right, and a JWT's signature and claims are. Whether it lives, only the
/// store knows.
pub enum Plausible {
    /// A JWT.
    Jwt(Verified),
    /// An auth header.
    AuthHeader(AuthHeaderKey),
    /// A ticket.
    Ticket(TicketKey),
}

impl Plausible {
    /// What has to be read in order to judge it: the credential and its user.
    #[must_use]
    pub fn lookup(&self) -> Lookup {
        let (user, ticket, auth_header) = match self {
            Self::Jwt(verified) => (&verified.user, Some(verified.ticket_key()), None),
            Self::AuthHeader(key) => (&key.user, None, Some(key.clone())),
            Self::Ticket(key) => (&key.user, Some(key.clone()), None),
        };
        Lookup { users: vec![user.clone()], ticket, auth_header, ..Lookup::default() }
    }
}

/// A user whose credential was accepted.
pub struct Caller {
    /// Who.
    pub user: User,
    /// By what.
    pub credential: CredentialKind,
    /// What an auth header is limited to; empty for one without limits and for the other kinds.
    pub scopes: Vec<String>,
    /// When the credential was made.
    pub issued: Timestamp,
    /// When it ends by itself, if ever.
    pub expires: Option<Timestamp>,
    /// Whether its use is worth a note.
    noteworthy: bool,
}

impl<S: Store> Verifier<S> {
    /// The caller by the JWT in `Authorization`, which must come from a login.
    pub async fn login(&self, request: &Request) -> Result<Session, Problem> {
        self.login_of(&self.verify(request).await?, Generations::Current).await
    }

    /// The caller by a JWT that was verified, which must come from a login.
    pub async fn login_of(&self, verified: &Verified, accepted: Generations) -> Result<Session, Problem> {
        let found = self.lookup(Plausible::Jwt(verified.clone()).lookup()).await?;
        self.login_session(verified, found, accepted)
    }

    /// The session of a verified JWT, which must come from a login.
    pub fn login_session(&self, verified: &Verified, found: Found, accepted: Generations) -> Result<Session, Problem> {
        let session = self.session(verified, found, accepted)?;
        match session.ticket.origin {
            Origin::Login => Ok(session),
            Origin::Profile | Origin::Ticket => Err(Problem::NotFromLogin),
        }
    }

    /// The caller by the JWT in `Authorization`, whatever minted it.
    pub async fn jwt(&self, request: &Request, accepted: Generations) -> Result<Session, Problem> {
        let verified = self.verify(request).await?;
        let found = self.lookup(Plausible::Jwt(verified.clone()).lookup()).await?;
        self.session(&verified, found, accepted)
    }

    /// [`Store::lookup`], once more where ticket and user are of neighbouring epochs: ending all sessions but one changes
    /// both in one transaction, and a read of several items may see the one change and not yet the other.
    pub async fn lookup(&self, wanted: Lookup) -> Result<Found, StoreError> {
        let found = self.store.lookup(wanted.clone()).await?;
        if is_torn(&found) { self.store.lookup(wanted).await } else { Ok(found) }
    }

    /// Form, signature and claims of the JWT in `Authorization`; whether its ticket lives is for [`Self::session`].
    pub async fn verify(&self, request: &Request) -> Result<Verified, Problem> {
        self.signed(request.bearer()?.ok_or_else(|| refused("no_credential"))?).await
    }

    /// Form, signature and claims of a JWT; whether its ticket lives is for [`Self::session`].
    pub async fn signed(&self, text: &str) -> Result<Verified, Problem> {
        self.signed_for(Purpose::Use, text).await
    }

    async fn signed_for(&self, purpose: Purpose, text: &str) -> Result<Verified, Problem> {
        audit::credential(CredentialKind::Jwt.as_str());
        match jwt::verify_for(purpose, &self.keyring, &self.party, text, self.clock.now()).await {
            Ok(verified) => {
                audit::account(&verified.user, &verified.tenant);
                Ok(verified)
            }
            Err(Rejection::Invalid(reason)) => Err(refused(reason)),
            Err(Rejection::Keys(error)) => Err(Problem::Keys(error)),
        }
    }

    /// The session of a verified JWT, if what was found of its ticket and user is live and fits it.
    pub fn session(&self, verified: &Verified, found: Found, accepted: Generations) -> Result<Session, Problem> {
        session_at(verified, found, accepted, self.clock.now())
    }

    /// The caller by an auth header in `X-Authorization`, or else by a JWT.
    pub async fn user(&self, request: &Request) -> Result<Caller, Problem> {
        self.caller(Shown::in_request(request)?.ok_or_else(|| refused("no_credential"))?).await
    }

    /// The caller by whatever credential was shown: one round trip to the store, none for what can't be ours.
    pub async fn caller(&self, shown: Shown<'_>) -> Result<Caller, Problem> {
        let plausible = self.plausible(Purpose::Use, shown).await?;
        let found = self.lookup(plausible.lookup()).await?;
        let caller = self.judge(Purpose::Use, &plausible, found, Generations::Current)?;
        self.note_use(&plausible, &caller).await?;
        Ok(caller)
    }

    /// Whether a credential can be ours, without asking the store.
    pub async fn plausible(&self, purpose: Purpose, shown: Shown<'_>) -> Result<Plausible, Problem> {
        match shown {
            Shown::Jwt(text) => self.signed_for(purpose, text).await.map(Plausible::Jwt),
            Shown::AuthHeader(text) => {
                audit::credential(CredentialKind::AuthHeader.as_str());
                AuthHeaderKey::of(text).map(Plausible::AuthHeader).ok_or_else(|| refused("form"))
            }
            Shown::Ticket(text) => {
                audit::credential(CredentialKind::Ticket.as_str());
                TicketKey::of(text).map(Plausible::Ticket).ok_or_else(|| refused("form"))
            }
        }
    }

    /// The caller by a plausible credential, if what was found for it is live and fits it.
    pub fn judge(
        &self,
        purpose: Purpose,
        plausible: &Plausible,
        found: Found,
        accepted: Generations,
    ) -> Result<Caller, Problem> {
        let now = purpose.at(self.clock.now());
        let caller = match plausible {
            Plausible::Jwt(verified) => {
                let Session { user, ticket } = session_at(verified, found, accepted, now)?;
                Caller {
                    user,
                    credential: CredentialKind::Jwt,
                    scopes: Vec::new(),
                    issued: verified.issued,
                    expires: Some(verified.expires),
                    noteworthy: ticket.needs_touch(now),
                }
            }
            Plausible::AuthHeader(key) => auth_header_caller(key, found, now)?,
            Plausible::Ticket(key) => ticket_caller(key, found, now)?,
        };
        audit::actor(&caller.user);
        Ok(caller)
    }

    /// Notes that a credential was used, at most once in a while for each.
    ///
    /// The idle limit of a ticket rests on the note, so that one is waited for, and refuses a ticket that has ended
    /// meanwhile. On the others nothing rests but their owner's list: they are noted beside the request, and a note
    /// that the environment's freeze cuts off is made up for by the next use.
    pub async fn note_use(&self, plausible: &Plausible, caller: &Caller) -> Result<(), Problem> {
        if !caller.noteworthy {
            return Ok(());
        }
        let (store, now) = (self.store.clone(), self.clock.now());
        match plausible {
            Plausible::Ticket(key) => match store.touch_ticket(key, now).await? {
                Write::Done => Ok(()),
                Write::Refused => Err(refused("ended")),
            },
            Plausible::Jwt(verified) => {
                let key = verified.ticket_key();
                beside(async move { store.touch_ticket(&key, now).await.map(|_| ()) });
                Ok(())
            }
            Plausible::AuthHeader(key) => {
                let key = key.clone();
                beside(async move { store.note_auth_header_use(&key, now).await });
                Ok(())
            }
        }
    }
}

fn is_torn(found: &Found) -> bool {
    let Some(ticket) = &found.ticket else { return false };
    found.user(&ticket.key.user).is_some_and(|user| user.enabled && user.session_epoch.abs_diff(ticket.epoch) == 1)
}

/// Lets a note be written while the request goes on.
fn beside(note: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = note.await {
            tracing::warn!(error = %error, "the use of a credential was not noted");
        }
    });
}

/// [`Verifier::session`] at a time.
fn session_at(
    verified: &Verified,
    mut found: Found,
    accepted: Generations,
    now: Timestamp,
) -> Result<Session, Problem> {
    let user = found.user(&verified.user).cloned().ok_or_else(|| refused("no_such_user"))?;
    let ticket = found.ticket.take().ok_or_else(|| refused("no_such_ticket"))?;
    if user.tenant != verified.tenant || ticket.key != verified.ticket_key() || !ticket.is_live(&user, now) {
        return Err(refused("ended"));
    }
    let replaced = accepted == Generations::OrJustReplaced && ticket.was_just_renewed_from(verified.lineage, now);
    if !ticket.accepts(verified.lineage) && !replaced {
        return Err(refused("renewed"));
    }
    match ticket.origin {
        Origin::Login | Origin::Profile => Ok(Session { user, ticket }),
        // No JWT is ever made for such a ticket.
        Origin::Ticket => Err(refused("no_such_ticket")),
    }
}

fn auth_header_caller(key: &AuthHeaderKey, mut found: Found, now: Timestamp) -> Result<Caller, Problem> {
    let header = found.auth_header.take().filter(|header| header.key == *key);
    let header = header.ok_or_else(|| refused("no_such_auth_header"))?;
    let user = found.user(&key.user).cloned().ok_or_else(|| refused("no_such_user"))?;
    if !header.is_live(&user, now) {
        return Err(refused("ended"));
    }
    Ok(Caller {
        user,
        credential: CredentialKind::AuthHeader,
        issued: header.created,
        expires: header.expires,
        noteworthy: header.needs_note(now),
        scopes: header.scopes,
    })
}

fn ticket_caller(key: &TicketKey, mut found: Found, now: Timestamp) -> Result<Caller, Problem> {
    let ticket = found.ticket.take().filter(|ticket| ticket.key == *key && ticket.origin == Origin::Ticket);
    let ticket = ticket.ok_or_else(|| refused("no_such_ticket"))?;
    let user = found.user(&key.user).cloned().ok_or_else(|| refused("no_such_user"))?;
    if !ticket.is_live(&user, now) {
        return Err(refused("ended"));
    }
    Ok(Caller {
        user,
        credential: CredentialKind::Ticket,
        scopes: Vec::new(),
        issued: ticket.created,
        expires: Some(ticket.expires),
        noteworthy: ticket.needs_touch(now),
    })
}

/// What came out for a token that somebody else asks about: `None` for one that is no good. An outage stays one.
pub fn unless_refused<T>(result: Result<T, Problem>) -> Result<Option<T>, Problem> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Problem::Unauthenticated) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// One refusal for all, and for the log the reason.
pub(crate) fn refused(reason: &'static str) -> Problem {
    audit::detail(reason);
    Problem::Unauthenticated
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
    /// That of a request without other parameters.
    pub fn alone(request: &Request) -> Result<Self, Problem> {
        Ok(Self::among(request, &[])?.0)
    }

    /// That of a request whose body is JSON and has no place for it.
    pub fn beside_json(request: &Request) -> Result<Self, Problem> {
        Self::in_request(request, &request.query(&[ACCESS_TOKEN_PARAMETER])?)
    }

    /// That of a request which also has the parameters `known`, with these.
    pub fn among(request: &Request, known: &[&'static str]) -> Result<(Self, Parameters), Problem> {
        let parameters = request.parameters(&[&[ACCESS_TOKEN_PARAMETER], known].concat())?;
        Ok((Self::in_request(request, &parameters)?, parameters))
    }

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

/// A client of the standards family, as it showed itself.
pub struct Client {
    digest: Digest,
    name: Option<String>,
}

impl Client {
    /// Finds the access token of the calling application: header `x-access-token-id` or `x-api-key`, or
    /// `Authorization`, as a bearer token (RFC 6750) or as the password of the application (RFC 6749, section 2.3.1).
    pub fn in_request(request: &Request) -> Result<Self, Problem> {
        let headers = [request.credential("x-access-token-id")?, request.credential("x-api-key")?];
        let basic = request.basic()?;
        let bearer = if basic.is_some() { None } else { request.bearer()? };
        let mut given = headers.into_iter().flatten().chain(bearer).map(|text| (text.to_owned(), None));
        let mut shown = given.by_ref().chain(basic.map(|(name, password)| (password, Some(name))));
        let (text, name) = shown.next().ok_or(Problem::UnknownClient)?;
        if shown.next().is_some() {
            return Err(Problem::invalid("the access token", "must be given in one place"));
        }
        let digest = Presented::new(&text).digest().map_err(|_| Problem::UnknownClient)?;
        Ok(Self { digest, name })
    }

    /// What to look up.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The application behind what was found, if it is the one that it says it is.
    pub fn application(&self, found: Option<AccessToken>, now: Timestamp) -> Result<AccessToken, Problem> {
        let token = application(found, now).map_err(|problem| {
            audit::detail(problem.reason());
            Problem::UnknownClient
        })?;
        let named = self.name.as_ref().is_none_or(|name| *name == token.application);
        if named {
            Ok(token)
        } else {
            audit::detail("another_application");
            Err(Problem::UnknownClient)
        }
    }
}

/// A token that an application asks about, and what was found of it.
pub struct Inquiry {
    /// Who asks.
    pub application: AccessToken,
    /// The token, if it can be ours at all, with what is stored of it and its user.
    pub token: Option<(Plausible, Found)>,
}

impl<S: Store> Verifier<S> {
    /// Reads the form of RFC 7662 and RFC 7009, identifies the application, and looks for the token, all by one read. A
    /// token is no good for being unknown, so that is no error.
    pub async fn inquiry(&self, purpose: Purpose, request: &Request) -> Result<Inquiry, Problem> {
        const TOKEN: &str = "token";
        // Taken and not needed: the three kinds differ in form.
        const HINT: &str = "token_type_hint";
        let form = request.form(&[TOKEN, HINT])?;
        let token = form.with_value(TOKEN, jwt::MAX_JWT_BYTES)?;
        let client = Client::in_request(request)?;
        let plausible = unless_refused(self.plausible(purpose, Shown::of_form(token)).await)?;
        let wanted = plausible.as_ref().map(Plausible::lookup).unwrap_or_default();
        let mut found = self.lookup(Lookup { access_token: Some(client.digest()), ..wanted }).await?;
        let application = client.application(found.access_token.take(), self.clock.now())?;
        Ok(Inquiry { application, token: plausible.map(|plausible| (plausible, found)) })
    }
}

/// The ticket family's parameter that carries the application's access token.
pub const ACCESS_TOKEN_PARAMETER: &str = "accessTokenId";

/// The application behind what was found, while its access token is not over.
pub fn application(found: Option<AccessToken>, now: Timestamp) -> Result<AccessToken, Problem> {
    let token = found.ok_or(Problem::AccessTokenUnknown)?;
    audit::application(&token);
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

/// [`demand`] for what ends by itself: `false` where it is over and the application may not. Who may is given it even then:
/// by another clock it may live, and an end that was acknowledged has to hold by each.
pub fn may(token: &AccessToken, actions: &[Action], tenant: &TenantName, is_over: bool) -> Result<bool, Problem> {
    match demand(token, actions, tenant.as_str()) {
        Err(_) if is_over => Ok(false),
        demanded => demanded.map(|()| true),
    }
}

/// The ticket that was found, for an application that manages tickets: `None` for one of a tenant that it has nothing to
/// do with, or that no application was ever given. Where it knows the tenant without managing its tickets it is refused
/// one that has not come to its last moment, and told nothing of another. The ticket may be over.
pub fn managed_ticket(token: &AccessToken, found: Option<Ticket>, now: Timestamp) -> Result<Option<Ticket>, Problem> {
    ticket_for(token, found, &[Action::ManageTickets], now)
}

/// The same for an application that needs all of `needed` in the ticket's tenant.
pub fn ticket_for(
    token: &AccessToken,
    found: Option<Ticket>,
    needed: &[Action],
    now: Timestamp,
) -> Result<Option<Ticket>, Problem> {
    needed.iter().try_for_each(|action| demand_somewhere(token, *action))?;
    let known = |it: &Ticket| it.origin == Origin::Ticket && token.knows(&it.tenant);
    let Some(ticket) = found.filter(known) else { return Ok(None) };
    audit::account(&ticket.key.user, &ticket.tenant);
    Ok(may(token, needed, &ticket.tenant, now >= ticket.expires)?.then_some(ticket))
}

/// Refuses to do anything in the name of a profile that is disabled.
pub fn demand_enabled(profile: &User) -> Result<(), Problem> {
    if profile.enabled { Ok(()) } else { Err(Problem::DisabledProfile(profile.id.clone())) }
}

/// Refuses an application that lacks `action` on every tenant there is, before it is told whether something exists.
pub fn demand_somewhere(token: &AccessToken, action: Action) -> Result<(), Problem> {
    if token.allows_somewhere(action) { Ok(()) } else { Err(Problem::ActionDenied { action, tenant: "*".to_owned() }) }
}
