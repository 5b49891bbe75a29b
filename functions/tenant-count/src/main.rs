//! `GET /api/1/tenant/count`: count the tenants.

use shared::gateway;
use shared::start::{self, Reads};
use tenant_count::TenantCount;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| TenantCount { api }).await
}
