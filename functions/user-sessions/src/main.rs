//! `GET /user/sessions`: the caller's live sessions.

use shared::gateway;
use shared::start::Start;
use user_sessions::UserSessions;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(UserSessions { verifier: Start::new().await?.verifier().await }).await
}
