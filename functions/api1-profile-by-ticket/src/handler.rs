//! `GET /api/1/profile/by_ticket`: read the profile whose ticket it is, and note its use.

use shared::api::{self, Route};
use shared::authorize::{demand_enabled, ticket_for};
use shared::error::Problem;
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_answer::ProfilesRequest;
use shared::profile_api::{MAX_NAME_BYTES, ProfileApi, READ_PROFILE, deferred};
use shared::store::{Lookup, Store, Write};
use shared::ticket::TicketKey;

const TICKET: &str = "ticketId";

/// The endpoint.
pub struct Api1ProfileByTicket<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
}

impl<S: Store> Endpoint for Api1ProfileByTicket<S> {
    fn route(&self) -> &'static Route {
        &api::API1_PROFILE_BY_TICKET
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let asked = ProfilesRequest::of(&request, &[TICKET], &[])?;
        let text = deferred(asked.parameters.required(TICKET, MAX_NAME_BYTES))?;
        let ticket = text.as_ref().ok().and_then(|text| TicketKey::of(text));
        let users = ticket.iter().map(|key| key.user.clone()).collect();
        let (application, mut found) =
            self.api.application(&asked.presented, Lookup { ticket, users, ..Lookup::default() }).await?;
        text?;
        let now = self.api.now();
        let ticket = ticket_for(&application, found.ticket.take(), READ_PROFILE, now)?.ok_or(Problem::TicketGone)?;
        let profile = found.user(&ticket.key.user).ok_or(Problem::TicketGone)?;
        if ticket.is_in_time(now) {
            demand_enabled(profile)?;
        }
        if !ticket.is_live(profile, now) {
            return Err(Problem::TicketGone);
        }
        if ticket.needs_touch(now) && self.api.store.touch_ticket(&ticket.key, now).await? == Write::Refused {
            return Err(Problem::TicketGone);
        }
        Ok(asked.answer(profile))
    }
}
