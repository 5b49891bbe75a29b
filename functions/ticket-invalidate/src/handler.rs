//! `POST /api/1/authentication/ticket/{id}/invalidate`: end a ticket; one that is over already stays so.

use std::sync::Arc;

use shared::api::{self, Route};
use shared::authorize::{Presented, application, managed_ticket};
use shared::clock::Clock;
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::store::Store;

/// The endpoint.
pub struct TicketInvalidate<S> {
    /// Where tickets are.
    pub store: S,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl<S: Store> Endpoint for TicketInvalidate<S> {
    fn route(&self) -> &'static Route {
        &api::TICKET_INVALIDATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let presented = Presented::alone(&request)?;
        let wanted = presented.with_ticket(request.path_parameter("id")?)?;
        let found = self.store.lookup(wanted).await?;
        let now = self.clock.now();
        let application = application(found.access_token, now)?;
        if let Some(ticket) = managed_ticket(&application, found.ticket, now)? {
            self.store.delete_ticket(&ticket.key).await?;
        }
        Ok(Response::empty())
    }
}
