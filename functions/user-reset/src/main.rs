//! `POST /user/reset`: a token from a message and a new password, in the place of a forgotten one.

use shared::gateway;
use shared::start::Start;
use user_reset::UserReset;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(UserReset { login: Start::new().await?.login().await? }).await
}
