//! `POST /api/1/profile/verification_token/{id}/delete`: end a token that was sent.

use shared::gateway;
use shared::start::{self, Reads};
use verification_token_delete::VerificationTokenDelete;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| VerificationTokenDelete { api }).await
}
