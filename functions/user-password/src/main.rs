//! `POST /user/password`: a new password in the place of the old one.

use shared::gateway;
use shared::start::Start;
use user_password::UserPassword;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(UserPassword { login: start.login().await?, default_tenant: start.config.default_tenant }).await
}
