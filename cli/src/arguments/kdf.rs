//! The arguments of `ostiary kdf`.

use clap::{Args, Subcommand};

pub const CALIBRATE: &str = "Examples:
  ostiary kdf calibrate --target-ms 100
  ostiary kdf calibrate --target-ms 250 --memory-mb 512
  ostiary kdf calibrate --target-ms 250 --memory-mb 512 --output json

Needs no stack. It measures this machine for some seconds and reckons from that what a function would take: an estimate, \
until the metric KdfLatency of the deployed function says what it takes there. How, and what else there is to know: \
docs/kdf.md.";

#[derive(Subcommand)]
pub enum KdfCommand {
    /// Propose parameters of the password hash for functions of a size
    #[command(after_help = CALIBRATE, allow_negative_numbers = true)]
    Calibrate(Calibrate),
}

/// What a hash may take, and where.
#[derive(Args)]
pub struct Calibrate {
    /// Milliseconds that one password hash may take in a function
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub target_ms: u32,
    /// Memory of the functions that hash passwords, as Lambda counts it: parameter PasswordMemoryMiB
    #[arg(long, value_name = "MB", default_value = "1024", value_parser = clap::value_parser!(u32).range(128..=10_240))]
    pub memory_mb: u32,
    /// Hashes to measure for each figure; their median counts
    #[arg(long, value_name = "COUNT", default_value = "9", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
}
