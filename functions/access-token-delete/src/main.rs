//! `POST /api/1/access_token/{id}/delete`: end an access token at once.

use access_token_delete::AccessTokenDelete;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| AccessTokenDelete { api }).await
}
