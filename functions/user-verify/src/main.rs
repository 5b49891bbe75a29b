//! `POST /user/verify`: a token from a message, which shows that the address it was sent to is the user's own.

use shared::gateway;
use shared::start::{Reads, Start};
use user_verify::UserVerify;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(UserVerify { store: start.store(Reads::Credentials).await, clock: start.clock() }).await
}
