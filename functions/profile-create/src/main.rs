//! `POST /v1/profile`: make a profile.

use profile_create::ProfileCreate;
use shared::gateway;
use shared::start::{Reads, Start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let default_tenant = start.config.default_tenant.clone();
    gateway::serve(ProfileCreate { api: start.profile_api(Reads::Applications).await, default_tenant }).await
}
