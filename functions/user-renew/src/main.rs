//! `GET /user/renew`: a new JWT in the place of one that is still good.

use std::sync::Arc;

use shared::authorize::Verifier;
use shared::aws::Aws;
use shared::clock::SystemClock;
use shared::config::Config;
use shared::random::SystemRandom;
use shared::renewal::Renewer;
use shared::store::Lookup;
use shared::user::UserId;
use shared::{gateway, log};
use user_renew::UserRenew;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let config = Config::from_env()?;
    log::start(config.log_level);
    let aws = Aws::from_env()?;
    let (store, keyring) = (aws.store(&config), aws.keyring(&config));
    tokio::join!(store.warm(Lookup { users: vec![UserId::nobody("warm")], ..Lookup::default() }), keyring.warm());
    let verifier = Verifier { store, keyring, party: config.party, clock: Arc::new(SystemClock) };
    let renewer = Renewer { verifier, random: Arc::new(SystemRandom), longest: config.lifetimes.login_max };
    gateway::serve(UserRenew { renewer, lifetime: config.lifetimes.login_jwt }).await
}
