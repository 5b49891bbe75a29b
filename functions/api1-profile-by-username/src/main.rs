//! `GET /api/1/profile/by_username`: find a profile by its user name.

use api1_profile_by_username::Api1ProfileByUsername;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileByUsername { api }).await
}
