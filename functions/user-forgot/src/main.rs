//! `POST /user/forgot`: a message with a token for who forgot a password.

use shared::gateway;
use shared::login::Login;
use shared::start::{Reads, Start};
use user_forgot::UserForgot;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let (store, recovery) = tokio::join!(start.store(Reads::Credentials), start.recovery());
    // It finds accounts and hashes nothing, so it may not read the pepper, and doesn't.
    let hasher = start.hasher().await?;
    let login = Login::new(store, hasher, start.clock(), start.random(), &start.config);
    gateway::serve(UserForgot { login, recovery, default_tenant: start.config.default_tenant }).await
}
