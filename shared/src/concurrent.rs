//! The loop that every function runs: events from Lambda, answers to it, one after the other or, where Lambda says so,
//! several at a time in one environment (Lambda Managed Instances).
//!
//! Invariant: what belongs to a request belongs to its task, never to the process: its [invocation](crate::invocation),
//! its [audit](crate::audit) trail, its [metrics](crate::metrics) and the span of its log lines. So the loop needs to
//! know nothing of them.

use std::num::NonZero;
use std::thread;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Builder;

use crate::gateway::Error;

/// How much goes on at a time in this environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// Invocations.
    invocations: usize,
    /// What they can share, as far as there is anything to share.
    cores: usize,
}

impl Concurrency {
    /// What Lambda says to this environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "Lambda's own variable, which its runtime reads in the same way")]
    pub fn from_env() -> Self {
        let invocations = std::env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok();
        Self::read(invocations.as_deref(), || thread::available_parallelism().ok())
    }

    /// The cores are asked for only where it matters: that takes reading several files.
    fn read(invocations: Option<&str>, cores: impl FnOnce() -> Option<NonZero<usize>>) -> Self {
        match invocations.and_then(|text| text.parse().ok()) {
            Some(invocations @ 2..) => Self { invocations, cores: cores().map_or(1, NonZero::get) },
            _ => Self { invocations: 1, cores: 1 },
        }
    }

    /// How many passwords are hashed at a time: more than there are cores would only take memory.
    #[must_use]
    pub fn hashes(self) -> usize {
        self.invocations.min(self.cores)
    }

    /// How many threads serve requests beside the one that started: none where that is enough by itself.
    fn threads(self) -> usize {
        Some(self.hashes()).filter(|threads| *threads > 1).unwrap_or_default()
    }
}

/// Lets `answer` answer each event until the environment ends.
pub(crate) async fn serve<A, R, E, F>(
    answer: impl Fn(LambdaEvent<A>) -> F + Clone + Send + 'static,
) -> Result<(), Error>
where
    A: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    E: Into<Diagnostic> + std::fmt::Debug + Send + 'static,
    F: Future<Output = Result<R, E>> + Send + 'static,
{
    let served = lambda_runtime::run_concurrent(service_fn(answer));
    match Concurrency::from_env().threads() {
        // On the heap, where it does not fill the stack of `main`.
        0 => Box::pin(served).await,
        threads => {
            let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
            // The thread of `main` goes on beside these: the connections that were opened at the start are driven by it.
            let served = runtime.spawn(served).await;
            // To wait for what still runs is forbidden here, and nobody would get its answer.
            runtime.shutdown_background();
            served?
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_hash_at_a_time_as_there_are_invocations_and_cores() {
        let read = |text, cores| Concurrency::read(text, || NonZero::new(cores));
        for (text, cores, hashes, threads) in [
            (None, 8, 1, 0),
            (Some("1"), 8, 1, 0),
            (Some("16"), 1, 1, 0),
            (Some("16"), 2, 2, 2),
            (Some("3"), 8, 3, 3),
            (Some("0"), 8, 1, 0),
            (Some("many"), 8, 1, 0),
            (Some("16"), 0, 1, 0),
        ] {
            let concurrency = read(text, cores);
            assert_eq!((concurrency.hashes(), concurrency.threads()), (hashes, threads), "{text:?} on {cores}");
        }
    }
}
