//! `POST /api/1/authentication/persistent_login/create`: begin a persistent login.

use persistent_login_create::PersistentLoginCreate;
use shared::gateway;
use shared::start::{Reads, Start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let api = start.profile_api(Reads::Users).await;
    gateway::serve(PersistentLoginCreate { api, lifetime: start.config.persistent_login }).await
}
