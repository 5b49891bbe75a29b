//! The whole of the functions in one deterministic simulation: the real handlers and domain over a simulated store,
//! secret, clock and randomness.
//!
//! A few clients do what users, applications, attackers and operators do, at the same time, in three environments whose
//! clocks differ by up to ten seconds. Every call to the store or to the secret stops at a gate (`hub.rs`), and one
//! scheduler (`scheduler.rs`) decides from a seed which call goes on next and what becomes of it: done, lost before or
//! after its commit, torn (a read of several items is no snapshot), or the last of an environment that dies there. Time
//! creeps or jumps, expired items are swept late or never, signing keys rotate.
//!
//! After each request a model (`model.rs`, `judge.rs`) of what was acknowledged, what was ended and what nobody
//! can know says whether an invariant is broken:
//!
//! | | Invariant |
//! |---|---|
//! | I1 | an account that was acknowledged is there |
//! | I2 | names and addresses are unique in a tenant, each other included |
//! | I3 | what can be used once is used once |
//! | I4 | nothing is accepted after its expiry |
//! | I5 | nothing is accepted after its end was acknowledged |
//! | I6 | nobody reads or does anything across tenants |
//! | I7 | no more guesses count than the lockout allows |
//! | I8 | every key that is stored was returned once, or nobody has it |
//! | I9 | what is live is accepted |
//! | I10 | every failed call fails closed, and every act is audited as what it was answered |
//!
//! A seed that fails is the same every time. It is shrunk ([`shrink`](mod@shrink)) and told as a story. That each
//! invariant is watched is itself a test: [`bug::Bug`] breaks a condition of the store or the secret, and the simulation
//! has to see it.
//!
//! ```sh
//! cargo run -p simulation                                  # 2,000 seeds, as the tests do
//! cargo run -p simulation -- --seeds 100000 --threads 2    # many
//! cargo run -p simulation -- --seed 17                     # one; its story if it fails
//! cargo run -p simulation -- --seed 17 --tell              # all that one does
//! cargo run -p simulation -- --bug tokens-stay             # what a broken condition looks like
//! ```
//!
//! What it does not show: how conditions are spelt for DynamoDB (the storage tests run those against engines), and
//! indexes that lag.

mod act;
mod audit;
pub mod bug;
mod environment;
mod hub;
mod judge;
mod model;
mod request;
pub mod run;
mod scheduler;
mod secrets;
pub mod shrink;
mod store;
