//! `POST /api/1/profile/{id}/attributes/update`: set attributes of a profile.

use api1_profile_attributes_update::Api1ProfileAttributesUpdate;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileAttributesUpdate { api }).await
}
