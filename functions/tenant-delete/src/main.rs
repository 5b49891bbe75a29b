//! `POST /api/1/tenant/{name}/delete`: delete a tenant with everybody in it.

use shared::gateway;
use shared::start::{Reads, Start};
use shared::tenant_deletion::Pace;
use tenant_delete::TenantDelete;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let api = start.profile_api(Reads::Applications).await;
    gateway::serve(TenantDelete { api, pace: Pace::ONE_CALL }).await
}
