//! `POST /authheader/add`: make an auth header.

use authheader_add::AuthHeaderAdd;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(AuthHeaderAdd { verifier: start.verifier().await, random: start.random() }).await
}
