//! `GET /api/1/profile/{id}`: read a profile.

use api1_profile_get::Api1ProfileGet;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileGet { api }).await
}
