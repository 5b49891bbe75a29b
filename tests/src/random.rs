//! Repeatable choices: the same seed makes the same test.

use std::cell::Cell;

/// A stream of choices (`SplitMix64`, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Dice(Cell<u64>);

impl Dice {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d))
    }

    /// The next 64 bits.
    pub fn bits(&self) -> u64 {
        let mut mixed = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(mixed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a limit of 64 bits");
        usize::try_from(self.bits() % limit).expect("less than the limit")
    }

    /// Whether an event of this chance happens.
    pub fn percent(&self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of `choices`, of which there is at least one.
    pub fn one<T: Clone>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}
