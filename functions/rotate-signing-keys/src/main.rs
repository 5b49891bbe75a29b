//! `rotate-signing-keys`: the steps of a rotation, called by Secrets Manager.

use rotate_signing_keys::RotateSigningKeys;
use shared::keyring::rotation::{Rotation, Windows};
use shared::start::Start;
use shared::{gateway, invoke};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::unrouted("rotate-signing-keys").await?;
    let rotation = Rotation {
        versions: start.aws.keyset(&start.config),
        clock: start.clock(),
        windows: Windows::of(&start.config.lifetimes),
        algorithm: start.config.signing_algorithm,
    };
    invoke::serve(RotateSigningKeys { rotation, secret: start.config.keyset_secret }).await
}
