//! Where and when was measured.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};
use shared::clock::{Clock as _, SystemClock};

/// What the figures depend on beside the code.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many of its cores we may use.
    pub cores: usize,
    /// The operating system's kernel.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
    /// The day, in UTC.
    pub date: String,
    /// How many processes wanted a core when we began, on average over a minute.
    pub load: String,
}

/// This machine, now.
pub fn describe() -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let information = read("/proc/cpuinfo");
    let processor = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let kernel = read("/proc/sys/kernel/osrelease");
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    Machine {
        processor: known(processor.map(|(_, name)| name).unwrap_or_default()),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        // The version alone: what follows it names a builder.
        kernel: format!("Linux {}", known(kernel.split('-').next().unwrap_or_default())),
        rustc: known(&String::from_utf8_lossy(&rustc)),
        date: SystemClock.now().as_zoneless().chars().take_while(|character| *character != 'T').collect(),
        load: known(read("/proc/loadavg").split(' ').next().unwrap_or_default()),
    }
}

fn known(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}
