//! `GET /.well-known/jwks.json`: the public signing keys.

use std::sync::Arc;

use jwks::Jwks;
use shared::aws::Aws;
use shared::clock::SystemClock;
use shared::config::Config;
use shared::{gateway, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let config = Config::from_env()?;
    log::start(config.log_level);
    let keyring = Aws::from_env()?.keyring(&config);
    keyring.warm().await;
    gateway::serve(Jwks { keyring, clock: Arc::new(SystemClock) }).await
}
