//! `POST /v1/profile/{id}/authenticate`: a JWT of a chosen duration for a profile.

use profile_authenticate::ProfileAuthenticate;
use shared::gateway;
use shared::start::Start;
use shared::tenant::Tenants;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    let (verifier, random, lifetimes) = (start.verifier().await, start.random(), start.config.lifetimes);
    gateway::serve(ProfileAuthenticate { verifier, random, lifetimes, tenants: Tenants::default() }).await
}
