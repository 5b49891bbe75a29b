//! `GET /.well-known/openid-configuration`: where the issuer's keys are.

use openid_configuration::OpenidConfiguration;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let (keyring, clock) = (start.keyring().await, start.clock());
    gateway::serve(OpenidConfiguration { keyring, party: start.config.party, clock }).await
}
