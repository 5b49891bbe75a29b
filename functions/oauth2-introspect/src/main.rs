//! `POST /oauth2/introspect`: whether a token is good.

use std::sync::Arc;

use oauth2_introspect::Oauth2Introspect;
use shared::authorize::Verifier;
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
    let verifier = Verifier { store, keyring, party: config.party, clock: Arc::new(SystemClock) };
    gateway::serve(Oauth2Introspect { verifier }).await
}
