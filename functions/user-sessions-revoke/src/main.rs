//! `POST /user/sessions/revoke`: end the caller's sessions.

use shared::gateway;
use shared::start::Start;
use user_sessions_revoke::UserSessionsRevoke;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    gateway::serve(UserSessionsRevoke { verifier: Start::new().await?.verifier().await }).await
}
