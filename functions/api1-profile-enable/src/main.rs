//! `POST /api/1/profile/{id}/enable`: let a profile act again.

use api1_profile_enable::Api1ProfileEnable;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileEnable { api }).await
}
