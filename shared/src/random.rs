//! Randomness as a parameter: the only place that draws real random bytes.

/// Fills buffers with unpredictable bytes; injected, so that tests can repeat themselves.
pub trait Random: Send + Sync + 'static {
    /// Overwrites all of `buffer`.
    fn fill(&self, buffer: &mut [u8]);
}

impl dyn Random + '_ {
    /// `N` fresh bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

/// The operating system's generator through AWS-LC's DRBG.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::expect_used,
        reason = "nothing may go on without randomness; the gateway answers the panic with a 500"
    )]
    fn fill(&self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).expect("the system's random generator failed");
    }
}
