//! `GET /api/1/profile/range`: list profiles of a tenant.

use api1_profile_range::Api1ProfileRange;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| Api1ProfileRange { api }).await
}
