//! `POST /api/1/profile/create`: make a profile.

use api1_profile_create::Api1ProfileCreate;
use shared::gateway;
use shared::start::{Reads, Start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(Api1ProfileCreate {
        api: start.profile_api(Reads::Applications).await,
        login: start.login_reading(Reads::Users).await?,
        recovery: start.recovery().await,
    })
    .await
}
