//! Password hashing: Argon2id in PHC strings, with memory that is kept between hashes and wiped after each.
//!
//! Invariant: checking a password costs one key derivation, whether the account exists or not; the cost of a stored
//! hash is bounded before any of its work is done.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use zeroize::Zeroize as _;

use crate::random::Random;
use crate::secret::Password;

/// The shortest password for a new account, in characters (NIST SP 800-63B-4, 3.1.1.2: 15 where it is the only factor).
pub const MIN_PASSWORD_CHARS: usize = 15;

const MAX_MEMORY_KIB: u32 = 64 * 1024;
const MAX_ITERATIONS: u32 = 10;
const MAX_PARALLELISM: u32 = 4;
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
        (8 * self.parallelism.max(1)..=MAX_MEMORY_KIB).contains(&self.memory_kib)
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

    fn params(self) -> Result<Params, PasswordError> {
        Params::new(self.memory_kib, self.iterations, self.parallelism, Some(OUTPUT_BYTES))
            .map_err(|_| PasswordError::Unusable)
    }
}

/// A password hash as stored: a PHC string. Not shown, not logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Phc(String);

impl Phc {
    /// Takes a stored PHC string, whatever it holds; [`Hasher::verify`] bounds and checks it.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The PHC string, for the one table that stores it.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

/// Why a hash could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Malformed, of an unknown algorithm, or dearer than this crate is willing to compute.
    #[error("the stored password hash is malformed or beyond the bounds")]
    Unusable,
    /// The derivation did not come to its end: nobody knows whether the password is right.
    #[error("the password could not be checked")]
    Interrupted,
}

/// What checking a password found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is the right password.
    pub matches: bool,
    /// Whether the stored hash is weaker than what is configured now.
    pub outdated: bool,
}

struct Stored {
    algorithm: Algorithm,
    version: Version,
    cost: Cost,
    salt: Salt,
    output: Output,
}

impl Stored {
    /// Reads and bounds a PHC string without doing any of its work.
    fn parse(phc: &Phc) -> Result<Self, PasswordError> {
        let hash = PasswordHash::new(&phc.0).map_err(|_| PasswordError::Unusable)?;
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| PasswordError::Unusable)?;
        let version =
            hash.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| PasswordError::Unusable)?;
        let params = Params::try_from(&hash).map_err(|_| PasswordError::Unusable)?;
        let cost = Cost { memory_kib: params.m_cost(), iterations: params.t_cost(), parallelism: params.p_cost() };
        match (hash.salt, hash.hash) {
            (Some(salt), Some(output)) if cost.is_bounded() && output.len() >= 16 => {
                Ok(Self { algorithm, version, cost, salt, output })
            }
            _ => Err(PasswordError::Unusable),
        }
    }
}

/// Hashes and checks passwords at one configured cost.
pub struct Hasher {
    cost: Cost,
    memory: Mutex<Vec<Block>>,
}

impl Hasher {
    /// A hasher for new hashes of `cost`, which must be [bounded](Cost::is_bounded).
    pub fn new(cost: Cost) -> Result<Self, PasswordError> {
        if !cost.is_bounded() {
            return Err(PasswordError::Unusable);
        }
        cost.params()?;
        Ok(Self { cost, memory: Mutex::new(Vec::new()) })
    }

    /// Hashes a new password under a fresh salt.
    pub fn hash(&self, password: &Password, random: &dyn Random) -> Result<Phc, PasswordError> {
        let salt = random.bytes::<SALT_BYTES>();
        let mut output = [0; OUTPUT_BYTES];
        self.derive(Algorithm::Argon2id, Version::V0x13, self.cost, password, &salt, &mut output)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(self.cost.params()?).map_err(|_| PasswordError::Unusable)?,
            salt: Some(Salt::new(&salt).map_err(|_| PasswordError::Unusable)?),
            hash: Some(Output::new(&output).map_err(|_| PasswordError::Unusable)?),
        };
        Ok(Phc(hash.to_string()))
    }

    /// Checks a password against a stored hash. Without one (no such account, no password set) or with one that can't
    /// be used, it works as long and says no; the second is logged, since it means damaged data. A wrong password for a
    /// hash that is cheaper than what is configured costs the difference too, so that raised parameters don't tell old
    /// accounts from unknown ones. An error means that nothing was found out.
    pub fn verify(&self, password: &Password, stored: Option<&Phc>) -> Result<Verdict, PasswordError> {
        let parsed = stored.map(Stored::parse);
        if let Some(Err(error)) = &parsed {
            tracing::error!(%error, "a stored password hash was refused");
        }
        let Some(Ok(stored)) = parsed else {
            self.work(password, self.cost)?;
            return Ok(Verdict { matches: false, outdated: false });
        };
        let mut output = vec![0; stored.output.len()];
        self.derive(stored.algorithm, stored.version, stored.cost, password, stored.salt.as_ref(), &mut output)?;
        let matches = verify_slices_are_equal(&output, stored.output.as_bytes()).is_ok();
        if let (false, Some(missing)) = (matches, self.cost.beyond(stored.cost)) {
            self.work(password, missing)?;
        }
        let outdated = stored.algorithm != Algorithm::Argon2id
            || stored.version != Version::V0x13
            || stored.cost.memory_kib < self.cost.memory_kib
            || stored.cost.iterations < self.cost.iterations;
        Ok(Verdict { matches, outdated })
    }

    /// Does the work of a derivation for its time alone.
    fn work(&self, password: &Password, cost: Cost) -> Result<(), PasswordError> {
        let mut output = [0; OUTPUT_BYTES];
        self.derive(Algorithm::Argon2id, Version::V0x13, cost, password, &[0; SALT_BYTES], &mut output)
    }

    fn derive(
        &self,
        algorithm: Algorithm,
        version: Version,
        cost: Cost,
        password: &Password,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), PasswordError> {
        let params = Params::new(cost.memory_kib, cost.iterations, cost.parallelism, Some(output.len()))
            .map_err(|_| PasswordError::Unusable)?;
        let blocks = params.block_count();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() < blocks {
            memory.resize(blocks, Block::default());
        }
        let used = memory.get_mut(..blocks).ok_or(PasswordError::Unusable)?;
        let result = Argon2::new(algorithm, version, params)
            .hash_password_into_with_memory(password.expose_secret().as_bytes(), salt, output, &mut *used)
            .map_err(|_| PasswordError::Unusable);
        used.iter_mut().for_each(zeroize::Zeroize::zeroize);
        if result.is_err() {
            output.zeroize();
        }
        result
    }
}

/// [`Hasher::verify`] off the reactor's thread, so that a read can run beside it.
pub async fn verify(hasher: &Arc<Hasher>, password: Password, stored: Option<Phc>) -> Result<Verdict, PasswordError> {
    let hasher = Arc::clone(hasher);
    let verdict = tokio::task::spawn_blocking(move || hasher.verify(&password, stored.as_ref())).await;
    verdict.unwrap_or(Err(PasswordError::Interrupted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededRandom;

    const SMALL: Cost = Cost { memory_kib: 32, iterations: 1, parallelism: 1 };

    fn password(text: &str) -> Password {
        Password::from_input(text).unwrap()
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
        assert_eq!(verdict, Verdict { matches: true, outdated: false });
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

    #[test]
    fn a_hash_beyond_the_bounds_is_refused_before_any_work() {
        let salt_and_output = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for bad in [
            format!("$argon2id$v=19$m=65537,t=2,p=1${salt_and_output}"),
            format!("$argon2id$v=19$m=4294967295,t=1,p=1${salt_and_output}"),
            format!("$argon2id$v=19$m=64,t=11,p=1${salt_and_output}"),
            format!("$argon2id$v=19$m=64,t=1,p=5${salt_and_output}"),
            format!("$argon2id$v=19$m=64,t=0,p=1${salt_and_output}"),
            format!("$scrypt$v=19$m=64,t=1,p=1${salt_and_output}"),
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ".to_owned(),
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA".to_owned(),
            String::new(),
            "x".repeat(100_000),
            "\u{130}$\u{200b}".to_owned(),
        ] {
            assert!(Stored::parse(&Phc::from_stored(bad.clone())).is_err(), "{bad}");
            assert!(
                !Hasher::new(SMALL)
                    .unwrap()
                    .verify(&password("password"), Some(&Phc::from_stored(bad)))
                    .unwrap()
                    .matches
            );
        }
    }

    #[test]
    fn the_kept_memory_is_wiped() {
        let hasher = Hasher::new(SMALL).unwrap();
        hasher.hash(&password("correct horse battery"), &SeededRandom::new(1)).unwrap();
        let memory = hasher.memory.lock().unwrap();
        assert!(!memory.is_empty());
        assert!(memory.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
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
