//! `POST /api/1/profile/{id}/disable`: keep a profile from acting, and end what it holds.

use api1_profile_disable::Api1ProfileDisable;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileDisable { api }).await
}
