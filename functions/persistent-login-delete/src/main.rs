//! `POST /api/1/authentication/persistent_login/{id}/delete`: end a persistent login.

use persistent_login_delete::PersistentLoginDelete;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| PersistentLoginDelete { api }).await
}
