//! The keyring: the stack's keyset, read from Secrets Manager and cached by wall clock.
//!
//! Invariant: keys are used for at most [`FRESH`] without asking again, and for at most [`STALE`] while nobody answers;
//! whatever a client sends, one environment asks at most once in [`RETRY`] beyond that.

mod keyset;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
pub use keyset::{Algorithm, Key, KeySet, KeySetError};
use zeroize::Zeroizing;

use crate::clock::{Clock, Timestamp};

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

#[derive(Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    fetched: Option<Timestamp>,
    attempted: Option<Timestamp>,
}

/// The cached keyset of one environment.
pub struct Keyring {
    source: Box<dyn KeySource>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    reading: tokio::sync::Mutex<()>,
}

impl Keyring {
    /// An empty keyring; the first use reads the keys.
    pub fn new(source: impl KeySource, clock: Arc<dyn Clock>) -> Self {
        Self { source: Box::new(source), clock, state: Mutex::default(), reading: tokio::sync::Mutex::new(()) }
    }

    /// Reads the keys now, so that the first request need not. A failure is left to that request to report.
    pub async fn warm(&self) {
        if let Err(error) = self.read().await {
            tracing::warn!(error = %error, "the signing keys could not be read while starting");
        }
    }

    /// The keyset, asking again when the cached one is no longer fresh.
    pub async fn current(&self) -> Result<Arc<KeySet>, KeyringError> {
        let now = self.clock.now();
        if let Some(keys) = self.cached(now) {
            return Ok(keys);
        }
        let _one_reader = self.reading.lock().await;
        if let Some(keys) = self.cached(now) {
            return Ok(keys);
        }
        match self.read().await {
            Ok(keys) => Ok(keys),
            Err(error) => {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let usable = state.fetched.is_some_and(|at| is_within(at, now, STALE));
                match (&state.keys, usable) {
                    (Some(keys), true) => {
                        tracing::warn!(error = %error, "using a stale keyset");
                        Ok(Arc::clone(keys))
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// The keyset, for a token that names the key `kid`: an unknown name is worth one more read, but rarely.
    pub async fn for_kid(&self, kid: &str) -> Result<Arc<KeySet>, KeyringError> {
        let keys = self.current().await?;
        let now = self.clock.now();
        if keys.verifying_key(kid, now).is_some() || self.attempted_lately(now) {
            return Ok(keys);
        }
        let _one_reader = self.reading.lock().await;
        if self.attempted_lately(now) {
            return self.current_without_reading().ok_or(KeyringError::NoneSigns);
        }
        // The cached keys are still good for every other token, so a failed read changes nothing.
        Ok(self.read().await.unwrap_or(keys))
    }

    fn current_without_reading(&self) -> Option<Arc<KeySet>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    fn attempted_lately(&self, now: Timestamp) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.attempted.is_some_and(|at| is_within(at, now, RETRY))
    }

    fn cached(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fetched = state.fetched?;
        let fresh = is_within(fetched, now, FRESH);
        let bridging = is_within(fetched, now, STALE) && state.attempted.is_some_and(|at| is_within(at, now, RETRY));
        if fresh || bridging { state.keys.clone() } else { None }
    }

    async fn read(&self) -> Result<Arc<KeySet>, KeyringError> {
        let now = self.clock.now();
        self.state.lock().unwrap_or_else(PoisonError::into_inner).attempted = Some(now);
        let text = self.source.fetch().await?;
        let keys = Arc::new(KeySet::parse(&text)?);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.keys = Some(Arc::clone(&keys));
        state.fetched = Some(now);
        Ok(keys)
    }
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
        let (keyring, source, _) = keyring();
        source.fail(true);
        assert!(matches!(keyring.current().await, Err(KeyringError::Unreachable(_))));
        source.fail(false);
        for text in ["", "{\"keys\":[]}", "{\"keys\":[{\"kid\":\"a\",\"alg\":\"HS256\",\"pkcs8\":\"\"}]}"] {
            source.answer(text);
            assert!(matches!(keyring.current().await, Err(KeyringError::Unusable(_))), "{text}");
        }
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
