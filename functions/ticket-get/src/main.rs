//! `GET /api/1/authentication/ticket/{id}`: read a ticket and note its use.

use shared::gateway;
use shared::start::{Reads, Start};
use ticket_get::TicketGet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(TicketGet { store: start.store(Reads::Users).await, clock: start.clock() }).await
}
