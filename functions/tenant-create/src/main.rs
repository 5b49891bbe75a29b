//! `POST /api/1/tenant/create`: make a tenant.

use shared::gateway;
use shared::start::{self, Reads};
use tenant_create::TenantCreate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| TenantCreate { api }).await
}
