//! Faults between the functions and their store: the real endpoints with the real client, in front of real engines.
//!
//! `OSTIARY_FAULT_OPERATIONS=20000 cargo test --release -p tests --test faults storm` is the long run.

mod acts;
mod crashes;
mod deaths;
#[path = "../storage/dynamodb_local.rs"]
mod dynamodb_local;
mod endings;
mod engines;
mod lane;
mod mortal;
mod proxy;
mod storm;
mod throttled;
