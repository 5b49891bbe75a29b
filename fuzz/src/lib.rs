//! Whatever reads bytes that somebody hostile may have written, each as a function of bytes that fails when a rule is
//! broken: not only by a panic. What is accepted is compared with a second, simpler reading of the same bytes, is written
//! again and read again, and is refused where nobody issued it; what is refused is one of the contract's refusals.
//!
//! An input may hold [markers](scene) such as `{jwt}`, in whose place a live credential is put. An input without
//! any was made by somebody who has none, so it opens nothing.
//!
//! `cargo test -p fuzz` runs the inputs of `fuzz/corpus` and a fixed number of [mutations](mutation) of them. `fuzz/run`
//! goes on from there with libFuzzer for as long as it is told to; its head says how. An input that broke something is
//! added to the corpus, together with a test beside the code that was wrong.

pub mod corpus;
pub mod mutation;
pub mod oracle;
pub mod scene;
mod targets;

pub use targets::TARGETS;

/// One target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Does with an input what the target is about; panics when a rule is broken.
    pub run: fn(&[u8]),
    /// What inputs are made of, for [mutations](mutation).
    pub words: &'static [&'static str],
    /// How many mutations `cargo test` makes: some seconds' worth.
    pub mutations: u64,
}

impl Target {
    /// The target of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}
