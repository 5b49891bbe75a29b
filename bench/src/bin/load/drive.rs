//! Sends clients to work: as many at a time as asked for, or so many requests a second whatever becomes of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bench::Error;
use tokio::task::{JoinError, JoinSet};

use crate::client::Client;
use crate::gateway::{By, Gateway, REST};
use crate::stage::Domain;
use crate::tally::Tally;

/// Everybody, and what they call.
pub struct Crowd {
    /// The functions.
    pub gateway: Gateway,
    /// The tenants.
    pub domains: Vec<Domain>,
    idle: Mutex<VecDeque<Client>>,
}

impl Crowd {
    /// All of them idle.
    pub fn new(gateway: Gateway, domains: Vec<Domain>, clients: VecDeque<Client>) -> Self {
        Self { gateway, domains, idle: Mutex::new(clients) }
    }

    /// Whose last turn is the longest ago.
    fn take(&self) -> Option<Client> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn give_back(&self, client: Client) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(client);
    }

    async fn turn(&self, mut client: Client, tally: &Tally, due: Instant) -> By {
        let by = client.step(&self.gateway, &self.domains, tally, due).await;
        self.give_back(client);
        by
    }
}

/// So many requests at a time, each client waiting for its answer, for so long.
pub async fn closed(crowd: &Arc<Crowd>, tally: &Arc<Tally>, parallel: usize, length: Duration) -> Result<(), Error> {
    let end = Instant::now() + length;
    let mut workers = JoinSet::new();
    for _ in 0..parallel {
        let (crowd, tally) = (Arc::clone(crowd), Arc::clone(tally));
        workers.spawn(async move {
            while Instant::now() < end {
                let by = match crowd.take() {
                    Some(client) => crowd.turn(client, &tally, Instant::now()).await,
                    None => By::NoRoom,
                };
                rest(by).await;
            }
        });
    }
    finished(workers).await
}

/// So many requests a second for so long, however the ones before are doing. The times are counted from when a request
/// was due. Tells how many of them there was no idle client for.
pub async fn open(crowd: &Arc<Crowd>, tally: &Arc<Tally>, rate: f64, length: Duration) -> Result<u64, Error> {
    let (start, mut number, mut unsent) = (Instant::now(), 0.0, 0);
    let mut turns = JoinSet::new();
    loop {
        let due = start + Duration::from_secs_f64(number / rate);
        if due >= start + length {
            break;
        }
        number += 1.0;
        tokio::time::sleep_until(due.into()).await;
        match crowd.take() {
            Some(client) => {
                let (crowd, tally) = (Arc::clone(crowd), Arc::clone(tally));
                turns.spawn(async move {
                    crowd.turn(client, &tally, due).await;
                });
            }
            None => unsent += 1,
        }
        while let Some(done) = turns.try_join_next() {
            sound(done)?;
        }
    }
    finished(turns).await?;
    Ok(unsent)
}

/// Lets every client try everything that it was ever given. They are gone afterwards.
pub async fn read_back(crowd: &Arc<Crowd>, tally: &Arc<Tally>, parallel: usize) -> Result<(), Error> {
    let mut workers = JoinSet::new();
    for _ in 0..parallel {
        let (crowd, tally) = (Arc::clone(crowd), Arc::clone(tally));
        workers.spawn(async move {
            while let Some(mut client) = crowd.take() {
                while let Some(by) = client.read_back(&crowd.gateway, &crowd.domains, &tally).await {
                    rest(by).await;
                }
            }
        });
    }
    finished(workers).await
}

async fn rest(by: By) {
    if by != By::Function {
        tokio::time::sleep(REST).await;
    }
}

async fn finished(mut tasks: JoinSet<()>) -> Result<(), Error> {
    while let Some(done) = tasks.join_next().await {
        sound(done)?;
    }
    Ok(())
}

fn sound(done: Result<(), JoinError>) -> Result<(), Error> {
    done.map_err(|_| Error::Event("a client panicked"))
}
