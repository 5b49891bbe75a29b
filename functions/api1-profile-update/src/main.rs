//! `POST /api/1/profile/{id}/update`: change a profile.

use api1_profile_update::Api1ProfileUpdate;
use shared::gateway;
use shared::start::{Reads, Start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(Api1ProfileUpdate { api: start.profile_api(Reads::Credentials).await, login: start.login().await? })
        .await
}
