//! `POST /authheader/rotate`: put a new auth header in the place of one.

use authheader_rotate::AuthHeaderRotate;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(AuthHeaderRotate { verifier: start.verifier().await, random: start.random() }).await
}
