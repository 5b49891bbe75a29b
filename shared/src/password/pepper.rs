//! The pepper: a key that goes into the password hashes and is kept away from them, in Secrets Manager, so that who has
//! read the tables alone can't try passwords (RFC 9106, section 3.1, calls it the secret value K; OWASP, Password Storage
//! Cheat Sheet, the pepper). Each hash names the key that it was made with.
//!
//! Invariant: a stack that requires a pepper never hashes without one, and a hash whose key can't be had is an outage and
//! never a wrong password. The keys are read and kept as the signing keys are: used for [`FRESH`], for [`STALE`] while
//! nobody answers, and ended at once by an answer that can't be used.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::clock::{Clock, Timestamp};
use crate::json::Object;
use crate::keyring::{FRESH, KeySource, KeyringError, RETRY, STALE};
use crate::random::Random;

/// The length of each key, in bytes.
pub const PEPPER_BYTES: usize = 32;
/// The most keys that are kept.
pub const MAX_PEPPERS: usize = 16;

/// How long a failed read is answered without another, where there is nothing to go on with.
const PAUSE: Duration = Duration::from_secs(2);
/// The shortest pause between two reads that an unknown key id brings about. It may be short: the id comes from a stored
/// hash and not from a client.
const SEEK: Duration = Duration::from_secs(5);

/// What a stack's settings say of the pepper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Hashes made with one are checked, new ones are made without: on the way in, before there is a key, and on the way
    /// out.
    VerifyOnly,
    /// New hashes are made with the current key, and nothing goes without it.
    Required,
}

/// Names one key in a hash: 1 to 8 bytes (the PHC string format's bound for Argon2's `keyid`) of letters, digits, `_` and
/// `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// What an id has to be, as a predicate.
    pub const RULE: &'static str = "must be 1 to 8 letters, digits, '_' or '-'";

    /// Reads an id that keeps [`Self::RULE`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        ((1..=8).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// 40 random bits: an id that is used for a second key would make right passwords wrong.
    fn generate(random: &dyn Random) -> Self {
        let letter = |value: u8| {
            char::from(b"abcdefghijklmnopqrstuvwxyz234567".get(usize::from(value & 31)).copied().unwrap_or(b'a'))
        };
        Self(random.bytes::<8>().into_iter().map(letter).collect())
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The pepper can't be had: an outage, never a reason to call a password wrong. Holds nothing of the keys.
#[derive(Debug, thiserror::Error)]
pub enum PepperError {
    /// Secrets Manager did not answer.
    #[error("the pepper could not be read")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The secret is not the JSON that it should be.
    #[error("the pepper's secret is not JSON of the documented form")]
    Malformed,
    /// The stack requires a pepper, and none was made.
    #[error("there is no pepper yet; `ostiary pepper init` makes it")]
    Empty,
    /// A hash names a key that is not there.
    #[error("a password was hashed with the pepper {0}, which the secret does not hold")]
    Unknown(KeyId),
    /// A hash names a key, and the stack's settings know of no pepper.
    #[error("a password was hashed with the pepper {0}, and the stack's settings turn the pepper off")]
    TurnedOff(KeyId),
    /// Nobody has read the keys before they were used.
    #[error("the pepper was not read before it was used")]
    NotRead,
}

type Secret = Zeroizing<[u8; PEPPER_BYTES]>;

/// Every key of a stack, and which of them goes into new hashes. Not shown, not logged.
pub struct Peppers {
    current: Option<KeyId>,
    keys: BTreeMap<KeyId, Secret>,
}

/// Why the keys can't be changed as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such key.
    #[error("there is no such pepper")]
    Unknown,
    /// It goes into new hashes.
    #[error("this pepper is the current one: rotate first")]
    Current,
    /// There are [`MAX_PEPPERS`] already.
    #[error("there are 16 peppers, and no more are kept: drop one that no hash needs")]
    Full,
}

/// The stored form of the whole secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPeppers {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(deserialize_with = "told_apart")]
    peppers: BTreeMap<String, Zeroizing<String>>,
}

/// Reads a map in which no name occurs twice: which of two keys was meant, nobody could say.
fn told_apart<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Zeroizing<String>>, D::Error> {
    struct ToldApart;
    impl<'de> Visitor<'de> for ToldApart {
        type Value = BTreeMap<String, Zeroizing<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("keys by their ids")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut keys = BTreeMap::new();
            while let Some((id, key)) = entries.next_entry()? {
                if keys.insert(id, key).is_some() {
                    return Err(serde::de::Error::custom("an id occurs twice"));
                }
            }
            Ok(keys)
        }
    }
    deserializer.deserialize_map(ToldApart)
}

impl Peppers {
    /// Reads the secret's text, whole or not at all. It may hold no key.
    pub fn parse(text: &str) -> Result<Self, PepperError> {
        let Object::<StoredPeppers>(stored) = serde_json::from_str(text).map_err(|_| PepperError::Malformed)?;
        let mut keys = BTreeMap::new();
        for (id, key) in stored.peppers {
            let id = KeyId::parse(&id).ok_or(PepperError::Malformed)?;
            keys.insert(id, secret(&key).ok_or(PepperError::Malformed)?);
        }
        let current = stored.current.map(|id| KeyId::parse(&id).ok_or(PepperError::Malformed)).transpose()?;
        let known = current.as_ref().map_or(keys.is_empty(), |id| keys.contains_key(id));
        if known && keys.len() <= MAX_PEPPERS { Ok(Self { current, keys }) } else { Err(PepperError::Malformed) }
    }

    /// The id of the key that goes into new hashes; `None` where there is no key at all.
    #[must_use]
    pub fn current(&self) -> Option<&KeyId> {
        self.current.as_ref()
    }

    /// The ids of all keys.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.keys()
    }

    /// The same keys and a new one, which is the current one from then on.
    pub fn rotated(&self, random: &dyn Random) -> Result<Self, ChangeError> {
        if self.keys.len() >= MAX_PEPPERS {
            return Err(ChangeError::Full);
        }
        let mut id = KeyId::generate(random);
        while self.keys.contains_key(&id) {
            id = KeyId::generate(random);
        }
        let mut keys = self.keys.clone();
        keys.insert(id.clone(), Zeroizing::new(random.bytes()));
        Ok(Self { current: Some(id), keys })
    }

    /// The same keys without one: a password whose hash names it can't be checked any more.
    pub fn without(&self, id: &KeyId) -> Result<Self, ChangeError> {
        if self.current.as_ref() == Some(id) {
            return Err(ChangeError::Current);
        }
        let mut keys = self.keys.clone();
        keys.remove(id).ok_or(ChangeError::Unknown)?;
        Ok(Self { current: self.current.clone(), keys })
    }

    /// The secret's text.
    pub fn to_text(&self) -> Result<Zeroizing<String>, PepperError> {
        let key = |(id, key): (&KeyId, &Secret)| (id.to_string(), Zeroizing::new(STANDARD.encode(key.as_slice())));
        let current = self.current.as_ref().map(KeyId::to_string);
        let stored = StoredPeppers { current, peppers: self.keys.iter().map(key).collect() };
        serde_json::to_string(&stored).map(Zeroizing::new).map_err(|_| PepperError::Malformed)
    }
}

fn secret(text: &str) -> Option<Secret> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    <[u8; PEPPER_BYTES]>::try_from(&**bytes).ok().map(Zeroizing::new)
}

/// What there is to season one hash with.
pub(super) struct Seasoning {
    usage: Option<Usage>,
    peppers: Option<Arc<Peppers>>,
}

impl Seasoning {
    /// That of a stack without a pepper.
    pub(super) const NONE: Self = Self { usage: None, peppers: None };

    /// The key for a new hash; `None` where it is made without.
    pub(super) fn of_new(&self) -> Result<Option<(&KeyId, &[u8])>, PepperError> {
        if self.usage != Some(Usage::Required) {
            return Ok(None);
        }
        let peppers = self.peppers.as_ref().ok_or(PepperError::NotRead)?;
        let id = peppers.current.as_ref().ok_or(PepperError::Empty)?;
        peppers.key(id).map(|key| Some((id, key)))
    }

    /// The key of a stored hash that names it.
    pub(super) fn of_stored(&self, id: &KeyId) -> Result<&[u8], PepperError> {
        match (&self.peppers, self.usage) {
            (_, None) => Err(PepperError::TurnedOff(id.clone())),
            (None, Some(_)) => Err(PepperError::NotRead),
            (Some(peppers), Some(_)) => peppers.key(id),
        }
    }
}

impl Peppers {
    fn key(&self, id: &KeyId) -> Result<&[u8], PepperError> {
        self.keys.get(id).map(|key| &key[..]).ok_or_else(|| PepperError::Unknown(id.clone()))
    }
}

#[derive(Default)]
struct State {
    peppers: Option<(Arc<Peppers>, Timestamp)>,
    last_read: Option<LastRead>,
    last_sought: Option<Timestamp>,
}

#[derive(Clone, Copy)]
struct LastRead {
    at: Timestamp,
    failed: bool,
}

/// The cached keys of one environment.
pub struct Pepper {
    usage: Usage,
    source: Box<dyn KeySource>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    reading: tokio::sync::Mutex<()>,
}

impl Pepper {
    /// Reads nothing yet.
    pub fn new(usage: Usage, source: impl KeySource, clock: Arc<dyn Clock>) -> Self {
        let reading = tokio::sync::Mutex::new(());
        Self { usage, source: Box::new(source), clock, state: Mutex::default(), reading }
    }

    /// Reads the keys now, so that the first request need not. A failure is left to that request to report.
    pub(super) async fn warm(&self) {
        if let Err(error) = self.read().await {
            tracing::warn!(error = %error, "the pepper could not be read while starting");
        }
    }

    /// What to season a hash with that names `id`, and a new one. The reads are the same whatever is stored, so that they
    /// tell nothing of the account.
    pub(super) async fn seasoning(&self, id: Option<&KeyId>) -> Result<Seasoning, PepperError> {
        let peppers = match (self.current().await, id) {
            (Ok(peppers), Some(id)) if !peppers.keys.contains_key(id) => self.seek(id).await?,
            (Ok(peppers), _) => peppers,
            // Nothing rests on the keys, and the first deployment with them may be ahead of its permissions.
            (Err(_), None) if self.usage == Usage::VerifyOnly => {
                return Ok(Seasoning { usage: Some(self.usage), peppers: None });
            }
            (Err(error), _) => return Err(error),
        };
        Ok(Seasoning { usage: Some(self.usage), peppers: Some(peppers) })
    }

    /// The same from what was read before, without reading.
    pub(super) fn kept_seasoning(&self) -> Seasoning {
        Seasoning { usage: Some(self.usage), peppers: self.stale() }
    }

    async fn current(&self) -> Result<Arc<Peppers>, PepperError> {
        if let Some(answer) = self.cached() {
            return answer;
        }
        let _one_reader = self.reading.lock().await;
        if let Some(answer) = self.cached() {
            return answer;
        }
        match self.read().await {
            Err(error @ PepperError::Unreachable(_)) => {
                tracing::warn!(error = %error, "the pepper could not be read");
                self.stale().ok_or(error)
            }
            answer => answer,
        }
    }

    /// Looks for a key that was made a moment ago, but rarely.
    async fn seek(&self, id: &KeyId) -> Result<Arc<Peppers>, PepperError> {
        let unknown = || PepperError::Unknown(id.clone());
        let holding = |peppers: &Arc<Peppers>| peppers.keys.contains_key(id);
        let _one_reader = self.reading.lock().await;
        if let Some(peppers) = self.stale().filter(holding) {
            return Ok(peppers);
        }
        let now = self.clock.now();
        if self.lock().last_sought.is_some_and(|at| is_within(at, now, SEEK)) {
            return Err(unknown());
        }
        self.lock().last_sought = Some(now);
        Some(self.read().await?).filter(holding).ok_or_else(unknown)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stale(&self) -> Option<Arc<Peppers>> {
        self.cached_within(STALE)
    }

    fn cached_within(&self, window: Duration) -> Option<Arc<Peppers>> {
        let now = self.clock.now();
        let state = self.lock();
        let (peppers, at) = state.peppers.as_ref()?;
        is_within(*at, now, window).then(|| Arc::clone(peppers))
    }

    /// The answer that needs no reading, if there is one.
    fn cached(&self) -> Option<Result<Arc<Peppers>, PepperError>> {
        if let Some(peppers) = self.cached_within(FRESH) {
            return Some(Ok(peppers));
        }
        let now = self.clock.now();
        let last = self.lock().last_read;
        let failed = |window| last.is_some_and(|read| read.failed && is_within(read.at, now, window));
        match self.stale() {
            Some(peppers) if failed(RETRY) => Some(Ok(peppers)),
            None if failed(PAUSE) => Some(Err(PepperError::Unreachable("the last read failed a moment ago".into()))),
            _ => None,
        }
    }

    async fn read(&self) -> Result<Arc<Peppers>, PepperError> {
        let at = self.clock.now();
        let outcome = self.fetch().await.map(Arc::new);
        let mut state = self.lock();
        state.last_read = Some(LastRead { at, failed: outcome.is_err() });
        match &outcome {
            Ok(peppers) => state.peppers = Some((Arc::clone(peppers), at)),
            Err(PepperError::Unreachable(_)) => {}
            Err(_) => state.peppers = None,
        }
        outcome
    }

    async fn fetch(&self) -> Result<Peppers, PepperError> {
        let text = self.source.fetch().await.map_err(|error| match error {
            KeyringError::Unreachable(source) => PepperError::Unreachable(source),
            _ => PepperError::Malformed,
        })?;
        let peppers = Peppers::parse(&text)?;
        if self.usage == Usage::Required && peppers.current.is_none() {
            return Err(PepperError::Empty);
        }
        Ok(peppers)
    }
}

/// Whether `now` lies in the `window` that began at `start`; a clock that was set back counts as outside.
fn is_within(start: Timestamp, now: Timestamp, window: Duration) -> bool {
    start <= now && now < start.plus(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::Algorithm;
    use crate::password::{Cost, Hasher, PasswordError, Phc, Verdict, hash, verify};
    use crate::secret::Password;
    use crate::testing::{FrozenClock, SeededRandom, StubKeySource};

    const SMALL: Cost = Cost { memory_kib: 32, iterations: 1, parallelism: 1 };
    const NO_PEPPER: &str = r#"{"peppers":{}}"#;
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    /// The secret with keys by these ids, of which the last is the current one.
    fn stored(ids: &[&str]) -> String {
        let keys: BTreeMap<_, _> = ids.iter().map(|id| (id, STANDARD.encode(key_of(id)))).collect();
        serde_json::json!({ "current": ids.last(), "peppers": keys }).to_string()
    }

    /// A key of its own for each id.
    fn key_of(id: &str) -> [u8; PEPPER_BYTES] {
        let mut key = [7; PEPPER_BYTES];
        key.iter_mut().zip(id.bytes()).for_each(|(place, byte)| *place = byte);
        key
    }

    struct World {
        hasher: Arc<Hasher>,
        secret: StubKeySource,
        clock: FrozenClock,
        random: Arc<dyn Random>,
    }

    fn world(usage: Usage, text: &str) -> World {
        let (secret, clock) = (StubKeySource::new(Algorithm::EdDsa), FrozenClock::default());
        secret.answer(text);
        let pepper = Pepper::new(usage, secret.clone(), Arc::new(clock.clone()));
        let hasher = Arc::new(Hasher::new(SMALL).unwrap().with_pepper(Some(pepper)));
        World { hasher, secret, clock, random: Arc::new(SeededRandom::new(1)) }
    }

    fn plain() -> World {
        let world = world(Usage::Required, NO_PEPPER);
        World { hasher: Arc::new(Hasher::new(SMALL).unwrap()), ..world }
    }

    fn password(text: &str) -> Password {
        Password::from_input(text).unwrap()
    }

    impl World {
        async fn hash(&self) -> Result<Phc, PasswordError> {
            hash(&self.hasher, password("right"), &self.random).await
        }

        async fn verify(&self, text: &str, stored: Option<&Phc>) -> Result<Verdict, PasswordError> {
            verify(&self.hasher, password(text), stored.cloned()).await
        }

        /// Whether the right password is right and no other; then, whether the hash is to be made anew.
        async fn outdated(&self, stored: &Phc) -> bool {
            let wrong = self.verify("wrong", Some(stored)).await.unwrap();
            assert!(!wrong.matches && wrong.mark.is_some());
            let right = self.verify("right", Some(stored)).await.unwrap();
            assert!(right.matches);
            right.outdated
        }
    }

    /// RFC 9106, section 5.3.
    #[test]
    fn the_vector_of_the_rfc_with_a_secret_is_met() {
        let mut params = argon2::ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).data(argon2::AssociatedData::new(&[4; 12]).unwrap()).output_len(32);
        let (kind, version, params) = (argon2::Algorithm::Argon2id, argon2::Version::V0x13, params.build().unwrap());
        let argon2 = argon2::Argon2::new_with_secret(&[3; 8], kind, version, params).unwrap();
        let mut output = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut output).unwrap();
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(output.map(|byte| format!("{byte:02x}")).concat(), expected);
    }

    /// Computed with the reference implementation (argon2-cffi 25.1.0, its context's `secret`).
    #[tokio::test]
    async fn a_hash_of_the_reference_implementation_is_met() {
        let phc = "$argon2id$v=19$m=64,t=2,p=1,keyid=d2ludGVy$c29tZXNhbHQxMjM0NTY3OA$7TwggwbdLIA8oD38ViS1TcqqhnO9ielaVjSFGP05s1I";
        let phc = Phc::from_stored(phc.to_owned());
        assert_eq!(phc.pepper().unwrap().as_str(), "winter");
        let right = world(Usage::Required, &format!(r#"{{"current":"winter","peppers":{{"winter":"{KEY}"}}}}"#));
        let verdict = right.verify("correct horse battery", Some(&phc)).await.unwrap();
        assert_eq!(verdict, Verdict { matches: true, outdated: false, mark: None });
        let other = world(Usage::Required, &stored(&["winter"]));
        assert!(!other.verify("correct horse battery", Some(&phc)).await.unwrap().matches, "the key counts");
    }

    #[tokio::test]
    async fn each_hash_is_checked_with_its_own_key_and_made_anew_under_the_current_one() {
        let stages = [
            plain(),
            world(Usage::Required, &stored(&["p1"])),
            world(Usage::Required, &stored(&["p1", "p2"])),
            world(Usage::VerifyOnly, &stored(&["p1", "p2"])),
        ];
        let ids = [None, Some("p1"), Some("p2"), None];
        for (made, id) in stages.iter().zip(ids) {
            let phc = made.hash().await.unwrap();
            assert_eq!(phc.pepper().as_ref().map(KeyId::as_str), id);
            assert_eq!(phc.expose_secret().contains(",keyid="), id.is_some());
            for (checked, (stage, current)) in stages.iter().zip(ids.iter().enumerate()) {
                let known = id.is_none() || stage >= 2 || (stage == 1 && id == Some("p1"));
                if known {
                    assert_eq!(checked.outdated(&phc).await, id != *current, "{id:?} in stage {stage}");
                } else {
                    assert!(checked.verify("right", Some(&phc)).await.is_err(), "{id:?} in stage {stage}");
                }
            }
        }
    }

    #[tokio::test]
    async fn without_the_key_of_a_hash_no_password_is_judged() {
        let phc = world(Usage::Required, &stored(&["p2"])).hash().await.unwrap();
        for usage in [Usage::Required, Usage::VerifyOnly] {
            let world = world(usage, &stored(&["p1"]));
            for text in ["right", "wrong"] {
                let error = world.verify(text, Some(&phc)).await.unwrap_err();
                assert!(matches!(&error, PasswordError::Pepper(PepperError::Unknown(id)) if id.as_str() == "p2"));
                assert!(world.hasher.verify(&password(text), Some(&phc)).is_err(), "nor with what was read before");
            }
        }
        for text in ["right", "wrong"] {
            let error = plain().verify(text, Some(&phc)).await.unwrap_err();
            assert!(matches!(error, PasswordError::Pepper(PepperError::TurnedOff(_))), "{error}");
        }
    }

    #[tokio::test]
    async fn a_key_that_was_made_a_moment_ago_is_found_and_unknown_ones_are_sought_rarely() {
        let phc = world(Usage::Required, &stored(&["p1", "p2"])).hash().await.unwrap();
        let world = world(Usage::Required, &stored(&["p1"]));
        world.hash().await.unwrap();
        world.secret.answer(&stored(&["p1", "p2"]));
        assert!(world.verify("right", Some(&phc)).await.unwrap().matches, "without any wait");
        assert_eq!(world.secret.reads(), 2);

        let unknown = Phc::from_stored(phc.expose_secret().replace(",keyid=cDI", ",keyid=cDM"));
        assert_eq!(unknown.pepper().unwrap().as_str(), "p3");
        world.clock.advance(SEEK);
        for _ in 0..100 {
            assert!(world.verify("right", Some(&unknown)).await.is_err());
        }
        assert_eq!(world.secret.reads(), 3);
        world.clock.advance(SEEK);
        assert!(world.verify("right", Some(&unknown)).await.is_err());
        assert_eq!(world.secret.reads(), 4, "waiting clients don't put the next read off");
    }

    #[tokio::test]
    async fn where_a_pepper_is_required_nothing_is_hashed_without() {
        let phc = plain().hash().await.unwrap();
        let world = world(Usage::Required, NO_PEPPER);
        let not_read = |error| matches!(error, PasswordError::Pepper(PepperError::NotRead));
        assert!(not_read(world.hasher.hash(&password("right"), &*world.random).err().unwrap()));
        assert!(not_read(world.hasher.verify(&password("right"), Some(&phc)).unwrap_err()));
        assert_eq!(world.secret.reads(), 0);
        for text in [NO_PEPPER, "", "{}", r#"{"current":"p1","peppers":{}}"#] {
            world.secret.answer(text);
            assert!(matches!(world.hash().await, Err(PasswordError::Pepper(_))), "{text}");
            assert!(world.verify("right", Some(&phc)).await.is_err(), "{text}");
            assert!(world.verify("right", None).await.is_err(), "{text}");
            world.clock.advance(PAUSE);
        }
        assert_eq!(world.secret.reads(), 4, "a failed read is not repeated with every request");
        world.secret.answer(&stored(&["p1"]));
        assert!(world.outdated(&phc).await, "and it heals");
    }

    #[tokio::test]
    async fn a_cold_environment_without_secrets_manager_judges_nothing_and_heals() {
        let phc = plain().hash().await.unwrap();
        let world = world(Usage::Required, &stored(&["p1"]));
        world.secret.fail(true);
        world.hasher.warm().await;
        for stored in [Some(&phc), None] {
            let error = world.verify("right", stored).await.unwrap_err();
            assert!(matches!(error, PasswordError::Pepper(PepperError::Unreachable(_))));
        }
        assert_eq!(world.secret.reads(), 1);
        world.secret.fail(false);
        world.clock.advance(PAUSE);
        assert!(world.verify("right", Some(&phc)).await.unwrap().matches);
    }

    #[tokio::test]
    async fn an_outage_is_bridged_for_the_stale_window_and_no_longer() {
        let world = world(Usage::Required, &stored(&["p1"]));
        let phc = world.hash().await.unwrap();
        for _ in 0..10 {
            assert!(!world.outdated(&phc).await);
        }
        assert_eq!(world.secret.reads(), 1, "keys are read once while they are fresh");
        world.secret.fail(true);
        world.clock.advance(FRESH);
        assert!(!world.outdated(&phc).await);
        assert_eq!(world.secret.reads(), 2);
        world.clock.advance(STALE);
        assert!(world.verify("right", Some(&phc)).await.is_err());
        assert!(world.hash().await.is_err());
        assert!(world.hasher.hash(&password("right"), &*world.random).is_err());
    }

    #[tokio::test]
    async fn an_answer_that_can_not_be_used_ends_the_kept_keys() {
        let world = world(Usage::Required, &stored(&["p1"]));
        let phc = world.hash().await.unwrap();
        world.secret.answer(NO_PEPPER);
        world.clock.advance(FRESH);
        assert!(matches!(world.hash().await, Err(PasswordError::Pepper(PepperError::Empty))));
        world.secret.fail(true);
        world.clock.advance(PAUSE);
        assert!(world.verify("right", Some(&phc)).await.is_err(), "an outage afterwards does not bring them back");
    }

    #[tokio::test]
    async fn the_way_in_and_out_costs_nobody_a_login() {
        let (bare, peppered) =
            (plain().hash().await.unwrap(), world(Usage::Required, &stored(&["p1"])).hash().await.unwrap());
        let world = world(Usage::VerifyOnly, NO_PEPPER);
        assert!(!world.outdated(&bare).await, "before there is a key");
        world.secret.fail(true);
        world.clock.advance(FRESH.saturating_add(STALE));
        assert!(!world.outdated(&bare).await, "nor does an outage matter");
        assert!(world.verify("right", Some(&peppered)).await.is_err(), "but where the key is needed");
        assert_eq!(world.hash().await.unwrap().pepper(), None);
    }

    #[tokio::test]
    async fn the_reads_and_the_work_are_the_same_whether_the_account_exists_or_not() {
        let phc = world(Usage::Required, &stored(&["p1"])).hash().await.unwrap();
        let bare = plain().hash().await.unwrap();
        for usage in [Usage::Required, Usage::VerifyOnly] {
            for account in [None, Some(&phc), Some(&bare)] {
                let world = world(usage, &stored(&["p1"]));
                for _ in 0..3 {
                    assert!(!world.verify("wrong", account).await.unwrap().matches);
                    world.clock.advance(FRESH);
                }
                assert_eq!(world.secret.reads(), 3);
                assert_eq!(world.hasher.blocks_used(), 32);
            }
        }
    }

    #[test]
    fn the_secret_is_read_whole_or_not_at_all() {
        let ids =
            |text: &str| Peppers::parse(text).map(|peppers| peppers.ids().map(KeyId::to_string).collect::<Vec<_>>());
        assert!(ids(NO_PEPPER).unwrap().is_empty());
        assert_eq!(ids(&stored(&["p1", "p2"])).unwrap(), ["p1", "p2"]);
        let short = STANDARD.encode([1; 31]);
        for bad in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            r"[null,{}]".to_owned(),
            format!(r#"["p1",{{"p1":"{KEY}"}}]"#),
            r#"{"current":"p1","peppers":{}}"#.to_owned(),
            format!(r#"{{"peppers":{{"p1":"{KEY}"}}}}"#),
            format!(r#"{{"current":"p2","peppers":{{"p1":"{KEY}"}}}}"#),
            format!(r#"{{"current":"p1","peppers":{{"p1":"{KEY}","p1":"{KEY}"}}}}"#),
            format!(r#"{{"current":"p1","peppers":{{"p1":"{KEY}"}},"more":1}}"#),
            format!(r#"{{"current":"p1","peppers":{{"p1":"{short}"}}}}"#),
            format!(r#"{{"current":"p1","peppers":{{"p1":"{KEY}","p2":"?"}}}}"#),
            format!(r#"{{"current":"123456789","peppers":{{"123456789":"{KEY}"}}}}"#),
            format!(r#"{{"current":"","peppers":{{"":"{KEY}"}}}}"#),
            stored(&"abcdefghijklmnopq".split("").filter(|id| !id.is_empty()).collect::<Vec<_>>()),
        ] {
            let error = ids(&bad).unwrap_err();
            assert!(matches!(error, PepperError::Malformed) && !error.to_string().contains(KEY), "{bad}");
        }
    }

    #[test]
    fn a_rotation_keeps_the_old_keys_and_the_current_one_is_never_dropped() {
        let random = SeededRandom::new(9);
        let empty = Peppers::parse(NO_PEPPER).unwrap();
        assert_eq!(&*empty.to_text().unwrap(), NO_PEPPER);
        let first = empty.rotated(&random).unwrap();
        let second = Peppers::parse(&first.rotated(&random).unwrap().to_text().unwrap()).unwrap();
        let (old, new) = (first.current().unwrap(), second.current().unwrap());
        assert_ne!(old, new);
        assert_eq!(second.keys.get(old), first.keys.get(old));
        assert_ne!(second.keys.get(old), second.keys.get(new));
        assert_eq!(second.without(new).err(), Some(ChangeError::Current));
        assert_eq!(second.without(&KeyId::parse("nobody").unwrap()).err(), Some(ChangeError::Unknown));
        let less = second.without(old).unwrap();
        assert_eq!(less.ids().collect::<Vec<_>>(), [new]);
        let mut full = less;
        for _ in 1..MAX_PEPPERS {
            full = full.rotated(&random).unwrap();
        }
        assert_eq!(full.rotated(&random).err(), Some(ChangeError::Full));
    }

    #[test]
    fn a_key_id_in_a_hash_is_bounded() {
        let stored = |parameters: &str| {
            let text = format!(
                "$argon2id$v=19$m=64,t=1,p=1{parameters}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
            );
            crate::password::imported::from_stored_form(&text).map(|phc| phc.pepper())
        };
        assert_eq!(stored("").unwrap(), None);
        assert_eq!(stored(",keyid=cDE").unwrap(), KeyId::parse("p1"));
        assert_eq!(stored(",keyid=MTIzNDU2Nzg").unwrap(), KeyId::parse("12345678"));
        for bad in [
            ",keyid=",
            ",keyid=AAAA",
            ",keyid=cDF",
            ",keyid=cDE=",
            ",keyid=MTIzNDU2Nzg5",
            ",keyid=cDE,keyid=cDE",
            ",keyid=cDE,data=AAAA",
            ",data=AAAA,keyid=cDE",
        ] {
            assert!(stored(bad).is_err(), "{bad}");
        }
    }
}
