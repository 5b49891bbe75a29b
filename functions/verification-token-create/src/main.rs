//! `POST /api/1/profile/{id}/verification_token/create`: a token that shows whose an address is.

use shared::gateway;
use shared::start::{self, Reads};
use verification_token_create::VerificationTokenCreate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| VerificationTokenCreate { api }).await
}
