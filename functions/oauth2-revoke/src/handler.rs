//! `POST /oauth2/revoke`: end a JWT, ticket or auth header on behalf of an application (RFC 7009).

use shared::access_token::Action;
use shared::api::{self, Route};
use shared::audit;
use shared::authorize::{Generations, Inquiry, Plausible, Verifier, demand, demand_somewhere, unless_refused};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::jwt::Purpose;
use shared::store::{Store, Write};
use shared::ticket::TicketKey;

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
        let Inquiry { application, token } = self.verifier.inquiry(Purpose::End, &request).await?;
        // Before anything is said about the token, good or not.
        demand_somewhere(&application, Action::ManageTickets)?;
        let Some((plausible, found)) = token else { return Ok(Response::empty()) };
        // A JWT that was just renewed still renews, so ending it has to end its session.
        let judged = self.verifier.judge(Purpose::End, &plausible, found, Generations::OrJustReplaced);
        let Some(caller) = unless_refused(judged)? else { return Ok(Response::empty()) };
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
