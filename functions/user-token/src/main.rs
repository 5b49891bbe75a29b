//! `GET /user/token`: a new JWT of a chosen lifetime.

use shared::gateway;
use shared::start::Start;
use user_token::UserToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(UserToken { renewer: Start::new().await?.renewer().await }).await
}
