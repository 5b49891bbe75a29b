//! What goes on while keys are rotated: environments that mint and verify, forgers with old keys, a storm of key ids
//! that nobody has, and services that know the JWKS only.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use local::Cloud;
use serde_json::{Value, json};
use shared::aws::SecretsManager;
use shared::clock::{Clock, Timestamp};
use shared::jwt::{self, Bearer, Party, Rejection};
use shared::keyring::rotation::Windows;
use shared::keyring::{Algorithm, KeySet, KeySource, Keyring, KeyringError};
use shared::random::SystemRandom;
use shared::source::Source;
use shared::testing::user;
use shared::ticket::{Limits, Origin, Ticket};
use tests::Dice;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::{Shared, real};

/// How fast the clock runs.
pub const SPEED: u32 = 600;
/// Scaled like the clock: the lead is longer than our caches and those of JWKS, five minutes each, together.
pub const WINDOWS: Windows =
    Windows { lead: Duration::from_secs(1800), slack: Duration::from_secs(1200), lifetime: Duration::from_secs(2400) };
pub const SECRET: &str = "KeysetSecret";
const ENVIRONMENTS: usize = 8;
const JWKS_AGE: Duration = Duration::from_secs(300);
/// A pool of tokens of every age, dead ones among them: it is renewed in a bit less than the longest life.
const POOL: usize = 1000;
/// Keysets that the forger takes at a time.
const FORGED_AT_ONCE: usize = 5;

/// A wall clock that runs fast.
#[derive(Clone, Copy)]
pub struct FastClock(Instant);

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000).plus(self.0.elapsed() * SPEED)
    }
}

/// Counts the reads of an environment.
struct Counting {
    secret: SecretsManager,
    reads: Arc<AtomicU64>,
}

impl KeySource for Counting {
    fn fetch(&self) -> BoxFuture<'_, Result<Zeroizing<String>, KeyringError>> {
        self.reads.fetch_add(1, SeqCst);
        self.secret.fetch()
    }
}

struct Environment {
    keyring: Keyring,
    reads: Arc<AtomicU64>,
}

/// A run: the cloud, the environments, and what was counted.
pub struct Load {
    _cloud: Cloud,
    pub client: aws_sdk_secretsmanager::Client,
    pub clock: FastClock,
    pub rotations: AtomicU64,
    /// Every keyset that was ever current, with its private keys.
    pub seen: Mutex<Vec<String>>,
    environments: Vec<Environment>,
    party: Party,
    pool: Mutex<Vec<(String, Timestamp)>>,
    algorithms: Mutex<BTreeSet<String>>,
    stop: AtomicBool,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    verifications: AtomicU64,
    failed: AtomicU64,
    accepted: AtomicU64,
    late: AtomicU64,
    forged: AtomicU64,
    random: AtomicU64,
}

/// What came of a run.
pub struct Figures {
    pub seconds: u64,
    pub rotations: u64,
    pub verifications: u64,
    /// Live tokens that were refused, or could not be made.
    pub failed: u64,
    /// Dead tokens and tokens of dead keys that were accepted.
    pub accepted: u64,
    pub late: u64,
    pub forged: u64,
    pub random: u64,
    /// Reads of the busiest environment in half a minute of the clock.
    pub reads: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rotations {}, verifications {} ({}/s), failed {}, accepted too late {} (of {} expired tokens and {} forged \
             with dead keys), random key ids {} ({}/s), reads per environment and 30 s: {:.2}",
            self.rotations,
            self.verifications,
            self.verifications / self.seconds,
            self.failed,
            self.accepted,
            self.late,
            self.forged,
            self.random,
            self.random / self.seconds,
            self.reads,
        )
    }
}

impl Load {
    /// Starts a cloud with one key, and everything that goes on.
    pub async fn start() -> Shared {
        let issuer = ("Issuer".to_owned(), "http://127.0.0.1:9000".to_owned());
        let cloud = Cloud::in_memory(&[issuer].into()).unwrap();
        let client = local::secrets::client(&cloud.secrets_url());
        let clock = FastClock(Instant::now());
        let first = KeySet::generate(Algorithm::EdDsa, clock.now()).unwrap();
        client.put_secret_value().secret_id(SECRET).secret_string(first.as_str()).send().await.unwrap();
        let environment = |_| {
            let reads = Arc::default();
            let secret = SecretsManager { client: client.clone(), id: SECRET.to_owned() };
            let source = Counting { secret, reads: Arc::clone(&reads) };
            Environment { keyring: Keyring::new(source, Arc::new(clock)), reads }
        };
        let load = Arc::new(Self {
            environments: (0..ENVIRONMENTS).map(environment).collect(),
            _cloud: cloud,
            client,
            clock,
            rotations: AtomicU64::new(0),
            seen: Mutex::default(),
            party: Party { issuer: "https://auth.example.com".to_owned(), audience: "api".to_owned() },
            pool: Mutex::default(),
            algorithms: Mutex::default(),
            stop: AtomicBool::new(false),
            tasks: Mutex::default(),
            counts: Counts::default(),
        });
        for number in 0..ENVIRONMENTS {
            load.spawn(environment_at_work(Arc::clone(&load), number));
        }
        load.spawn(forger(Arc::clone(&load)));
        load.spawn(storm(Arc::clone(&load)));
        load.spawn(service_that_knows_the_jwks(Arc::clone(&load)));
        load
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap().push(tokio::spawn(task));
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(SeqCst)
    }

    /// The algorithms that signed anything.
    pub fn algorithms(&self) -> Vec<String> {
        self.algorithms.lock().unwrap().iter().cloned().collect()
    }

    /// Ends it, and says what was counted.
    pub async fn end(&self) -> Figures {
        self.stop.store(true, SeqCst);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        for task in tasks {
            task.await.unwrap();
        }
        let elapsed = self.clock.0.elapsed();
        let busiest = self.environments.iter().map(|environment| environment.reads.load(SeqCst)).max().unwrap();
        let halves = (elapsed * SPEED).as_secs_f64() / 30.0;
        let count = |counter: &AtomicU64| counter.load(SeqCst);
        Figures {
            seconds: elapsed.as_secs(),
            rotations: count(&self.rotations),
            verifications: count(&self.counts.verifications),
            failed: count(&self.counts.failed),
            accepted: count(&self.counts.accepted),
            late: count(&self.counts.late),
            forged: count(&self.counts.forged),
            random: count(&self.counts.random),
            // The first read of an environment begins its first half minute.
            reads: f64::from(u32::try_from(busiest).unwrap() - 1) / halves,
        }
    }

    fn fail(&self, what: &str) {
        if self.counts.failed.fetch_add(1, SeqCst) < 5 {
            eprintln!("failed: {what}");
        }
    }

    async fn mint(&self, keyring: &Keyring, life: Duration, place: usize) {
        let owner = user("u-1");
        let limits = Limits { idle: None, absolute: WINDOWS.lifetime };
        let now = self.clock.now();
        let (ticket, _) = Ticket::issue(&owner, Origin::Login, limits, Source::default(), now, &SystemRandom);
        match jwt::mint(keyring, &self.party, Bearer::first(&owner, &ticket), now, now.plus(life), &SystemRandom).await
        {
            Err(error) => self.fail(&format!("no token could be made: {error}")),
            Ok(minted) => {
                let text = minted.jwt.expose_secret().to_owned();
                self.algorithms.lock().unwrap().insert(member(&text, "alg"));
                let mut pool = self.pool.lock().unwrap();
                if pool.len() < POOL {
                    pool.push((text, minted.expires));
                } else {
                    pool[place] = (text, minted.expires);
                }
            }
        }
    }

    /// One of the pool, by any number.
    async fn verify(&self, keyring: &Keyring, number: usize) {
        let chosen = {
            let pool = self.pool.lock().unwrap();
            number.checked_rem(pool.len()).map(|place| pool[place].clone())
        };
        let Some((text, expires)) = chosen else { return };
        let now = self.clock.now();
        let verified = jwt::verify(keyring, &self.party, &text, now).await;
        if now < expires {
            self.counts.verifications.fetch_add(1, SeqCst);
            if let Err(rejection) = verified {
                self.fail(&format!("a live token of {} was refused: {rejection:?}", member(&text, "kid")));
            }
        } else {
            self.counts.late.fetch_add(1, SeqCst);
            self.count_accepted(verified.is_ok());
        }
    }

    fn count_accepted(&self, accepted: bool) {
        self.counts.accepted.fetch_add(u64::from(accepted), SeqCst);
    }
}

fn member(jwt: &str, name: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(jwt.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()[name].as_str().unwrap().to_owned()
}

async fn environment_at_work(load: Shared, number: usize) {
    // Each has its own phase within the five minutes that a cache lasts.
    tokio::time::sleep(real(Duration::from_secs(300)) * u32::try_from(number).unwrap() / 8).await;
    let (keyring, dice) = (&load.environments[number].keyring, Dice::new(number.try_into().unwrap()));
    while load.goes_on() {
        let life = Duration::from_secs(1 + dice.bits() % WINDOWS.lifetime.as_secs());
        load.mint(keyring, life, dice.below(POOL)).await;
        for _ in 0..5 {
            load.verify(keyring, dice.below(POOL)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Has every private key there ever was, and signs with those that are over. What it signs with the one that signs now
/// has to be accepted, or its forgeries would show nothing.
async fn forger(load: Shared) {
    let dice = Dice::new(99);
    while load.goes_on() {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let now = load.clock.now();
        let (forged, control) = forgeries(&load, &dice, now);
        let keyring = &load.environments[dice.below(ENVIRONMENTS)].keyring;
        for text in forged {
            load.counts.forged.fetch_add(1, SeqCst);
            load.count_accepted(jwt::verify(keyring, &load.party, &text, now).await.is_ok());
        }
        if let Some(text) = control
            && let Err(rejection) = jwt::verify(keyring, &load.party, &text, now).await
        {
            load.fail(&format!("the forger's control was refused: {rejection:?}"));
        }
    }
}

fn forgeries(load: &Load, dice: &Dice, now: Timestamp) -> (Vec<String>, Option<String>) {
    let seen = load.seen.lock().unwrap();
    let chosen = (0..FORGED_AT_ONCE).filter_map(|_| dice.bits().checked_rem(seen.len().try_into().ok()?));
    let chosen = chosen.filter_map(|place| seen.get(usize::try_from(place).ok()?));
    let over: Vec<KeySet> = chosen.filter_map(|text| KeySet::parse(&dead_only(text, now)).ok()).collect();
    let forged = over.iter().flat_map(KeySet::keys).map(|key| forge(key, &load.party, now)).collect();
    let last = seen.last().and_then(|text| KeySet::parse(text).ok());
    let control = last.and_then(|keys| keys.signing_key(now).map(|key| forge(key, &load.party, now)));
    (forged, control)
}

/// The keys of a keyset that are over, made to look as if they were not: parsing needs at least one.
fn dead_only(text: &str, now: Timestamp) -> String {
    let mut set: Value = serde_json::from_str(text).unwrap();
    let is_dead = |key: &Value| key["verify_until"].as_i64().is_some_and(|end| end <= now.as_seconds());
    set["keys"].as_array_mut().unwrap().retain(is_dead);
    set.to_string()
}

fn forge(key: &shared::keyring::Key, party: &Party, now: Timestamp) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "alg": key.algorithm().as_str(), "typ": "at+jwt", "kid": key.kid() }));
    let sid = shared::secret::Digest::of(b"a ticket").to_base64url();
    let claims = part(json!({
        "iss": party.issuer, "aud": party.audience, "sub": "u-1", "sid": sid, "jti": "0.0.x",
        "iat": now.as_seconds() - 100, "exp": now.as_seconds() + 100, "tenant": "demo", "roles": [],
    }));
    let message = format!("{header}.{claims}");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap()))
}

/// A thousand key ids a second that nobody has, at half of the environments: they would hide from those what the others
/// see, since each such id may bring about a read.
async fn storm(load: Shared) {
    let dice = Dice::new(7);
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    while load.goes_on() {
        tick.tick().await;
        for _ in 0..20 {
            let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": format!("{:016x}", dice.bits()) });
            let text = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header.to_string()));
            let environment = &load.environments[dice.below(ENVIRONMENTS / 2)];
            let verified = jwt::verify(&environment.keyring, &load.party, &text, load.clock.now()).await;
            load.counts.random.fetch_add(1, SeqCst);
            match verified {
                Err(Rejection::Invalid("kid")) => {}
                Ok(_) => load.count_accepted(true),
                Err(rejection) => load.fail(&format!("a random key id: {rejection:?}")),
            }
        }
    }
}

/// Asks for the JWKS once in five minutes, as our header allows, and knows only what it got.
async fn service_that_knows_the_jwks(load: Shared) {
    let dice = Dice::new(11);
    while load.goes_on() {
        let asked = load.clock.now();
        let environment = &load.environments[dice.below(ENVIRONMENTS)];
        let Ok(keys) = environment.keyring.current().await else { continue };
        let known: BTreeSet<String> = keys.jwks(asked)["keys"].as_array().unwrap().iter().map(kid).collect();
        while load.goes_on() && load.clock.now() < asked.plus(JWKS_AGE) {
            let pool = load.pool.lock().unwrap().clone();
            let now = load.clock.now();
            for (text, _) in pool.iter().filter(|(_, expires)| now < *expires && dice.percent(2)) {
                load.counts.verifications.fetch_add(1, SeqCst);
                if !known.contains(&member(text, "kid")) {
                    load.fail("a live token names a key that the JWKS did not");
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn kid(jwk: &Value) -> String {
    jwk["kid"].as_str().unwrap().to_owned()
}
