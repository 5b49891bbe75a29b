//! By `argon2-rust`: AVX-512, AVX2 or SSE2 where there is one, NEON where it is faster than none.
//!
//! Built without its threads: the lanes of a hash are worked on one after the other, as in the other implementation. Its
//! memory is out of our reach; that it is wiped after each derivation is the crate's own doing (`zeroize-memory`), and
//! a test looks for what is left.

use argon2::{Algorithm, Version};
use argon2_rust::params::{Memory as Size, TagLen};
use argon2_rust::{Algorithm as Kind, Argon2, Error, Hasher, Params, Version as Edition};

use super::{Derive, Input};
use crate::password::{Cost, PasswordError};

/// What keeps its memory between derivations.
pub(super) struct Memory(Hasher);

impl Default for Memory {
    fn default() -> Self {
        Self(Argon2::new(Kind::Argon2id, Edition::V0x13, Params::DEFAULT).hasher())
    }
}

impl Derive for Memory {
    fn derive(&mut self, input: &Input<'_>, output: &mut [u8]) -> Result<(), PasswordError> {
        let kind = match input.algorithm {
            Algorithm::Argon2d => Kind::Argon2d,
            Algorithm::Argon2i => Kind::Argon2i,
            Algorithm::Argon2id => Kind::Argon2id,
        };
        let edition = match input.version {
            Version::V0x10 => Edition::V0x10,
            Version::V0x13 => Edition::V0x13,
        };
        self.0.set_argon2(Argon2::new(kind, edition, params(input.cost, output.len())?));
        let Input { password, salt, secret, associated, .. } = *input;
        self.0.hash_into_with_ad(password, salt, secret, associated, output).map_err(failed)
    }

    fn reserve(&mut self, cost: Cost) -> Result<(), PasswordError> {
        // The crate hands out memory that no page is behind yet; one pass over it touches them all.
        let once = Argon2::new(Kind::Argon2id, Edition::V0x13, params(Cost { iterations: 1, ..cost }, 32)?);
        self.0.set_argon2(once);
        self.0.hash_into(&[], &[0; 16], &mut [0; 32]).map_err(failed)
    }

    #[cfg(test)]
    fn kept_kib(&self) -> usize {
        self.0.reserved_blocks()
    }
}

fn params(cost: Cost, output_len: usize) -> Result<Params, PasswordError> {
    let builder = Params::builder()
        .memory(Size::kib(cost.memory_kib.into()))
        .passes(cost.iterations)
        .lanes(cost.parallelism)
        .threads(1)
        .tag_len(TagLen::bytes(output_len as u64));
    builder.build().map_err(failed)
}

/// Memory that can't be had is an outage and says nothing about the hash.
fn failed(error: Error) -> PasswordError {
    match error {
        Error::MemoryAllocationError => PasswordError::Interrupted,
        _ => PasswordError::Unusable,
    }
}
