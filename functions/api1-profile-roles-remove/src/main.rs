//! `POST /api/1/profile/{id}/roles/remove`: take roles from a profile.

use api1_profile_roles_remove::Api1ProfileRolesRemove;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileRolesRemove { api }).await
}
