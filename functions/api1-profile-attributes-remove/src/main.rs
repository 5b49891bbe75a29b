//! `POST /api/1/profile/{id}/attributes/remove`: remove attributes of a profile.

use api1_profile_attributes_remove::Api1ProfileAttributesRemove;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileAttributesRemove { api }).await
}
