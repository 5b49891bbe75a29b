//! `GET /user/sessions`: the caller's live sessions, for people to look through. Never a credential.

use shared::api::{self, Route, SessionAnswer};
use shared::authorize::Verifier;
use shared::clock::Timestamp;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::store::Store;
use shared::ticket::{Origin, Ticket};

/// The most recently used so many are listed: what one answer holds, and more than anybody looks through.
const MAX_LISTED: usize = 1000;

/// The endpoint.
pub struct UserSessions<S> {
    /// Checks the caller's JWT.
    pub verifier: Verifier<S>,
}

impl<S: Store> Endpoint for UserSessions<S> {
    fn route(&self) -> &'static Route {
        &api::USER_SESSIONS
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let session = self.verifier.login(&request).await?;
        let now = self.verifier.clock.now();
        let mut tickets = self.verifier.store.tickets(&session.user.id, now).await?;
        tickets.retain(|ticket| ticket.is_live(&session.user, now));
        for ticket in tickets.iter_mut().filter(|ticket| ticket.key == session.ticket.key) {
            ticket.last_request = now;
        }
        tickets.sort_by(|a, b| (b.last_request, &b.key).cmp(&(a.last_request, &a.key)));
        tickets.truncate(MAX_LISTED);
        let listed: Vec<_> =
            tickets.into_iter().map(|ticket| listed(ticket.key == session.ticket.key, ticket)).collect();
        Ok(Response::json(200, &listed))
    }
}

fn listed(current: bool, ticket: Ticket) -> SessionAnswer {
    SessionAnswer {
        id: ticket.key.session_id(),
        family: match ticket.origin {
            Origin::Login => "login",
            Origin::Ticket => "ticket",
            Origin::Profile => "profile",
        }
        .to_owned(),
        created: ticket.created.as_zoneless(),
        last_used: Timestamp::as_zoneless(ticket.last_request),
        expires: ticket.expires.as_zoneless(),
        network: ticket.source.network,
        user_agent: ticket.source.agent,
        current,
    }
}
