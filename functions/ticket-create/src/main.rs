//! `POST /api/1/authentication/ticket/create`: a ticket for a profile that the application authenticated by other means.

use shared::gateway;
use shared::start::{Reads, Start};
use shared::tenant::Tenants;
use ticket_create::TicketCreate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let api = start.profile_api(Reads::Users).await;
    gateway::serve(TicketCreate { api, lifetimes: start.config.lifetimes, tenants: Tenants::default() }).await
}
