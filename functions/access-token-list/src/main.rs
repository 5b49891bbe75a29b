//! `GET /api/1/access_token/all`: list the access tokens.

use access_token_list::AccessTokenList;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Applications, |api| AccessTokenList { api }).await
}
