//! `POST /api/1/tenant/update`: change a tenant.

use shared::gateway;
use shared::start::{self, Reads};
use tenant_update::TenantUpdate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| TenantUpdate { api }).await
}
