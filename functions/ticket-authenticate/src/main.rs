//! `POST /api/1/authentication/authenticate`: a user name and password for a ticket.

use std::sync::Arc;

use shared::aws::Aws;
use shared::clock::SystemClock;
use shared::config::Config;
use shared::random::SystemRandom;
use shared::store::{LoginName, Lookup};
use shared::{gateway, log};
use ticket_authenticate::TicketAuthenticate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), gateway::Error> {
    let config = Config::from_env()?;
    log::start(config.log_level);
    let store = Aws::from_env()?.store(&config);
    store.warm(Lookup { credential: Some(LoginName::typed("*", "*")), ..Lookup::default() }).await;
    gateway::serve(TicketAuthenticate::new(store, Arc::new(SystemClock), Arc::new(SystemRandom), &config)?).await
}
