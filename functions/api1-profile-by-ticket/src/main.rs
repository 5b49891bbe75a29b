//! `GET /api/1/profile/by_ticket`: read the profile whose ticket it is, and note its use.

use api1_profile_by_ticket::Api1ProfileByTicket;
use shared::gateway;
use shared::start::{self, Reads};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    start::profile_api(Reads::Users, |api| Api1ProfileByTicket { api }).await
}
