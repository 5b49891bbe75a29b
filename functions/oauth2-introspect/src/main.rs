//! `POST /oauth2/introspect`: whether a token is good.

use oauth2_introspect::Oauth2Introspect;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(Oauth2Introspect { verifier: Start::new().await?.verifier().await }).await
}
