//! `POST /authheader/delete`: delete one of the caller's auth headers.

use authheader_delete::AuthHeaderDelete;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(AuthHeaderDelete { verifier: Start::new().await?.verifier().await }).await
}
