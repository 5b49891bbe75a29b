//! `GET /user/renew`: a new JWT in the place of one that is still good.

use shared::gateway;
use shared::start::Start;
use user_renew::UserRenew;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(UserRenew { renewer: Start::new().await?.renewer().await }).await
}
