//! Argon2 (RFC 9106), by one of two implementations that make the same output: the crate `argon2`, or with the feature
//! `simd` the crate `argon2-rust`, which is faster and was audited by nobody.
//!
//! Invariant: nothing is begun that is dearer than [`Cost::is_bounded`] allows, and the memory that a derivation worked
//! in is wiped before anything else can have it. It is kept for the next one, since getting new memory costs time.

use argon2::{Algorithm, Version};
use zeroize::Zeroize as _;

use super::{Cost, PasswordError};

#[cfg(any(test, not(feature = "simd")))]
mod rustcrypto;
#[cfg(feature = "simd")]
mod simd;
#[cfg(test)]
mod tests;

#[cfg(not(feature = "simd"))]
use self::rustcrypto::Memory;
#[cfg(feature = "simd")]
use self::simd::Memory;

/// The crate that does the work.
#[cfg(not(feature = "simd"))]
pub const IMPLEMENTATION: &str = "argon2";
/// The crate that does the work.
#[cfg(feature = "simd")]
pub const IMPLEMENTATION: &str = "argon2-rust";

/// What is derived.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) version: Version,
    pub(super) cost: Cost,
    pub(super) password: &'a [u8],
    pub(super) salt: &'a [u8],
    /// The secret value K; an empty one is none.
    pub(super) secret: &'a [u8],
    /// The associated data X. No password hash has any, the vectors of the RFC do.
    pub(super) associated: &'a [u8],
}

/// What an implementation does, in memory of its own.
trait Derive: Default {
    /// Fills `output`; leaves no trace of the input in the memory.
    fn derive(&mut self, input: &Input<'_>, output: &mut [u8]) -> Result<(), PasswordError>;

    /// Gets the memory that `cost` needs, and has the kernel back it, so that the first derivation need not.
    fn reserve(&mut self, cost: Cost) -> Result<(), PasswordError>;

    /// How much memory is kept, in KiB.
    #[cfg(test)]
    fn kept_kib(&self) -> usize;
}

/// Argon2 with the memory for one derivation at a time.
#[derive(Default)]
pub(super) struct Argon2(Memory);

impl Argon2 {
    /// Fills `output` with what the input derives; after an error it is all zeros.
    pub(super) fn derive(&mut self, input: &Input<'_>, output: &mut [u8]) -> Result<(), PasswordError> {
        bounded(&mut self.0, input, output)
    }

    /// Gets the memory for `cost` before it is needed.
    pub(super) fn reserve(&mut self, cost: Cost) -> Result<(), PasswordError> {
        if cost.is_bounded() { self.0.reserve(cost) } else { Err(PasswordError::Unusable) }
    }

    /// How much memory is kept, in KiB.
    #[cfg(test)]
    pub(super) fn kept_kib(&self) -> usize {
        self.0.kept_kib()
    }
}

fn bounded(memory: &mut impl Derive, input: &Input<'_>, output: &mut [u8]) -> Result<(), PasswordError> {
    if !input.cost.is_bounded() {
        output.zeroize();
        return Err(PasswordError::Unusable);
    }
    memory.derive(input, output).inspect_err(|_| output.zeroize())
}
