//! `authorizer`: judges credentials for other services' APIs.

use authorizer::Authorizer;
use shared::start::Start;
use shared::{gateway, invoke};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::unrouted("authorizer").await?;
    invoke::serve(Authorizer { verifier: start.verifier().await, settings: start.config.authorizer }).await
}
