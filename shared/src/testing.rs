//! What tests share: a clock that stands still, randomness that repeats itself, keys, users, a whole stack in memory.
//! Compiled only for tests.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that can't build its world shall fail")]

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::delivery::{Delivery, DeliveryError, Message};
use crate::keyring::{Algorithm, KeySet, KeySource, Keyring, KeyringError};
use crate::random::Random;
use crate::secret::Digest;
use crate::store::memory::MemoryStore;
use crate::tenant::TenantName;
use crate::user::{User, UserId, UserName};

/// A clock that shows what it was set to.
#[derive(Clone)]
pub struct FrozenClock(Arc<AtomicI64>);

impl FrozenClock {
    /// Shows `now` from here on.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::SeqCst);
    }

    /// Goes on by `duration`.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().plus(duration));
    }
}

impl Default for FrozenClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1_800_000_000_000)))
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Bytes that look random and are the same for the same seed.
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// A sequence of its own for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed << 32))
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::SeqCst);
            let digest = Digest::of(&count.to_be_bytes()).to_base64url();
            let bytes = digest.as_bytes().iter().map(|byte| byte.wrapping_mul(167));
            chunk.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        }
    }
}

/// A keyset in a variable, which can fail and counts its readers.
#[derive(Clone)]
pub struct StubKeySource {
    text: Arc<Mutex<String>>,
    failing: Arc<AtomicBool>,
    reads: Arc<AtomicUsize>,
}

impl StubKeySource {
    /// A keyset of one fresh key.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let text = KeySet::generate(algorithm, Timestamp::from_seconds(1_700_000_000)).unwrap();
        Self { text: Arc::new(Mutex::new(text.to_string())), failing: Arc::default(), reads: Arc::default() }
    }

    /// Fails from here on, or answers again.
    pub fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    /// Answers `text` from here on.
    pub fn answer(&self, text: &str) {
        text.clone_into(&mut self.text.lock().unwrap());
    }

    /// What it answers.
    #[must_use]
    pub fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// How often it was asked.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl KeySource for StubKeySource {
    fn fetch(&self) -> BoxFuture<'_, Result<Zeroizing<String>, KeyringError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            if self.failing.load(Ordering::SeqCst) {
                return Err(KeyringError::Unreachable("told to fail".into()));
            }
            Ok(Zeroizing::new(self.text()))
        })
    }
}

/// A delivery that keeps what it is given, and can fail.
#[derive(Clone, Default)]
pub struct Outbox {
    sent: Arc<Mutex<Vec<(&'static str, String)>>>,
    failing: Arc<AtomicBool>,
}

impl Outbox {
    /// Fails from here on, or takes messages again.
    pub fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    /// Detail types and details since the last time this was asked, those of failed calls too.
    #[must_use]
    pub fn take(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

impl Delivery for Outbox {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), DeliveryError>> {
        self.sent.lock().unwrap().push((message.detail_type(), message.detail().to_string()));
        Box::pin(async {
            if self.failing.load(Ordering::SeqCst) {
                return Err(DeliveryError::Unavailable("told to fail".into()));
            }
            Ok(())
        })
    }
}

/// An enabled user of the tenant `demo`.
#[must_use]
pub fn user(id: &str) -> User {
    let created = Timestamp::from_seconds(1_700_000_000);
    User {
        id: UserId::parse(id).unwrap(),
        tenant: TenantName::parse("demo").unwrap(),
        name: UserName::parse(&format!("name-of-{id}")).unwrap(),
        email: None,
        email_verified: false,
        first_name: None,
        last_name: None,
        display_name: None,
        application: None,
        enabled: true,
        roles: Vec::new(),
        attributes: std::collections::BTreeMap::new(),
        created,
        modified: created,
        session_epoch: 0,
        key_epoch: 0,
    }
}

/// A complete environment, with hashes that cost next to nothing.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    let value = match name {
        "OSTIARY_ISSUER" => "https://auth.example.com",
        "OSTIARY_AUDIENCE" => "api",
        "OSTIARY_DEFAULT_TENANT" => "demo",
        "OSTIARY_KEYSET_SECRET_ID" => "keyset",
        "OSTIARY_LOGIN_JWT_SECONDS" | "OSTIARY_PROFILE_JWT_SECONDS" => "3600",
        "OSTIARY_PROFILE_JWT_MAX_SECONDS" | "OSTIARY_TICKET_MAX_SECONDS" => "86400",
        "OSTIARY_LOGIN_MAX_SECONDS" => "2592000",
        "OSTIARY_TICKET_IDLE_SECONDS" => "900",
        "OSTIARY_PERSISTENT_LOGIN_SECONDS" => "1296000",
        "OSTIARY_SIGNING_ALGORITHM" => "EdDSA",
        "OSTIARY_AUTHORIZER_ANSWER" => "simple",
        "OSTIARY_AUTHORIZER_MODE" => "every-request",
        "OSTIARY_ARGON2_MEMORY_KIB" => "16",
        "OSTIARY_ARGON2_ITERATIONS" | "OSTIARY_ARGON2_PARALLELISM" => "1",
        "OSTIARY_EVENT_BUS" => "default",
        "OSTIARY_RESET_URL" => "https://app.example.com/reset#{token}",
        "OSTIARY_PEPPER" | "OSTIARY_VERIFY_URL" | "OSTIARY_EDGE" | "OSTIARY_METRICS" => "none",
        "OSTIARY_EDGE_MODE" => "accept",
        "OSTIARY_LOG_LEVEL" => "info",
        _ => return name.strip_prefix("OSTIARY_TABLE_").map(str::to_owned),
    };
    Some(value.to_owned())
}

/// A stack in memory: everything that an endpoint is wired with.
#[derive(Clone)]
pub struct Stack {
    /// The store.
    pub store: MemoryStore,
    /// The keyring over [`Stack::keys`].
    pub keyring: Arc<Keyring>,
    /// Where the keyring reads.
    pub keys: StubKeySource,
    /// Where messages to people go.
    pub outbox: Outbox,
    /// The clock of all parts.
    pub clock: FrozenClock,
    /// The randomness of all parts.
    pub random: Arc<dyn Random>,
    /// The settings of [`variable`].
    pub config: Config,
}

impl Stack {
    /// An empty stack with one signing key.
    #[must_use]
    pub fn new() -> Self {
        let clock = FrozenClock::default();
        let keys = StubKeySource::new(Algorithm::EdDsa);
        Self {
            store: MemoryStore::default(),
            keyring: Arc::new(Keyring::new(keys.clone(), Arc::new(clock.clone()))),
            keys,
            outbox: Outbox::default(),
            clock,
            random: Arc::new(SeededRandom::new(1)),
            config: Config::read(variable).unwrap(),
        }
    }
}

impl Default for Stack {
    fn default() -> Self {
        Self::new()
    }
}
