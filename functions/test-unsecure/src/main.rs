//! `GET /test/unsecure`: try the connection.

use shared::{gateway, start};
use test_unsecure::TestUnsecure;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::settings().await?;
    gateway::serve(TestUnsecure).await
}
