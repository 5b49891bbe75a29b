//! `GET /test/secure`: try a credential.

use shared::gateway;
use shared::start::Start;
use test_secure::TestSecure;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(TestSecure { verifier: Start::new().await?.verifier().await }).await
}
