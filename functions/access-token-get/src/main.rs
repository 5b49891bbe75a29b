//! `GET /api/1/access_token/{id}`: read an access token.

use access_token_get::AccessTokenGet;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| AccessTokenGet { api }).await
}
