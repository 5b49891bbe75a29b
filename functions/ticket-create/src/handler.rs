//! `POST /api/1/authentication/ticket/create`: a ticket for a profile that the application authenticated by other means.

use shared::access_token::Action;
use shared::api::{self, Route, TicketAnswer};
use shared::authorize::{Presented, demand_enabled};
use shared::config::Lifetimes;
use shared::error::{self, Problem};
use shared::gateway::{Endpoint, Request, Response};
use shared::profile_api::{PROFILE_PARAMETER, ProfileApi};
use shared::store::Store;
use shared::tenant::Tenants;
use shared::ticket::{Origin, Ticket};

/// The endpoint.
pub struct TicketCreate<S> {
    /// The Profile API's store, clock and randomness.
    pub api: ProfileApi<S>,
    /// How long the stack lets live what it issues.
    pub lifetimes: Lifetimes,
    /// The rules of tenants.
    pub tenants: Tenants,
}

impl<S: Store> Endpoint for TicketCreate<S> {
    fn route(&self) -> &'static Route {
        &api::TICKET_CREATE
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let (presented, parameters) = Presented::among(&request, &[PROFILE_PARAMETER])?;
        let profile = self.api.named_profile(&presented, &parameters, &[Action::ManageTickets]).await?;
        demand_enabled(&profile)?;
        let now = self.api.now();
        let settings = self.tenants.settings(&self.api.store, &profile.tenant, now).await?;
        // A tenant that is gone takes its users with it, sooner or later.
        let limits = settings.ok_or(Problem::NoSuchProfile)?.lifetimes.within(&self.lifetimes).ticket;
        let source = request.source().clone();
        let (ticket, token) = Ticket::issue(&profile, Origin::Ticket, limits, source, now, &*self.api.random);
        error::new(self.api.store.create_ticket(&ticket).await?)?;
        Ok(Response::json(200, &TicketAnswer::new(&ticket, token.expose_secret(), now)))
    }
}
