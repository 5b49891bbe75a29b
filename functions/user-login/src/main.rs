//! `POST /user/login`: a user name and password for a JWT.

use std::sync::Arc;

use shared::aws::Aws;
use shared::clock::SystemClock;
use shared::config::Config;
use shared::random::SystemRandom;
use shared::store::{LoginName, Lookup};
use shared::{gateway, log};
use user_login::UserLogin;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let config = Config::from_env()?;
    log::start(config.log_level);
    let aws = Aws::from_env()?;
    let (store, keyring) = (aws.store(&config), aws.keyring(&config));
    let nobody = Lookup { credential: Some(LoginName::typed("*", "*")), ..Lookup::default() };
    tokio::join!(store.warm(nobody), keyring.warm());
    gateway::serve(UserLogin::new(store, keyring, Arc::new(SystemClock), Arc::new(SystemRandom), &config)?).await
}
