//! `GET /v1/application`: read the calling application.

use application_get::ApplicationGet;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| ApplicationGet { api }).await
}
