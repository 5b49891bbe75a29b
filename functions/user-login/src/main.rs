//! `POST /user/login`: a user name and password for a JWT.

use shared::config::Config;
use shared::gateway;
use shared::start::Start;
use user_login::UserLogin;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let (login, keyring) = tokio::join!(start.login(), start.keyring());
    let Config { party, default_tenant, .. } = start.config;
    gateway::serve(UserLogin { login: login?, keyring, party, default_tenant }).await
}
