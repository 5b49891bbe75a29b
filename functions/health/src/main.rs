//! `GET /health`: whether the store and the signing keys are in reach.

use health::Health;
use shared::gateway;
use shared::start::{Reads, Start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let (store, keyring) = tokio::join!(start.store(Reads::Users), start.keyring());
    gateway::serve(Health { store, keyring, clock: start.clock() }).await
}
