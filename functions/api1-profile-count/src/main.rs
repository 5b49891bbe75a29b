//! `GET /api/1/profile/count`: count the profiles of a tenant.

use api1_profile_count::Api1ProfileCount;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| Api1ProfileCount { api }).await
}
