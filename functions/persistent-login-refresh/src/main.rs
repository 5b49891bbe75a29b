//! `POST /api/1/authentication/persistent_login/{id}/refresh_token`: a new token for a persistent login.

use persistent_login_refresh::PersistentLoginRefresh;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| PersistentLoginRefresh { api }).await
}
