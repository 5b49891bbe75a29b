//! `GET /authheader/list`: list the caller's auth headers.

use authheader_list::AuthHeaderList;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(AuthHeaderList { verifier: Start::new().await?.verifier().await }).await
}
