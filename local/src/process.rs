//! Child processes that never outlive us: each starts a process group of its own, and a guardian ends that group if we
//! die without doing it ourselves, even by SIGKILL.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How often a wait looks again.
const POLL: Duration = Duration::from_millis(20);

/// Its input is a pipe that only we hold: it ends when we do, whatever the reason.
const GUARDIAN: &str = r#"
read -r _
kill -s TERM -- "-$1" || exit
for second in 1 2 3; do
    sleep 1
    kill -s 0 -- "-$1" || exit
done
kill -s KILL -- "-$1"
"#;

/// A process, the group that it leads, and everything else that was put into that group. Dropping it ends them all.
#[derive(Debug)]
pub struct Group {
    leader: Child,
    id: Pid,
    guardian: Option<Child>,
    status: Option<ExitStatus>,
}

impl Group {
    /// Starts the command as the leader of a new group.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let leader = command.process_group(0).spawn()?;
        let id = Pid::from_child(&leader);
        // Without a guardian we still end the group in every case but our own sudden death.
        let guardian = Command::new("sh")
            .args(["-c", GUARDIAN, "guardian", &id.as_raw_nonzero().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .ok();
        Ok(Self { leader, id, guardian, status: None })
    }

    /// The number for `CommandExt::process_group`, which puts another process into the group.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.id.as_raw_nonzero().get()
    }

    /// The leader, for its pipes.
    pub fn leader(&mut self) -> &mut Child {
        &mut self.leader
    }

    /// How the leader ended, if it has.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.leader.try_wait()?;
        }
        Ok(self.status)
    }

    /// Waits for the leader to end.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.leader.wait()?;
        self.status = Some(status);
        Ok(status)
    }

    /// Asks the group to end, and ends by force what is left of it after `patience`.
    pub fn stop(&mut self, patience: Duration) {
        // First, lest it should hit another group that was given the number of ours.
        if let Some(mut guardian) = self.guardian.take() {
            let _ = guardian.kill();
            let _ = guardian.wait();
        }
        let _ = kill_process_group(self.id, Signal::TERM);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            // The leader is reaped first: a zombie still counts as a member.
            let ended = matches!(self.try_wait(), Ok(Some(_)));
            if ended && test_kill_process_group(self.id).is_err() {
                return;
            }
            thread::sleep(POLL);
        }
        let _ = kill_process_group(self.id, Signal::KILL);
        let _ = self.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop(Duration::from_secs(2));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn the_guardian_ends_the_group_when_we_are_gone() {
        for (script, signal) in [("echo; sleep 100", 15), ("trap '' TERM; echo; while :; do sleep 1; done", 9)] {
            let mut command = Command::new("sh");
            let mut group = Group::spawn(command.args(["-c", script]).stdout(Stdio::piped())).unwrap();
            // The trap has to be set before the signal comes.
            group.leader().stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            // To the guardian, our end is the end of this pipe.
            drop(group.guardian.as_mut().unwrap().stdin.take());
            assert_eq!(group.wait().unwrap().signal(), Some(signal), "{script}");
        }
    }
}
