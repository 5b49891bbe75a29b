//! `POST /api/1/profile/{id}/delete`: delete a profile with everything that is its own.

use api1_profile_delete::Api1ProfileDelete;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileDelete { api }).await
}
