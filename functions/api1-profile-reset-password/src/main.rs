//! `POST /api/1/profile/{id}/reset_password`: a message with a token for a new password.

use api1_profile_reset_password::Api1ProfileResetPassword;
use shared::gateway;
use shared::start::{Reads, Start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let (api, recovery) = tokio::join!(start.profile_api(Reads::Users), start.recovery());
    gateway::serve(Api1ProfileResetPassword { api, recovery }).await
}
