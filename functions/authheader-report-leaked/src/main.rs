//! `POST /authheader/report-leaked`: end an auth header that was found somewhere.

use authheader_report_leaked::AuthHeaderReportLeaked;
use shared::gateway;
use shared::start::Start;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let start = Start::new().await?;
    gateway::serve(AuthHeaderReportLeaked { store: start.aws.store(&start.config) }).await
}
