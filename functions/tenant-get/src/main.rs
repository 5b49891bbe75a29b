//! `GET /api/1/tenant/{name}`: read a tenant.

use shared::gateway;
use shared::start::{self, Reads};
use tenant_get::TenantGet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| TenantGet { api }).await
}
