//! By the `RustCrypto` project's `argon2`.

use argon2::{Argon2, AssociatedData, Block, Params, ParamsBuilder};
use zeroize::optimization_barrier;

use super::{Derive, Input};
use crate::password::{Cost, PasswordError};

/// The blocks that derivations work in, all zero between them.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    fn blocks(&mut self, count: usize) -> Result<&mut [Block], PasswordError> {
        if let Some(missing) = count.checked_sub(self.0.len()) {
            self.0.try_reserve_exact(missing).map_err(|_| PasswordError::Interrupted)?;
            self.0.resize(count, Block::default());
        }
        self.0.get_mut(..count).ok_or(PasswordError::Unusable)
    }
}

impl Derive for Memory {
    fn derive(&mut self, input: &Input<'_>, output: &mut [u8]) -> Result<(), PasswordError> {
        let params = params(input.cost, input.associated, output.len())?;
        let blocks = Wiped(self.blocks(params.block_count())?);
        let argon2 = Argon2::new_with_secret(input.secret, input.algorithm, input.version, params);
        let argon2 = argon2.map_err(|_| PasswordError::Unusable)?;
        let result = argon2.hash_password_into_with_memory(input.password, input.salt, output, &mut *blocks.0);
        result.map_err(|_| PasswordError::Unusable)
    }

    fn reserve(&mut self, cost: Cost) -> Result<(), PasswordError> {
        // Writing the zeros is what has the kernel back them.
        self.blocks(params(cost, &[], Params::DEFAULT_OUTPUT_LEN)?.block_count()).map(drop)
    }

    #[cfg(test)]
    fn kept_kib(&self) -> usize {
        self.0.len()
    }
}

/// Blocks that a derivation works in: all zero when it is over, by a panic too.
struct Wiped<'a>(&'a mut [Block]);

impl Drop for Wiped<'_> {
    fn drop(&mut self) {
        wipe(self.0);
    }
}

/// A third of the time that wiping word by word takes, which is one part in thirty of a hash.
fn wipe(blocks: &mut [Block]) {
    for block in &mut *blocks {
        block.as_mut().fill(0);
    }
    // To the compiler somebody reads them now, so that it can't leave the zeros out.
    optimization_barrier(blocks);
}

fn params(cost: Cost, associated: &[u8], output_len: usize) -> Result<Params, PasswordError> {
    let mut builder = ParamsBuilder::new();
    builder.m_cost(cost.memory_kib).t_cost(cost.iterations).p_cost(cost.parallelism).output_len(output_len);
    builder.data(AssociatedData::new(associated).map_err(|_| PasswordError::Unusable)?);
    builder.build().map_err(|_| PasswordError::Unusable)
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Version};

    use super::*;

    #[test]
    fn the_kept_memory_is_wiped() {
        let mut memory = Memory::default();
        let cost = Cost { memory_kib: 64, iterations: 2, parallelism: 2 };
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let input =
            Input { algorithm, version, cost, password: b"x", salt: &[1; 16], secret: &[2; 8], associated: &[] };
        memory.derive(&input, &mut [0; 32]).unwrap();
        assert_eq!(memory.0.len(), 64);
        assert!(memory.0.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
    }
}
