//! Where every call to the outside stops until the scheduler lets it go on.
//!
//! Invariant: between two decisions of the scheduler nothing can go on by itself, so that a run is what its seed makes
//! of it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use shared::auth_header::AuthHeaderKey;
use shared::clock::Timestamp;
use shared::lockout::{CounterKey, Place};
use shared::store::LoginName;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done and answered.
    Go,
    /// It fails, and nothing was done: an outage, or throttled to the end.
    LostBefore,
    /// It is done, and its answer is lost.
    LostAfter,
    /// A read of several items sees the users at one moment and the rest at another.
    Torn {
        /// Which part comes first.
        users_first: bool,
    },
}

/// What a commit in the store means for an invariant. A commit whose answer was lost counts like any other.
#[derive(Debug)]
pub enum Fact {
    /// A guess that told its maker something: it had to pass `locks`, and was counted in `counted`.
    Guess {
        /// Whose password.
        name: LoginName,
        /// What it had to pass.
        locks: Vec<CounterKey>,
        /// Where it was counted.
        counted: Vec<CounterKey>,
        /// When, by the clock of its environment.
        at: Timestamp,
    },
    /// A right password opened the account: the guesses of its network are forgotten.
    Opened {
        /// Whose.
        name: LoginName,
        /// What it had to pass.
        locks: Vec<CounterKey>,
        /// From where.
        place: Place,
        /// When.
        at: Timestamp,
    },
    /// Guesses that are forgotten.
    Forgotten {
        /// Whose.
        name: LoginName,
        /// Which; `None` for all.
        counters: Option<Vec<CounterKey>>,
    },
    /// An account goes by another name.
    Renamed {
        /// The old one.
        from: LoginName,
        /// The new one.
        to: LoginName,
    },
    /// Something that can be used once was used.
    Used(String),
    /// An auth header was stored.
    Header(AuthHeaderKey),
    /// Users or names changed.
    Accounts,
}

struct Waiting {
    environment: usize,
    flight: u64,
    operation: &'static str,
    verdict: Option<Verdict>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<u64, Waiting>,
    calls: u64,
    flights: BTreeMap<usize, u64>,
    facts: Vec<(usize, Fact)>,
}

/// All calls that wait; clones share them.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<State>>);

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number: they count up.
    pub call: u64,
    /// Whose it is.
    pub environment: usize,
    /// The environment's how manieth request began it. What goes on beside a request may outlast it.
    pub flight: u64,
    /// What it asks for.
    pub operation: &'static str,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which request of an environment calls from now on are of.
    pub fn begin(&self, environment: usize, flight: u64) {
        self.lock().flights.insert(environment, flight);
    }

    /// Waits for what the scheduler says.
    pub fn pass(&self, environment: usize, operation: &'static str) -> impl Future<Output = Verdict> + Send + use<> {
        Gate { hub: self.clone(), environment, operation, call: None }
    }

    /// What waits, the oldest first.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        let state = self.lock();
        let undecided = state.waiting.iter().filter(|(_, waiting)| waiting.verdict.is_none());
        undecided
            .map(|(call, waiting)| Pending {
                call: *call,
                environment: waiting.environment,
                flight: waiting.flight,
                operation: waiting.operation,
            })
            .collect()
    }

    /// Lets a call go on.
    pub fn release(&self, call: u64, verdict: Verdict) {
        let mut state = self.lock();
        let waker = state.waiting.get_mut(&call).and_then(|waiting| {
            waiting.verdict = Some(verdict);
            waiting.waker.take()
        });
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Forgets a call for ever: its environment died.
    pub fn forget(&self, call: u64) {
        self.lock().waiting.remove(&call);
    }

    /// Notes a commit.
    pub fn note(&self, environment: usize, fact: Fact) {
        self.lock().facts.push((environment, fact));
    }

    /// The commits since the last time this was asked, with their environments.
    #[must_use]
    pub fn take_facts(&self) -> Vec<(usize, Fact)> {
        std::mem::take(&mut self.lock().facts)
    }
}

struct Gate {
    hub: Hub,
    environment: usize,
    operation: &'static str,
    call: Option<u64>,
}

impl Future for Gate {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Verdict> {
        let hub = self.hub.clone();
        let mut state = hub.lock();
        let Some(call) = self.call else {
            state.calls += 1;
            let call = state.calls;
            let waker = Some(context.waker().clone());
            let (environment, operation) = (self.environment, self.operation);
            let flight = state.flights.get(&environment).copied().unwrap_or_default();
            let waiting = Waiting { environment, flight, operation, verdict: None, waker };
            state.waiting.insert(call, waiting);
            self.call = Some(call);
            return Poll::Pending;
        };
        // One that was forgotten waits for ever.
        let Some(waiting) = state.waiting.get_mut(&call) else { return Poll::Pending };
        let Some(verdict) = waiting.verdict else {
            waiting.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        state.waiting.remove(&call);
        Poll::Ready(verdict)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.hub.forget(call);
        }
    }
}
