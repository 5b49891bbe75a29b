//! `rotate-signing-keys`: the steps of a rotation, called by Secrets Manager.

use std::sync::Arc;

use rotate_signing_keys::RotateSigningKeys;
use shared::aws::Aws;
use shared::clock::SystemClock;
use shared::config::Config;
use shared::keyring::rotation::{Rotation, Windows};
use shared::{gateway, invoke, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let config = Config::from_env()?;
    log::start(config.log_level);
    let rotation = Rotation {
        versions: Aws::from_env()?.keyset(&config),
        clock: Arc::new(SystemClock),
        windows: Windows::of(&config.lifetimes),
        algorithm: config.signing_algorithm,
    };
    invoke::serve(RotateSigningKeys { rotation, secret: config.keyset_secret }).await
}
