//! `GET /test/unsecure`: try the connection.

use shared::config::Config;
use shared::{gateway, log};
use test_unsecure::TestUnsecure;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    log::start(Config::from_env()?.log_level);
    gateway::serve(TestUnsecure).await
}
