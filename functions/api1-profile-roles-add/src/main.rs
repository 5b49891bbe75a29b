//! `POST /api/1/profile/{id}/roles/add`: give roles to a profile.

use api1_profile_roles_add::Api1ProfileRolesAdd;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileRolesAdd { api }).await
}
