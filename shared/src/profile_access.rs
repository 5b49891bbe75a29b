//! The profile family: who may do what with a profile, and how its clients see profiles and applications.
//!
//! Invariant: an application covers the profiles of tenants whose profiles it manages, a user itself, and a tenant's
//! administrator those of the tenant. Whoever covers nothing is told nothing; to an application, a profile of a tenant
//! that its access token does not know does not exist.

use crate::access_token::{AccessToken, Action};
use crate::api::{ApplicationAnswer, PlainProfileAnswer};
use crate::audit;
use crate::authorize::{Generations, Presented, Session, Verifier, application};
use crate::error::Problem;
use crate::gateway::{Fields, Request};
use crate::profile_api::ProfileApi;
use crate::profiles;
use crate::store::{Lookup, Store};
use crate::ticket::Origin;
use crate::user::{User, UserId};

/// The name of a profile, in requests and answers.
pub const NAME: &str = "name";

/// Reads [`NAME`]; `None` where it is null or absent.
pub fn display_name(fields: &mut Fields) -> Result<Option<String>, Problem> {
    // The rule counts characters, of which none has more than four bytes.
    let Some(text) = fields.optional_text(NAME, 4 * profiles::MAX_DISPLAY_NAME_CHARS)? else { return Ok(None) };
    let name = profiles::display_name(&text).ok_or_else(|| Problem::invalid(NAME, profiles::DISPLAY_NAME_RULE))?;
    Ok(Some(name))
}

/// What a JWT that was minted for a profile is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minted {
    /// Nothing: it must not lead to another one that outlives it.
    Refused,
    /// Its own profile, whatever its owner administers.
    Own,
}

impl<S: Store> Verifier<S> {
    /// The profile that a request's path names, for whoever its headers show: an application with an access token in
    /// `x-api-key`, or else a user with a JWT.
    pub async fn profile(&self, request: &Request, minted: Minted) -> Result<User, Problem> {
        let id = UserId::parse(request.path_parameter("id")?);
        // Looked at even where an access token decides, so that a doubled one is refused.
        request.credential("authorization")?;
        match request.credential("x-api-key")? {
            Some(text) => self.profile_for_application(text, id).await,
            None => self.profile_for_user(request, id, minted).await,
        }
    }

    /// The profile, for the application with the access token `text`. One of a tenant that the token does not know
    /// answers like one that does not exist.
    async fn profile_for_application(&self, text: &str, id: Option<UserId>) -> Result<User, Problem> {
        let digest = Presented::new(text).digest().map_err(not_covered)?;
        let wanted = Lookup { access_token: Some(digest), users: id.iter().cloned().collect(), ..Lookup::default() };
        let mut found = self.store.lookup(wanted).await?;
        let application = application(found.access_token.take(), self.clock.now()).map_err(not_covered)?;
        if !application.allows_somewhere(Action::ManageProfiles) {
            return Err(Problem::NotCovered);
        }
        let profile = id.and_then(|id| found.user(&id).cloned()).ok_or(Problem::NoSuchProfile)?;
        if application.allows(Action::ManageProfiles, &profile.tenant) {
            audit::actor(&profile);
            Ok(profile)
        } else if application.knows(&profile.tenant) {
            Err(Problem::NotCovered)
        } else {
            Err(Problem::NoSuchProfile)
        }
    }

    /// The profile, for a user with a JWT: itself, or whom it administers.
    async fn profile_for_user(&self, request: &Request, id: Option<UserId>, minted: Minted) -> Result<User, Problem> {
        let verified = self.verify(request).await.map_err(not_covered)?;
        let users = id.iter().cloned().chain([verified.user.clone()]).collect();
        let wanted = Lookup { ticket: Some(verified.ticket_key()), users, ..Lookup::default() };
        let found = self.lookup(wanted).await?;
        let profile = id.as_ref().and_then(|id| found.user(id).cloned());
        let Session { user, ticket, .. } = self.session(&verified, found, Generations::Current).map_err(not_covered)?;
        let from_login = ticket.origin == Origin::Login;
        if !from_login && minted == Minted::Refused {
            return Err(Problem::CannotMint);
        }
        match profile {
            Some(profile) if profile.id == user.id => Ok(profile),
            _ if !(from_login && user.is_tenant_admin()) => Err(Problem::NotCovered),
            Some(profile) if profile.tenant == user.tenant => {
                // Who acts is the administrator, as it was noted with the JWT.
                audit::subject(profile.id.as_str());
                Ok(profile)
            }
            _ => Err(Problem::NoSuchProfile),
        }
    }
}

impl<S: Store> ProfileApi<S> {
    /// The application with the access token in `x-api-key`, where nothing else does.
    pub async fn application_by_key(&self, request: &Request) -> Result<AccessToken, Problem> {
        // Looked at although it does not count, so that a doubled one is refused.
        request.credential("authorization")?;
        let text = request.credential("x-api-key")?.ok_or(Problem::NotCovered)?;
        let (token, _) = self.application(&Presented::new(text), Lookup::default()).await.map_err(not_covered)?;
        Ok(token)
    }
}

/// One answer for every credential that is no good. An outage stays one.
fn not_covered(problem: Problem) -> Problem {
    match problem {
        Problem::Unauthenticated | Problem::AccessTokenUnknown | Problem::AccessTokenExpired(_) => Problem::NotCovered,
        other => other,
    }
}

impl PlainProfileAnswer {
    /// The answer for `user`: its own name, else first and last name, else its user name.
    #[must_use]
    pub fn new(user: &User) -> Self {
        let full = || {
            let names = [&user.first_name, &user.last_name].into_iter().flatten().map(String::as_str);
            Some(names.collect::<Vec<_>>().join(" ")).filter(|name| !name.is_empty())
        };
        let name = user.display_name.clone().or_else(full).unwrap_or_else(|| user.name.as_str().to_owned());
        Self {
            id: user.id.to_string(),
            root_user_id: None,
            application_id: user.application.clone(),
            name,
            created_at: user.created.as_seconds(),
            identifiers: Vec::new(),
            wallets: Vec::new(),
        }
    }
}

impl ApplicationAnswer {
    /// The answer for the application of an access token.
    #[must_use]
    pub fn new(token: &AccessToken) -> Self {
        Self {
            id: token.application.clone(),
            name: token.application.clone(),
            email: None,
            description: None,
            created_at: token.created.as_seconds(),
            last_updated: token.created.as_seconds(),
            root_user_id: None,
            identity_id: None,
        }
    }
}
