//! `POST /api/1/access_token/create`: make an access token.

use access_token_create::AccessTokenCreate;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| AccessTokenCreate { api }).await
}
