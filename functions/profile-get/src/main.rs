//! `GET /v1/profile/{id}`: read a profile.

use profile_get::ProfileGet;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(ProfileGet { verifier: start.verifier().await }).await
}
