//! A share of a core, as Lambda gives it by memory size: by the kernel's control groups, version 1 or 2.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// The size with a whole core.
pub const FULL_MB: u32 = 1769;

/// How often a share is given out. Lambda's own is not documented; 20 ms is what measurements of others show.
const PERIOD_US: u32 = 20_000;

/// A control group of our own. Dropping it removes it, once nothing runs in it any more.
pub struct Share {
    folder: PathBuf,
    is_v2: bool,
}

impl Share {
    /// Makes one.
    pub fn new() -> Result<Self, Error> {
        let (one, two) = (Path::new("/sys/fs/cgroup/cpu"), Path::new("/sys/fs/cgroup"));
        let name = format!("ostiary-bench-{}", std::process::id());
        let is_v2 = !one.join("cpu.cfs_quota_us").exists() && !one.join("cpu.shares").exists();
        let folder = if is_v2 { two } else { one }.join(name);
        if is_v2 {
            // Where it is set already, or may not be set, the next steps tell.
            let _ = fs::write(two.join("cgroup.subtree_control"), "+cpu");
        }
        fs::create_dir(&folder).map_err(Error::ControlGroup)?;
        Ok(Self { folder, is_v2 })
    }

    /// From now on what is in it has as much of a core as a function of this size.
    pub fn limit(&self, memory_mb: u32) -> Result<(), Error> {
        let quota = quota_us(memory_mb);
        if self.is_v2 {
            return self.write("cpu.max", &format!("{quota} {PERIOD_US}"));
        }
        self.write("cpu.cfs_period_us", &PERIOD_US.to_string())?;
        self.write("cpu.cfs_quota_us", &quota.to_string())
    }

    /// Takes a process in, with all of its threads.
    pub fn take(&self, process: u32) -> Result<(), Error> {
        self.write("cgroup.procs", &process.to_string())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        fs::write(self.folder.join(name), text).map_err(|error: io::Error| Error::ControlGroup(error))
    }
}

/// How long something of this size may run in a period.
fn quota_us(memory_mb: u32) -> u32 {
    PERIOD_US * memory_mb / FULL_MB
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_the_memory_s_part_of_a_core_and_more_than_the_kernel_s_least() {
        assert_eq!([128, 512, FULL_MB].map(quota_us), [1447, 5788, 20_000]);
    }
}
