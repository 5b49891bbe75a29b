//! `POST /api/1/authentication/authenticate`: a user name and password for a ticket.

use shared::gateway;
use shared::start::Start;
use ticket_authenticate::TicketAuthenticate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(TicketAuthenticate { login: Start::new().await?.login().await? }).await
}
