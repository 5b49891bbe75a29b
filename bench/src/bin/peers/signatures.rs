//! The signature of a JWT with RS256, ours and Node's in turn, with one key that each has read before.

use std::process::Command;
use std::time::Instant;

use bench::Error as BenchError;
use serde::{Deserialize, Serialize};
use shared::clock::{Clock as _, SystemClock};
use shared::keyring::{Algorithm, KeySet};

use crate::Error;
use crate::contestants::Places;
use crate::install::output;
use crate::world::pem;

/// As long as the part of a JWT that is signed.
const MESSAGE: [u8; 420] = [b'x'; 420];
const ROUNDS: u32 = 5;
const SIGNATURES: u32 = 300;

/// Microseconds a signature, a value for each round: the round's median.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Signatures {
    /// Ours.
    pub ours: Vec<f64>,
    /// Node's, by its `crypto`, which both of its libraries call.
    pub node: Vec<f64>,
}

/// Measures both.
pub fn measure(places: &Places) -> Result<Signatures, Error> {
    let text = KeySet::generate(Algorithm::Rs256, SystemClock.now())?;
    let keys = KeySet::parse(&text)?;
    let key = keys.keys().first().ok_or(BenchError::Event("a keyset without a key"))?;
    let pem = pem(&text)?;
    let mut found = Signatures { ours: Vec::new(), node: Vec::new() };
    for _ in 0..ROUNDS {
        let mut times = Vec::new();
        for _ in 0..SIGNATURES {
            let start = Instant::now();
            let signature = key.sign(&MESSAGE);
            times.push(start.elapsed().as_secs_f64() * 1e6);
            signature.ok_or(BenchError::Event("a key that doesn't sign"))?;
        }
        found.ours.push(bench::report::percentile(&times, 50));
        let mut command = Command::new("node");
        command.arg(places.sources.join("node/src/signatures.cjs")).env("SIGNING_KEY", &pem);
        command.args([MESSAGE.len().to_string(), SIGNATURES.to_string()]);
        let printed = output(&mut command)?;
        found.node.push(printed.trim().parse().map_err(|_| BenchError::Event("no number"))?);
    }
    Ok(found)
}
