//! `GET /api/1/profile/verification_token/{id}`: read a token that was sent.

use shared::gateway;
use shared::start::{self, Reads};
use verification_token_get::VerificationTokenGet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| VerificationTokenGet { api }).await
}
