//! `POST /oauth2/introspect`: whether a JWT, ticket or auth header is good, for an application's own servers (RFC 7662).

use shared::access_token::{AccessToken, Action};
use shared::api::{self, ActiveToken, Introspection, Route};
use shared::audit;
use shared::authorize::{Caller, Generations, Inquiry, Plausible, Verifier, unless_refused};
use shared::clock::Timestamp;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::jwt::Purpose;
use shared::store::{Found, Store};

/// The endpoint.
pub struct Oauth2Introspect<S> {
    /// Judges the token.
    pub verifier: Verifier<S>,
}

impl<S: Store> Endpoint for Oauth2Introspect<S> {
    fn route(&self) -> &'static Route {
        &api::OAUTH2_INTROSPECT
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let Inquiry { application, token } = self.verifier.inquiry(Purpose::Use, &request).await?;
        let token = match token {
            Some((plausible, found)) => self.active(&plausible, found, &application).await?,
            None => None,
        };
        Ok(Response::json(200, &Introspection { active: token.is_some(), token }))
    }
}

impl<S: Store> Oauth2Introspect<S> {
    /// What is to be told of the token, if it is good and the application may read its tenant.
    async fn active(
        &self,
        plausible: &Plausible,
        found: Found,
        application: &AccessToken,
    ) -> Result<Option<ActiveToken>, Problem> {
        let judged = self.verifier.judge(Purpose::Use, plausible, found, Generations::Current);
        let Some(caller) = unless_refused(judged)? else { return Ok(None) };
        if !application.allows(Action::ReadTenant, &caller.user.tenant) {
            audit::detail("another_tenant");
            return Ok(None);
        }
        let noted = unless_refused(self.verifier.note_use(plausible, &caller).await)?;
        Ok(noted.map(|()| self.described(plausible, caller)))
    }

    fn described(&self, plausible: &Plausible, caller: Caller) -> ActiveToken {
        let jwt = match plausible {
            Plausible::Jwt(verified) => Some(verified),
            Plausible::AuthHeader(_) | Plausible::Ticket(_) => None,
        };
        ActiveToken {
            credential: caller.credential.as_str().to_owned(),
            sub: caller.user.id.to_string(),
            username: caller.user.name.as_str().to_owned(),
            tenant: caller.user.tenant.to_string(),
            roles: caller.user.roles,
            scope: (!caller.scopes.is_empty()).then(|| caller.scopes.join(" ")),
            iat: caller.issued.as_seconds(),
            exp: caller.expires.map(Timestamp::as_seconds),
            iss: self.verifier.party.issuer.clone(),
            aud: jwt.map(|_| self.verifier.party.audience.clone()),
            jti: jwt.map(|verified| verified.id.clone()),
            token_type: jwt.map(|_| "Bearer".to_owned()),
        }
    }
}
