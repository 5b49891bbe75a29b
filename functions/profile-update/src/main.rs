//! `PUT /v1/profile/{id}`: change the name of a profile.

use profile_update::ProfileUpdate;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(ProfileUpdate { verifier: start.verifier().await }).await
}
