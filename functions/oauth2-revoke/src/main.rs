//! `POST /oauth2/revoke`: end a token.

use oauth2_revoke::Oauth2Revoke;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(Oauth2Revoke { verifier: Start::new().await?.verifier().await }).await
}
