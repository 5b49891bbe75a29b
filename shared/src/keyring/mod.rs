//! The keyring: the stack's keyset, read from Secrets Manager and cached by wall clock.
//!
//! Invariant: keys are used for at most [`FRESH`] without asking again, and for at most [`STALE`] while nobody answers;
//! an answer that is no keyset ends them at once. Whatever a client sends, one environment asks at most once in
//! [`RETRY`] beyond that, and once in two seconds while it has no keys at all.

mod keyset;
pub mod rotation;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
pub use keyset::{Algorithm, Key, KeySet, KeySetError};
use zeroize::Zeroizing;

use crate::clock::{Clock, Timestamp};
use crate::metrics;

/// How long a keyset is used without asking again.
pub const FRESH: Duration = Duration::from_secs(300);
/// How long a keyset is used while Secrets Manager can't be reached.
pub const STALE: Duration = Duration::from_secs(3600);
/// The shortest pause between two reads that an unknown key id, or a failed read, brings about.
pub const RETRY: Duration = Duration::from_secs(30);

/// Signing keys can't be had: an outage, never a reason to call a credential wrong.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Secrets Manager did not answer.
    #[error("the signing keys could not be read")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answered something that is no keyset.
    #[error("the signing keys can't be used")]
    Unusable(#[from] KeySetError),
    /// There are keys, but none may sign now.
    #[error("no signing key is in its signing window")]
    NoneSigns,
    /// The key that signs is of an algorithm that the tenant does not allow.
    #[error("the tenant does not allow what the stack signs with ({})", .0.as_str())]
    NotAllowed(Algorithm),
    /// The crypto library failed.
    #[error("signing failed")]
    Signing,
    /// The user's roles make a token that nobody would accept: too long for a header, and for us.
    #[error("the token is too long: the user has too many roles")]
    TooLong,
}

/// Where the keyset's text comes from.
pub trait KeySource: Send + Sync + 'static {
    /// Reads the current text.
    fn fetch(&self) -> BoxFuture<'_, Result<Zeroizing<String>, KeyringError>>;
}

/// How long a failed read is answered without another, where there are no keys to go on with.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct State {
    keys: Option<Fetched>,
    last_read: Option<Read>,
}

struct Fetched {
    keys: Arc<KeySet>,
    at: Timestamp,
}

#[derive(Clone, Copy)]
struct Read {
    at: Timestamp,
    failed: bool,
}

/// The cached keyset of one environment.
pub struct Keyring {
    source: Box<dyn KeySource>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    reading: tokio::sync::Mutex<()>,
    /// Whether the keys were read and no request has told of it yet: the first read is before any request.
    untold: AtomicBool,
}

impl Keyring {
    /// An empty keyring; the first use reads the keys.
    pub fn new(source: impl KeySource, clock: Arc<dyn Clock>) -> Self {
        Self {
            source: Box::new(source),
            clock,
            state: Mutex::default(),
            reading: tokio::sync::Mutex::new(()),
            untold: AtomicBool::new(false),
        }
    }

    /// Reads the keys now, so that the first request need not. A failure is left to that request to report.
    pub async fn warm(&self) {
        if let Err(error) = self.read().await {
            tracing::warn!(error = %error, "the signing keys could not be read while starting");
        }
    }

    /// The keyset, asking again when the cached one is no longer fresh.
    pub async fn current(&self) -> Result<Arc<KeySet>, KeyringError> {
        let keys = self.cached_or_read().await?;
        if self.untold.swap(false, Ordering::Relaxed) {
            let now = self.clock.now();
            keys.signing_key(now).map(|key| now.since(key.sign_after)).into_iter().for_each(metrics::signing_key_age);
        }
        Ok(keys)
    }

    async fn cached_or_read(&self) -> Result<Arc<KeySet>, KeyringError> {
        if let Some(answer) = self.cached() {
            return answer;
        }
        let _one_reader = self.reading.lock().await;
        if let Some(answer) = self.cached() {
            return answer;
        }
        match self.read().await {
            Err(error @ KeyringError::Unreachable(_)) => {
                tracing::warn!(error = %error, "the signing keys could not be read");
                self.stale().ok_or(error)
            }
            answer => answer,
        }
    }

    /// The keyset, for a token that names the key `kid`: an unknown name is worth one more read, but rarely. While that
    /// can't be had, such a token can't be judged, which is an outage and no refusal.
    pub async fn for_kid(&self, kid: &str) -> Result<Arc<KeySet>, KeyringError> {
        let keys = self.current().await?;
        if keys.verifying_key(kid, self.clock.now()).is_some() {
            return Ok(keys);
        }
        let _one_reader = self.reading.lock().await;
        match self.last_read_within(RETRY) {
            Some(Read { failed: false, .. }) => self.stale().ok_or_else(failed_lately),
            Some(Read { failed: true, .. }) => Err(failed_lately()),
            None => self.read().await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last_read_within(&self, window: Duration) -> Option<Read> {
        let now = self.clock.now();
        self.lock().last_read.filter(|read| is_within(read.at, now, window))
    }

    /// The cached keys, however old within [`STALE`].
    fn stale(&self) -> Option<Arc<KeySet>> {
        self.cached_within(STALE)
    }

    fn cached_within(&self, window: Duration) -> Option<Arc<KeySet>> {
        let now = self.clock.now();
        let state = self.lock();
        state
            .keys
            .as_ref()
            .filter(|fetched| is_within(fetched.at, now, window))
            .map(|fetched| Arc::clone(&fetched.keys))
    }

    /// The answer that needs no reading, if there is one.
    fn cached(&self) -> Option<Result<Arc<KeySet>, KeyringError>> {
        if let Some(keys) = self.cached_within(FRESH) {
            return Some(Ok(keys));
        }
        let failed = |window| self.last_read_within(window).is_some_and(|read| read.failed);
        match self.stale() {
            Some(keys) if failed(RETRY) => Some(Ok(keys)),
            None if failed(PAUSE) => Some(Err(failed_lately())),
            _ => None,
        }
    }

    /// Reads the keyset. One that was read and is no keyset ends the cached one too: it may have been emptied because a
    /// key leaked.
    async fn read(&self) -> Result<Arc<KeySet>, KeyringError> {
        let at = self.clock.now();
        let fetched = self.source.fetch().await;
        let outcome = fetched.and_then(|text| KeySet::parse(&text).map_err(KeyringError::Unusable)).map(Arc::new);
        let mut state = self.lock();
        state.last_read = Some(Read { at, failed: outcome.is_err() });
        match &outcome {
            Ok(keys) => {
                state.keys = Some(Fetched { keys: Arc::clone(keys), at });
                self.untold.store(true, Ordering::Relaxed);
            }
            Err(KeyringError::Unusable(_)) => state.keys = None,
            Err(_) => {}
        }
        outcome
    }
}

fn failed_lately() -> KeyringError {
    KeyringError::Unreachable("the last read failed a moment ago".into())
}

/// Whether `now` lies in the `window` that began at `start`; a clock that was set back counts as outside.
fn is_within(start: Timestamp, now: Timestamp, window: Duration) -> bool {
    start <= now && now < start.plus(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FrozenClock, StubKeySource};

    fn keyring() -> (Keyring, StubKeySource, FrozenClock) {
        let source = StubKeySource::new(Algorithm::EdDsa);
        let clock = FrozenClock::default();
        (Keyring::new(source.clone(), Arc::new(clock.clone())), source, clock)
    }

    #[tokio::test]
    async fn keys_are_read_once_while_they_are_fresh() {
        let (keyring, source, clock) = keyring();
        for _ in 0..10 {
            keyring.current().await.unwrap();
        }
        assert_eq!(source.reads(), 1);
        clock.advance(FRESH);
        keyring.current().await.unwrap();
        assert_eq!(source.reads(), 2);
    }

    #[tokio::test]
    async fn an_outage_is_bridged_for_the_stale_window_and_no_longer() {
        let (keyring, source, clock) = keyring();
        keyring.current().await.unwrap();
        source.fail(true);
        clock.advance(FRESH);
        assert!(keyring.current().await.is_ok());
        assert!(keyring.current().await.is_ok());
        assert_eq!(source.reads(), 2, "a failed read is not repeated with every request");
        clock.advance(STALE);
        assert!(keyring.current().await.is_err());
        source.fail(false);
        clock.advance(RETRY);
        assert!(keyring.current().await.is_ok());
    }

    #[tokio::test]
    async fn a_cold_environment_has_no_default_key() {
        let (keyring, source, clock) = keyring();
        source.fail(true);
        assert!(matches!(keyring.current().await, Err(KeyringError::Unreachable(_))));
        source.fail(false);
        assert!(keyring.current().await.is_err(), "nor is every request another read");
        assert_eq!(source.reads(), 1);
        for text in ["", "{\"keys\":[]}", "{\"keys\":[{\"kid\":\"a\",\"alg\":\"HS256\",\"pkcs8\":\"\"}]}"] {
            source.answer(text);
            clock.advance(PAUSE);
            assert!(matches!(keyring.current().await, Err(KeyringError::Unusable(_))), "{text}");
        }
    }

    #[tokio::test]
    async fn a_keyset_that_was_emptied_ends_the_cached_keys() {
        let (keyring, source, clock) = keyring();
        keyring.current().await.unwrap();
        source.answer("{\"keys\":[]}");
        clock.advance(FRESH);
        assert!(matches!(keyring.current().await, Err(KeyringError::Unusable(KeySetError::Empty))));
        source.fail(true);
        clock.advance(PAUSE);
        assert!(keyring.current().await.is_err(), "an outage afterwards does not bring them back");
    }

    #[tokio::test]
    async fn a_token_of_an_unknown_key_is_not_judged_during_an_outage() {
        let (keyring, source, clock) = keyring();
        keyring.current().await.unwrap();
        let known = KeySet::parse(&source.text()).unwrap().keys()[0].kid().to_owned();
        source.fail(true);
        clock.advance(FRESH);
        for _ in 0..3 {
            assert!(matches!(keyring.for_kid("unknown").await, Err(KeyringError::Unreachable(_))));
            assert!(keyring.for_kid(&known).await.is_ok());
        }
        assert_eq!(source.reads(), 2);
    }

    #[tokio::test]
    async fn unknown_key_ids_cost_one_read_in_half_a_minute() {
        let (keyring, source, clock) = keyring();
        keyring.current().await.unwrap();
        clock.advance(RETRY);
        for number in 0..1000 {
            keyring.for_kid(&format!("unknown-{number}")).await.unwrap();
        }
        assert_eq!(source.reads(), 2);
    }

    #[tokio::test]
    async fn a_key_made_meanwhile_is_found() {
        let (keyring, source, clock) = keyring();
        keyring.current().await.unwrap();
        source.answer(&KeySet::generate(Algorithm::Es256, clock.now()).unwrap());
        clock.advance(RETRY);
        let kid = KeySet::parse(&source.text()).unwrap().keys()[0].kid().to_owned();
        let keys = keyring.for_kid(&kid).await.unwrap();
        assert!(keys.verifying_key(&kid, clock.now()).is_some());
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_asks_again() {
        let (keyring, source, clock) = keyring();
        keyring.current().await.unwrap();
        clock.set(Timestamp::from_seconds(0));
        keyring.current().await.unwrap();
        assert_eq!(source.reads(), 2);
    }
}
