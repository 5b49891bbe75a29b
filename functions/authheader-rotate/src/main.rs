//! `POST /authheader/rotate`: put a new auth header in the place of one.

use std::sync::Arc;

use authheader_rotate::AuthHeaderRotate;
use shared::authorize::Verifier;
use shared::aws::Aws;
use shared::clock::SystemClock;
use shared::config::Config;
use shared::random::SystemRandom;
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
    let verifier = Verifier { store, keyring, party: config.party, clock: Arc::new(SystemClock) };
    gateway::serve(AuthHeaderRotate { verifier, random: Arc::new(SystemRandom) }).await
}
