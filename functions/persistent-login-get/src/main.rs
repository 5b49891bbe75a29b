//! `GET /api/1/authentication/persistent_login/{id}`: read a persistent login.

use persistent_login_get::PersistentLoginGet;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| PersistentLoginGet { api }).await
}
