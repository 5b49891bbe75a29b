//! Password hashing: Argon2id in PHC strings. Hashes that other systems made are checked too, and replaced at the first login.
//!
//! Invariant: checking a password costs at least one key derivation, whether the account exists or not; the cost of a
//! stored hash is bounded before any of its work is done. Where the stack requires a [`pepper`], nothing is hashed without.

use std::sync::Arc;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, KeyId as Argon2KeyId, Params, ParamsBuilder, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroizing;

use crate::lockout;
use crate::metrics;
use crate::random::Random;
use crate::secret::{Digest, Password};

use self::foreign::Foreign;
use self::kdf::{Argon2, Input};
use self::pepper::{KeyId, Pepper, PepperError, Seasoning};
use self::pool::Pool;
use self::stored::{Argon2Hash, Stored};

pub use self::kdf::IMPLEMENTATION;
pub use self::phc::Refusal;

mod bcrypt;
mod blocklist;
mod foreign;
pub mod imported;
mod kdf;
pub mod pepper;
mod phc;
mod pool;
pub mod rules;
mod stored;

pub(crate) const MAX_MEMORY_KIB: u32 = 64 * 1024;
pub(crate) const MAX_ITERATIONS: u32 = 10;
pub(crate) const MAX_PARALLELISM: u32 = 4;
const OUTPUT_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// Argon2id's cost. The default is OWASP's first choice for a small memory (Password Storage Cheat Sheet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

impl Cost {
    /// Whether it lies inside what this crate is willing to compute: at most 64 MiB, 10 passes and 4 lanes.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        (self.parallelism.max(1).saturating_mul(8)..=MAX_MEMORY_KIB).contains(&self.memory_kib)
            && (1..=MAX_ITERATIONS).contains(&self.iterations)
            && (1..=MAX_PARALLELISM).contains(&self.parallelism)
    }

    /// What is left of this cost after the work of `done`: memory passes, rounded up to whole ones.
    fn beyond(self, done: Self) -> Option<Self> {
        let passes = |cost: Self| u64::from(cost.memory_kib) * u64::from(cost.iterations);
        let missing = passes(self).checked_sub(passes(done)).filter(|missing| *missing > 0)?;
        let iterations = u32::try_from(missing.div_ceil(u64::from(self.memory_kib))).ok()?;
        Some(Self { iterations, ..self })
    }

    fn params(self, pepper: Option<&KeyId>) -> Result<Params, PasswordError> {
        let mut builder = ParamsBuilder::new();
        builder.m_cost(self.memory_kib).t_cost(self.iterations).p_cost(self.parallelism).output_len(OUTPUT_BYTES);
        if let Some(id) = pepper {
            builder.keyid(Argon2KeyId::new(id.as_str().as_bytes()).map_err(|_| PasswordError::Unusable)?);
        }
        builder.build().map_err(|_| PasswordError::Unusable)
    }
}

/// A password hash as stored: a PHC string, or bcrypt's own form. Not shown, not logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Phc(String);

impl Phc {
    /// Takes a stored text, whatever it holds; [`Hasher::verify`] bounds and checks it.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one table that stores it.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// The pepper that it was made with, if any: without that very key, nobody can check the password.
    #[must_use]
    pub fn pepper(&self) -> Option<KeyId> {
        Stored::parse(&self.0).ok()?.pepper().cloned()
    }
}

/// Why a hash could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Malformed, of an unknown algorithm, or dearer than this crate is willing to compute.
    #[error("the stored password hash is malformed or beyond the bounds")]
    Unusable,
    /// The derivation did not come to its end: nobody knows whether the password is right.
    #[error("the password could not be checked")]
    Interrupted,
    /// The pepper can't be had: nobody knows whether the password is right.
    #[error("the password can't be checked or hashed without its pepper")]
    Pepper(#[from] PepperError),
}

/// What checking a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the right password.
    pub matches: bool,
    /// Whether the stored hash is weaker than what is configured now.
    pub outdated: bool,
    /// [`lockout::mark`] of a wrong password; `None` where it is right, or there was no usable hash to be wrong for.
    pub mark: Option<u32>,
}

impl Verdict {
    fn of(matches: bool, outdated: bool, output: &[u8]) -> Self {
        Self { matches, outdated, mark: (!matches).then(|| lockout::mark(output)) }
    }
}

/// Hashes and checks passwords at one configured cost.
pub struct Hasher {
    cost: Cost,
    pepper: Option<Pepper>,
    memory: Pool<Argon2>,
}

/// How one derivation is done.
#[derive(Clone, Copy)]
struct Derivation<'a> {
    algorithm: Algorithm,
    version: Version,
    cost: Cost,
    pepper: Option<&'a [u8]>,
}

impl<'a> Derivation<'a> {
    /// As a new hash is made.
    fn of_new(cost: Cost, pepper: Option<(&KeyId, &'a [u8])>) -> Self {
        Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, cost, pepper: pepper.map(|(_, key)| key) }
    }
}

impl Hasher {
    /// A hasher for new hashes of `cost`, which must be [bounded](Cost::is_bounded).
    pub fn new(cost: Cost) -> Result<Self, PasswordError> {
        if !cost.is_bounded() {
            return Err(PasswordError::Unusable);
        }
        cost.params(None)?;
        Ok(Self { cost, pepper: None, memory: Pool::new(1) })
    }

    /// The same with the stack's pepper, if it has one.
    #[must_use]
    pub fn with_pepper(self, pepper: Option<Pepper>) -> Self {
        Self { pepper, ..self }
    }

    /// The same with memory for `buffers` hashes at a time, made when it is first needed; more than that wait for each
    /// other.
    #[must_use]
    pub fn with_buffers(self, buffers: usize) -> Self {
        Self { memory: Pool::new(buffers), ..self }
    }

    /// Reads the pepper now, if there is one, and gets the memory of all hashes at a time, so that no request need.
    pub async fn warm(self: &Arc<Self>) {
        let hasher = Arc::clone(self);
        let memory = tokio::task::spawn_blocking(move || hasher.reserve());
        if let Some(pepper) = &self.pepper {
            pepper.warm().await;
        }
        if !matches!(memory.await, Ok(Ok(()))) {
            tracing::warn!("the memory for a password hash could not be had while starting");
        }
    }

    fn reserve(&self) -> Result<(), PasswordError> {
        // All at once, or the same one would be lent each time.
        let mut buffers = self.memory.lend_all();
        buffers.iter_mut().try_for_each(|buffer| buffer.reserve(self.cost))
    }

    /// Hashes a new password under a fresh salt. Where the stack has a pepper, it has to have been read: [`hash`] does.
    pub fn hash(&self, password: &Password, random: &dyn Random) -> Result<Phc, PasswordError> {
        self.season_and_hash(password, random, &self.kept_seasoning())
    }

    fn season_and_hash(
        &self,
        password: &Password,
        random: &dyn Random,
        seasoning: &Seasoning,
    ) -> Result<Phc, PasswordError> {
        let pepper = seasoning.of_new()?;
        let salt = random.bytes::<SALT_BYTES>();
        let mut output = [0; OUTPUT_BYTES];
        self.derive(Derivation::of_new(self.cost, pepper), password, &salt, &mut output)?;
        let params = self.cost.params(pepper.map(|(id, _)| id))?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(params).map_err(|_| PasswordError::Unusable)?,
            salt: Some(Salt::new(&salt).map_err(|_| PasswordError::Unusable)?),
            hash: Some(Output::new(&output).map_err(|_| PasswordError::Unusable)?),
        };
        Ok(Phc(hash.to_string()))
    }

    /// Checks a password against a stored hash. Without one (no such account, no password set) or with one that can't
    /// be used, it works as long and says no; the second is logged, since it means damaged data. A hash that is cheaper
    /// than what is configured costs the difference too, so that raised parameters don't tell old accounts from unknown
    /// ones; another system's hash costs the whole. All this for the right password too, so that the time tells nothing
    /// before the guess was admitted. An error means that nothing was found out. Where the stack has a pepper, it has to have been read: [`verify`] does.
    pub fn verify(&self, password: &Password, stored: Option<&Phc>) -> Result<Verdict, PasswordError> {
        self.judge(password, read(stored).as_ref(), &self.kept_seasoning())
    }

    fn judge(
        &self,
        password: &Password,
        stored: Option<&Stored>,
        seasoning: &Seasoning,
    ) -> Result<Verdict, PasswordError> {
        let new = Derivation::of_new(self.cost, seasoning.of_new()?);
        match stored {
            Some(Stored::Argon2(stored)) => self.verify_argon2(password, stored, seasoning),
            Some(Stored::Foreign(stored)) => self.verify_foreign(password, stored, new),
            None => {
                self.work(password, new)?;
                Ok(Verdict { matches: false, outdated: false, mark: None })
            }
        }
    }

    fn verify_argon2(
        &self,
        password: &Password,
        stored: &Argon2Hash,
        seasoning: &Seasoning,
    ) -> Result<Verdict, PasswordError> {
        let current = seasoning.of_new()?;
        let pepper = stored.pepper.as_ref().map(|id| seasoning.of_stored(id)).transpose()?;
        let Argon2Hash { algorithm, version, cost, .. } = *stored;
        let mut output = Zeroizing::new(vec![0; stored.output.len()]);
        let derivation = Derivation { algorithm, version, cost, pepper };
        self.derive(derivation, password, stored.salt.as_ref(), &mut output)?;
        let matches = verify_slices_are_equal(&output, stored.output.as_bytes()).is_ok();
        if let Some(missing) = self.cost.beyond(cost) {
            self.work(password, Derivation::of_new(missing, current))?;
        }
        let outdated = algorithm != Algorithm::Argon2id
            || version != Version::V0x13
            || cost.memory_kib < self.cost.memory_kib
            || cost.iterations < self.cost.iterations
            || stored.pepper.as_ref() != current.map(|(id, _)| id);
        Ok(Verdict::of(matches, outdated, &output))
    }

    fn verify_foreign(
        &self,
        password: &Password,
        stored: &Foreign,
        new: Derivation<'_>,
    ) -> Result<Verdict, PasswordError> {
        let output = stored.derive(password.expose_secret().as_bytes())?;
        let matches = verify_slices_are_equal(&output, stored.hash()).is_ok();
        // The work is done with a salt of this account's, and the mark is made of it and not of the other system's hash:
        // that may be so fast that the mark would tell what was typed.
        let salt = Digest::of(stored.hash()).to_base64url();
        let mut slow = Zeroizing::new([0; OUTPUT_BYTES]);
        self.derive(new, password, salt.as_bytes(), &mut *slow)?;
        Ok(Verdict::of(matches, true, &*slow))
    }

    async fn seasoning(&self, id: Option<&KeyId>) -> Result<Seasoning, PasswordError> {
        match &self.pepper {
            Some(pepper) => Ok(pepper.seasoning(id).await?),
            None => Ok(Seasoning::NONE),
        }
    }

    fn kept_seasoning(&self) -> Seasoning {
        self.pepper.as_ref().map_or(Seasoning::NONE, Pepper::kept_seasoning)
    }

    /// Does the work of a derivation for its time alone.
    fn work(&self, password: &Password, derivation: Derivation<'_>) -> Result<(), PasswordError> {
        let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
        self.derive(derivation, password, &[0; SALT_BYTES], &mut *output)
    }

    fn derive(
        &self,
        derivation: Derivation<'_>,
        password: &Password,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), PasswordError> {
        let Derivation { algorithm, version, cost, pepper } = derivation;
        let (password, secret) = (password.expose_secret().as_bytes(), pepper.unwrap_or_default());
        let input = Input { algorithm, version, cost, password, salt, secret, associated: &[] };
        self.memory.lend().derive(&input, output)
    }
}

/// A stored hash whose work may be done; one that is refused is as none.
fn read(stored: Option<&Phc>) -> Option<Stored> {
    let parsed = stored.map(|phc| Stored::parse(&phc.0))?;
    parsed.inspect_err(|error| tracing::error!(%error, "a stored password hash was refused")).ok()
}

/// [`Hasher::verify`] with the pepper read before, and off the reactor's thread, so that a read can run beside it.
pub async fn verify(hasher: &Arc<Hasher>, password: Password, stored: Option<Phc>) -> Result<Verdict, PasswordError> {
    let stored = read(stored.as_ref());
    let seasoning = hasher.seasoning(stored.as_ref().and_then(Stored::pepper)).await?;
    derived(hasher, move |hasher| hasher.judge(&password, stored.as_ref(), &seasoning)).await
}

/// [`Hasher::hash`] with the pepper read before, and off the reactor's thread.
pub async fn hash(hasher: &Arc<Hasher>, password: Password, random: &Arc<dyn Random>) -> Result<Phc, PasswordError> {
    let seasoning = hasher.seasoning(None).await?;
    let random = Arc::clone(random);
    derived(hasher, move |hasher| hasher.season_and_hash(&password, &*random, &seasoning)).await
}

/// Does the work of a derivation off the reactor's thread, and notes its time: that of the work alone, not of waiting
/// for a buffer or a thread.
async fn derived<T: Send + 'static>(
    hasher: &Arc<Hasher>,
    work: impl FnOnce(&Hasher) -> Result<T, PasswordError> + Send + 'static,
) -> Result<T, PasswordError> {
    let turn = hasher.memory.turn().await?;
    let hasher = Arc::clone(hasher);
    let done = tokio::task::spawn_blocking(move || {
        // Ends with the work and not with who waits for it, who may have gone.
        let _turn = turn;
        metrics::timed(|| work(&hasher))
    });
    let (result, took) = done.await.map_err(|_| PasswordError::Interrupted)?;
    metrics::derivation(took);
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::SeededRandom;

    const SMALL: Cost = Cost { memory_kib: 32, iterations: 1, parallelism: 1 };

    fn password(text: &str) -> Password {
        Password::from_input(text).unwrap()
    }

    impl Hasher {
        /// How much of the kept memory was ever used, in KiB: none means that no Argon2 work was done.
        pub(super) fn blocks_used(&self) -> usize {
            self.memory.lend().kept_kib()
        }
    }

    #[test]
    fn the_right_password_and_only_it_matches() {
        let hasher = Hasher::new(SMALL).unwrap();
        let phc = hasher.hash(&password("correct horse battery"), &SeededRandom::new(1)).unwrap();
        assert!(phc.expose_secret().starts_with("$argon2id$v=19$m=32,t=1,p=1$"));
        assert!(hasher.verify(&password("correct horse battery"), Some(&phc)).unwrap().matches);
        for wrong in
            ["", "correct horse batterx", "correct horse batter", "correct horse battery ", "Correct horse battery"]
        {
            assert!(!hasher.verify(&password(wrong), Some(&phc)).unwrap().matches, "{wrong}");
        }
        assert!(!hasher.verify(&password("correct horse battery"), None).unwrap().matches);
    }

    /// From the reference implementation's test suite: argon2id, version 19, m = 2^16 KiB, t = 2, p = 1.
    #[test]
    fn a_published_vector_verifies() {
        let phc = Phc::from_stored(
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".to_owned(),
        );
        let verdict = Hasher::new(SMALL).unwrap().verify(&password("password"), Some(&phc)).unwrap();
        assert_eq!(verdict, Verdict { matches: true, outdated: false, mark: None });
    }

    #[test]
    fn a_weaker_stored_hash_is_outdated_and_a_stronger_one_is_not() {
        let weak = Hasher::new(SMALL).unwrap();
        let strong = Hasher::new(Cost { iterations: 2, ..SMALL }).unwrap();
        let phc = weak.hash(&password("correct horse battery"), &SeededRandom::new(1)).unwrap();
        assert!(strong.verify(&password("correct horse battery"), Some(&phc)).unwrap().outdated);
        let phc = strong.hash(&password("correct horse battery"), &SeededRandom::new(1)).unwrap();
        assert!(!weak.verify(&password("correct horse battery"), Some(&phc)).unwrap().outdated);
    }

    #[test]
    fn a_wrong_password_costs_the_configured_work_whatever_is_stored() {
        let cost = |memory_kib, iterations| Cost { memory_kib, iterations, parallelism: 1 };
        assert_eq!(cost(64, 2).beyond(cost(64, 1)), Some(cost(64, 1)));
        assert_eq!(cost(64, 2).beyond(cost(32, 2)), Some(cost(64, 1)));
        assert_eq!(cost(64, 3).beyond(cost(16, 1)), Some(cost(64, 3)));
        assert_eq!(cost(64, 2).beyond(cost(64, 2)), None);
        assert_eq!(cost(64, 2).beyond(cost(128, 2)), None);
    }

    /// One cheap hash of each scheme, all of `lètmein`: bcrypt computed with libxcrypt, the rest with Python's
    /// hashlib and OpenSSL's AES.
    const FOREIGN: [&str; 9] = [
        "$2b$04$CCCCCCCCCCCCCCCCCCCCC.gkH6UnjS0HnlIFKPrxOxecnCGXTwVua",
        "$2x$04$CCCCCCCCCCCCCCCCCCCCC.YZD7aa6qvHt3hG5Nx1RihvAVWaYkR4e",
        "$scrypt$ln=10,r=8,p=5$c2Vhc2FsdDAxMjM0NTY3ODlhYmNkZWY$VTMcJv8tmhjocGoylGibQRq5jjFZtuzhbTxWCnHHfsBjDCpP/hjIvhylmlC+jyyAmDK1xFZw/n7JQ/spz5ohXQ",
        "$firebase-scrypt$ln=4,r=1,sep=Bw,key=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA$42xEC+ixf3L2lw$gyToWnp3sfoSjIMTZtuUOKO6bK/zNz6ulRmt3iAvZgX9g4n5fhhtnFzpE2rDeUE0kg8tbbspeYn91iHrLhqg5g",
        "$pbkdf2-sha1$i=1000,l=20$c2Vhc2FsdDAxMjM0NTY3ODlhYmNkZWY$eYzuxv1X+IPXx6Nw+AIWMYKgv1Q",
        "$pbkdf2-sha256$i=1000,l=32$c2Vhc2FsdDAxMjM0NTY3ODlhYmNkZWY$FCAs9lBHMuIi1cFlYu6bd9kD6MnB5ohtmabS2IyJcCo",
        "$pbkdf2-sha512$i=1000,l=64$c2Vhc2FsdDAxMjM0NTY3ODlhYmNkZWY$A6aXDAiuFb3GqV1hqGbyNXveuEhnu9wLo96gB2Bv2Br+bZ5sz34K0sNM/Lz7EST992RUi80MSCmmkiEOf78a/w",
        "$sha256-1001$AAECAwQFBgcICQoLDA0ODw$5MFI/ZewVRUh12LCGHuXMr83JmUGaf3hZdttrVxadns",
        "$ssha$AAECAwQFBgc$zCyB0yOIAKNCxw1zl1I29dxNpzM",
    ];

    #[test]
    fn the_right_password_of_another_system_matches_and_is_to_be_hashed_anew() {
        for text in FOREIGN {
            let hasher = Hasher::new(SMALL).unwrap();
            let verdict = hasher.verify(&password("lètmein"), Some(&Phc::from_stored(text.to_owned()))).unwrap();
            assert_eq!(verdict, Verdict { matches: true, outdated: true, mark: None }, "{text}");
            assert_eq!(hasher.blocks_used(), 32, "{text}: a right password takes no less time than a wrong one");
        }
    }

    #[test]
    fn a_wrong_password_costs_the_configured_work_whoever_made_the_hash() {
        for text in FOREIGN {
            for wrong in ["", "letmein", "lètmei", "lètmein "] {
                let hasher = Hasher::new(SMALL).unwrap();
                let verdict = hasher.verify(&password(wrong), Some(&Phc::from_stored(text.to_owned()))).unwrap();
                assert!(!verdict.matches && verdict.mark.is_some(), "{text}");
                assert_eq!(hasher.blocks_used(), 32, "{text}");
            }
        }
    }

    #[test]
    fn each_wrong_password_has_its_mark() {
        let hasher = Hasher::new(SMALL).unwrap();
        for text in FOREIGN {
            let phc = Phc::from_stored(text.to_owned());
            let mark = |wrong| hasher.verify(&password(wrong), Some(&phc)).unwrap().mark;
            assert_eq!(mark("letmein"), mark("letmein"), "{text}");
            assert_ne!(mark("letmein"), mark("letmeout"), "{text}");
        }
    }

    #[test]
    fn each_bit_of_a_foreign_hash_counts() {
        let hasher = Hasher::new(SMALL).unwrap();
        for text in FOREIGN {
            let last = text.chars().last().unwrap();
            let other = if last == 'A' { 'Q' } else { 'A' };
            let (start, tail) = text.split_at(text.len() - 8);
            let changed = format!("{start}{}", tail.replacen(|c| c != other, &other.to_string(), 1));
            assert_ne!(changed, text);
            let verdict = hasher.verify(&password("lètmein"), Some(&Phc::from_stored(changed))).unwrap();
            assert!(!verdict.matches, "{text}");
        }
    }

    #[test]
    fn a_hash_beyond_the_bounds_is_refused_before_any_work() {
        let salt_and_output = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let mut refused = 0;
        for bad in [
            format!("$argon2id$v=19$m=65537,t=2,p=1${salt_and_output}"),
            format!("$argon2id$v=19$m=4294967295,t=1,p=1${salt_and_output}"),
            format!("$argon2id$v=19$m=64,t=11,p=1${salt_and_output}"),
            format!("$argon2id$v=19$m=64,t=1,p=5${salt_and_output}"),
            format!("$argon2id$v=19$m=64,t=0,p=1${salt_and_output}"),
            format!("$scrypt$v=19$m=64,t=1,p=1${salt_and_output}"),
            format!("$argon2id$v=19$m=64,t=1,t=1,p=1${salt_and_output}"),
            format!("$argon2id$v=19$m=64,t=1,p=1,keyid=AAAA${salt_and_output}"),
            format!("$argon2id$v=19$m=64,t=1,p=1,data=AAAA${salt_and_output}"),
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ".to_owned(),
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA".to_owned(),
            "$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
            "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
            "$2c$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
            format!("$scrypt$ln=17,r=8,p=1${salt_and_output}"),
            format!("$scrypt$ln=63,r=4294967295,p=4294967295${salt_and_output}"),
            format!(
                "$firebase-scrypt$ln=17,r=8,sep=Bw,key=CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc${salt_and_output}"
            ),
            format!("$pbkdf2-sha1$i=2000001,l=32${salt_and_output}"),
            format!("$pbkdf2-sha256$i=4294967295,l=32${salt_and_output}"),
            format!("$pbkdf2-sha512$i=2000001,l=32${salt_and_output}"),
            format!("$md5${salt_and_output}"),
            "{SSHA}zCyB0yOIAKNCxw1zl1I29dxNpzMAAQIDBAUGBw==".to_owned(),
            String::new(),
            "$".to_owned(),
            "$$$$$".to_owned(),
            "x".repeat(100_000),
            format!("$scrypt${}", "$".repeat(100_000)),
            "\u{130}$\u{200b}".to_owned(),
        ] {
            // Reading computes nothing, so that what it refuses cost nothing.
            assert!(Stored::parse(&bad).is_err(), "{bad}");
            let hasher = Hasher::new(SMALL).unwrap();
            let verdict = hasher.verify(&password("password"), Some(&Phc::from_stored(bad))).unwrap();
            assert_eq!(verdict, Verdict { matches: false, outdated: false, mark: None });
            assert_eq!(hasher.blocks_used(), 32, "a refused hash costs what no hash costs");
            refused += 1;
        }
        crate::assurance::note("Q23", "stored-hashes-refused-before-any-work", refused);
    }

    proptest! {
        #[test]
        fn no_stored_text_panics(
            text in prop_oneof![
                ".*",
                "\\$(argon2(i|d|id)|scrypt|firebase-scrypt|pbkdf2-sha(1|256|512)|sha256-1001|ssha(256|512)?|2[abxy])\\$[-a-z0-9=,$./+é]{0,80}",
            ],
            seed in 0..FOREIGN.len(),
            at in any::<prop::sample::Index>(),
            replacement in any::<char>(),
        ) {
            drop(Stored::parse(&text));
            let mut damaged: Vec<char> = FOREIGN.get(seed).unwrap().chars().collect();
            *at.get_mut(&mut damaged) = replacement;
            drop(Stored::parse(&damaged.into_iter().collect::<String>()));
        }

        #[test]
        fn no_damage_to_salt_or_hash_lets_another_password_in(
            seed in 0..FOREIGN.len(),
            at in any::<prop::sample::Index>(),
            replacement in any::<char>(),
        ) {
            let text = FOREIGN.get(seed).unwrap();
            let start = text.rfind('$').unwrap() + 1;
            let mut damaged: Vec<char> = text.get(start..).unwrap().chars().collect();
            *at.get_mut(&mut damaged) = replacement;
            let damaged = format!("{}{}", text.get(..start).unwrap(), damaged.into_iter().collect::<String>());
            let verdict = Hasher::new(SMALL).unwrap().verify(&password("letmein"), Some(&Phc::from_stored(damaged)));
            prop_assert!(!verdict.unwrap().matches);
        }
    }

    #[tokio::test]
    async fn a_warm_hasher_has_its_memory() {
        let hasher = Arc::new(Hasher::new(SMALL).unwrap());
        assert_eq!(hasher.blocks_used(), 0);
        hasher.warm().await;
        assert_eq!(hasher.blocks_used(), 32);
    }

    #[test]
    fn an_unbounded_configuration_is_refused() {
        for cost in [
            Cost { memory_kib: MAX_MEMORY_KIB + 1, ..SMALL },
            Cost { iterations: 0, ..SMALL },
            Cost { parallelism: 0, ..SMALL },
            Cost { memory_kib: 7, ..SMALL },
        ] {
            assert!(Hasher::new(cost).is_err(), "{cost:?}");
        }
    }
}
