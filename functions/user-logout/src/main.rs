//! `GET /user/logout`: end a JWT and its ticket.

use shared::gateway;
use shared::start::Start;
use user_logout::UserLogout;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(UserLogout { verifier: Start::new().await?.verifier().await }).await
}
