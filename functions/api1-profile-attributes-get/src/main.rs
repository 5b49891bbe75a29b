//! `GET /api/1/profile/{id}/attributes`: read the attributes of a profile.

use api1_profile_attributes_get::Api1ProfileAttributesGet;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileAttributesGet { api }).await
}
