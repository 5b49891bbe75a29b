//! `GET /health`: whether the store and the signing keys are in reach.

use std::sync::Arc;

use health::Health;
use shared::aws::Aws;
use shared::clock::SystemClock;
use shared::config::Config;
use shared::store::Lookup;
use shared::user::UserId;
use shared::{gateway, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let config = Config::from_env()?;
    log::start(config.log_level);
    let aws = Aws::from_env()?;
    let (store, keyring) = (aws.store(&config), aws.keyring(&config));
    tokio::join!(store.warm(Lookup { users: vec![UserId::nobody("warm")], ..Lookup::default() }), keyring.warm());
    gateway::serve(Health { store, keyring, clock: Arc::new(SystemClock) }).await
}
