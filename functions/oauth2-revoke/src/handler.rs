//! `POST /oauth2/revoke`: end a JWT, ticket or auth header on behalf of an application (RFC 7009).

use shared::access_token::Action;
use shared::api::{self, Route};
use shared::audit;
use shared::authorize::{Client, Plausible, Shown, Verifier, demand, unless_refused};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::store::{Lookup, Store, Write};
use shared::ticket::TicketKey;

const TOKEN: &str = "token";
/// Taken and not needed: the three kinds differ in form.
const HINT: &str = "token_type_hint";
const MAX_TOKEN_BYTES: usize = shared::jwt::MAX_JWT_BYTES;

/// The endpoint.
pub struct Oauth2Revoke<S> {
    /// Judges the token.
    pub verifier: Verifier<S>,
}

impl<S: Store> Endpoint for Oauth2Revoke<S> {
    fn route(&self) -> &'static Route {
        &api::OAUTH2_REVOKE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let form = request.form(&[TOKEN, HINT])?;
        let token = form.with_value(TOKEN, MAX_TOKEN_BYTES)?;
        let client = Client::in_request(&request)?;
        let plausible = unless_refused(self.verifier.plausible(Shown::of_form(token)).await)?;
        let wanted = plausible.as_ref().map(Plausible::lookup).unwrap_or_default();
        let mut found = self.verifier.store.lookup(Lookup { access_token: Some(client.digest()), ..wanted }).await?;
        let application = client.application(found.access_token.take(), self.verifier.clock.now())?;
        let Some(plausible) = plausible else { return Ok(Response::empty()) };
        let Some(caller) = unless_refused(self.verifier.judge(&plausible, found))? else {
            return Ok(Response::empty());
        };
        // One of a tenant that the application has nothing to do with answers like one that does not exist.
        if application.knows(&caller.user.tenant) {
            demand(&application, &[Action::ManageTickets], caller.user.tenant.as_str())?;
            self.end(&plausible).await?;
        } else {
            audit::detail("another_tenant");
        }
        Ok(Response::empty())
    }
}

impl<S: Store> Oauth2Revoke<S> {
    async fn end(&self, plausible: &Plausible) -> Result<(), Problem> {
        match plausible {
            Plausible::Jwt(verified) => self.end_ticket(&verified.ticket_key()).await,
            Plausible::Ticket(key) => self.end_ticket(key).await,
            Plausible::AuthHeader(key) => {
                audit::subject(&key.digest.to_base64url());
                match self.verifier.store.delete_auth_header(key).await? {
                    // Somebody else ended it meanwhile.
                    Write::Done | Write::Refused => Ok(()),
                }
            }
        }
    }

    async fn end_ticket(&self, key: &TicketKey) -> Result<(), Problem> {
        audit::subject(&key.session_id());
        Ok(self.verifier.store.delete_ticket(key).await?)
    }
}
