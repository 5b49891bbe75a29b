//! `POST /api/1/authentication/ticket/{id}/invalidate`: end a ticket.

use std::sync::Arc;

use shared::aws::Aws;
use shared::clock::SystemClock;
use shared::config::Config;
use shared::secret::Digest;
use shared::store::Lookup;
use shared::{gateway, log};
use ticket_invalidate::TicketInvalidate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let config = Config::from_env()?;
    log::start(config.log_level);
    let store = Aws::from_env()?.store(&config);
    store.warm(Lookup { access_token: Some(Digest::of(b"warm")), ..Lookup::default() }).await;
    gateway::serve(TicketInvalidate { store, clock: Arc::new(SystemClock) }).await
}
