//! `GET /api/1/authentication/ticket/{id}`: read a ticket and note its use.

use std::sync::Arc;

use shared::aws::Aws;
use shared::clock::SystemClock;
use shared::config::Config;
use shared::store::Lookup;
use shared::user::UserId;
use shared::{gateway, log};
use ticket_get::TicketGet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let config = Config::from_env()?;
    log::start(config.log_level);
    let store = Aws::from_env()?.store(&config);
    store.warm(Lookup { users: vec![UserId::nobody("warm")], ..Lookup::default() }).await;
    gateway::serve(TicketGet { store, clock: Arc::new(SystemClock) }).await
}
