//! `POST /api/1/authentication/ticket/{id}/invalidate`: end a ticket.

use shared::gateway;
use shared::start::{Reads, Start};
use ticket_invalidate::TicketInvalidate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(TicketInvalidate { store: start.store(Reads::Applications).await, clock: start.clock() }).await
}
