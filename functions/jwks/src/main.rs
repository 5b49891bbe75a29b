//! `GET /.well-known/jwks.json`: the public signing keys.

use jwks::Jwks;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(Jwks { keyring: start.keyring().await, clock: start.clock() }).await
}
