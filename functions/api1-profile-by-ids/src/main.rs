//! `GET /api/1/profile/by_ids`: read several profiles.

use api1_profile_by_ids::Api1ProfileByIds;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileByIds { api }).await
}
