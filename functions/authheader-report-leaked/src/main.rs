//! `POST /authheader/report-leaked`: end an auth header that was found somewhere.

use authheader_report_leaked::AuthHeaderReportLeaked;
use shared::aws::Aws;
use shared::config::Config;
use shared::{gateway, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let config = Config::from_env()?;
    log::start(config.log_level);
    let store = Aws::from_env()?.store(&config);
    gateway::serve(AuthHeaderReportLeaked { store }).await
}
