//! `POST /api/1/profile/change_password`: a token from a message and a new password, in the place of a forgotten one.

use api1_profile_change_password::Api1ProfileChangePassword;
use shared::gateway;
use shared::start::{Reads, Start};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let (api, login) = tokio::join!(start.profile_api(Reads::Credentials), start.login());
    gateway::serve(Api1ProfileChangePassword { api, login: login? }).await
}
