//! `POST /api/1/profile/verify`: note, by a token, that an address is the profile's own.

use api1_profile_verify::Api1ProfileVerify;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileVerify { api }).await
}
