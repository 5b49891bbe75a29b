//! `GET /api/1/tenant/all`: list the tenants.

use shared::gateway;
use shared::start::{self, Reads};
use tenant_list::TenantList;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| TenantList { api }).await
}
