//! `GET /api/1/authentication/ticket/{id}`: read a ticket and note its use.

use std::sync::Arc;

use shared::api::{self, Route, TicketAnswer};
use shared::authorize::{Presented, application, managed_ticket};
use shared::clock::Clock;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::store::{Store, Write};

/// The endpoint.
pub struct TicketGet<S> {
    /// Where tickets are.
    pub store: S,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl<S: Store> Endpoint for TicketGet<S> {
    fn route(&self) -> &'static Route {
        &api::TICKET_GET
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let id = request.path_parameter("id")?;
        let mut wanted = presented.with_ticket(id)?;
        wanted.users = wanted.ticket.iter().map(|key| key.user.clone()).collect();
        let mut found = self.store.lookup(wanted).await?;
        let now = self.clock.now();
        let application = application(found.access_token.take(), now)?;
        let ticket = managed_ticket(&application, found.ticket.take(), now)?.ok_or(Problem::NoSuchTicket)?;
        let user = found.user(&ticket.key.user).ok_or(Problem::NoSuchTicket)?;
        if !ticket.is_live(user, now) {
            return Err(Problem::NoSuchTicket);
        }
        if ticket.needs_touch(now) && self.store.touch_ticket(&ticket.key, now).await? == Write::Refused {
            return Err(Problem::NoSuchTicket);
        }
        Ok(Response::json(200, &TicketAnswer::new(&ticket, id, now)))
    }
}
