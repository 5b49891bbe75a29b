//! How far an import came, in a file, so that the next run goes on from there.
//!
//! Invariant: whatever happens, the file says no more than what is done, of one input, format, tenant and stack.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::source::Fingerprint;
use crate::failure::Failure;

const FIELD: &str = "checkpoint";

/// What is imported into what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    pub size: u64,
    pub sha256: String,
    pub format: String,
    pub tenant: String,
    /// The table of users, which no other stack has.
    pub table: String,
}

impl Task {
    /// The import of `file`.
    pub fn new(file: &Fingerprint, format: &str, tenant: &str, table: &str) -> Self {
        Self {
            size: file.size,
            sha256: file.sha256.clone(),
            format: format.to_owned(),
            tenant: tenant.to_owned(),
            table: table.to_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u64,
    task: Task,
    /// So many rows from the first on are done.
    rows: u64,
    /// So many of them were told as not imported.
    listed: u64,
    /// When the tenants were made that they came into, in milliseconds since 1970.
    tenants: BTreeMap<String, i64>,
}

/// The file.
pub struct Checkpoint {
    path: PathBuf,
    task: Task,
    /// So many rows were done before this run.
    pub rows: u64,
    /// So many of them were told as not imported.
    pub listed: u64,
    /// When the tenants were made that rows came into: in one that was made anew, nothing of all that is left.
    pub tenants: BTreeMap<String, i64>,
}

impl Checkpoint {
    /// Reads the file, if it is there.
    pub fn open(path: &Path, task: Task) -> Result<Self, Failure> {
        let rule = |rule: String| Failure::invalid(FIELD, rule);
        let (rows, listed, tenants) = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (0, 0, BTreeMap::new()),
            Err(error) => return Err(rule(format!("{} can't be read: {error}", path.display()))),
            Ok(bytes) => {
                let text: Text = serde_json::from_slice(&bytes)
                    .map_err(|_| rule(format!("{} is no checkpoint of an import", path.display())))?;
                if text.version != 1 || text.task != task {
                    return Err(rule(format!(
                        "{} is of another file, format, tenant or stack, or the file was changed: delete it to begin \
                         anew, which finds what exists already",
                        path.display()
                    )));
                }
                (text.rows, text.listed, text.tenants)
            }
        };
        let checkpoint = Self { path: path.to_owned(), task, rows, listed, tenants };
        // Whether it can be written is better known before than after hours.
        checkpoint.save(rows, listed)?;
        Ok(checkpoint)
    }

    /// A failure that says that a tenant is not the one any more that rows came into.
    pub fn of_another_tenant(&self, tenant: &str) -> Failure {
        let path = self.path.display();
        let rule = format!("{path} is of a tenant {tenant} that was deleted since: delete it to import all rows anew");
        Failure::invalid(FIELD, rule)
    }

    /// Notes that so many rows from the first on are done, and how many of them were told as not imported.
    pub fn save(&self, rows: u64, listed: u64) -> Result<(), Failure> {
        let text = Text { version: 1, task: self.task.clone(), rows, listed, tenants: self.tenants.clone() };
        let write = || -> std::io::Result<()> {
            let beside = beside(&self.path);
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(&serde_json::to_vec(&text)?)?;
            file.sync_all()?;
            std::fs::rename(&beside, &self.path)
        };
        write().map_err(|error| Failure::invalid(FIELD, format!("{} can't be written: {error}", self.path.display())))
    }
}

/// The file that becomes the checkpoint once it is whole.
pub fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    beside.into()
}

/// Which rows are done.
#[derive(Default)]
pub struct Progress {
    /// Rows that were begun and are not done.
    pending: BTreeSet<u64>,
    next: u64,
    /// Rows that were told as not imported, behind one that is not done.
    listed: BTreeSet<u64>,
    /// How many were told before those.
    settled: u64,
}

impl Progress {
    /// What a checkpoint says.
    pub fn of(checkpoint: Option<&Checkpoint>) -> Self {
        let (next, settled) = checkpoint.map_or((0, 0), |checkpoint| (checkpoint.rows, checkpoint.listed));
        Self { next, settled, ..Self::default() }
    }

    /// A row that is dealt with from now on.
    pub fn begin(&mut self, row: u64) {
        self.pending.insert(row);
        self.next = self.next.max(row + 1);
    }

    /// A row that need not be looked at again.
    pub fn done(&mut self, row: u64) {
        self.pending.remove(&row);
    }

    /// A row that was told as not imported.
    pub fn list(&mut self, row: u64) {
        self.listed.insert(row);
    }

    /// How many rows from the first on are done, and how many of them were told as not imported.
    pub fn settled(&mut self) -> (u64, u64) {
        let rows = self.pending.first().copied().unwrap_or(self.next);
        let behind = self.listed.split_off(&rows);
        self.settled += u64::try_from(self.listed.len()).unwrap_or_default();
        self.listed = behind;
        (rows, self.settled)
    }

    /// How many rows the first one that is not done keeps from being noted.
    pub fn held_up(&self) -> u64 {
        self.pending.first().map_or(0, |first| self.next - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(sha256: &str) -> Task {
        Task::new(&Fingerprint { size: 7, sha256: sha256.to_owned() }, "jsonl", "acme", "users")
    }

    #[test]
    fn it_says_how_far_the_same_import_came() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let checkpoint = Checkpoint::open(&path, task("a")).ok().unwrap();
        assert_eq!(checkpoint.rows, 0);
        assert!(checkpoint.save(42, 7).is_ok());
        let again = Checkpoint::open(&path, task("a")).ok().unwrap();
        assert_eq!((again.rows, again.listed), (42, 7));
        for other in
            [task("b"), Task { tenant: "other".into(), ..task("a") }, Task { table: "other".into(), ..task("a") }]
        {
            let failure = Checkpoint::open(&path, other).err().unwrap();
            assert!(failure.to_string().contains("another file"), "{failure}");
        }
        assert_eq!(Checkpoint::open(&path, task("a")).ok().unwrap().rows, 42, "a refusal changes nothing");
    }

    #[test]
    fn a_row_counts_once_all_before_it_are_done() {
        let mut progress = Progress::default();
        progress.begin(0);
        assert_eq!(progress.settled(), (0, 0), "one that was begun is not done");
        for row in [1, 2] {
            progress.begin(row);
            progress.list(row);
            progress.done(row);
        }
        assert_eq!((progress.settled(), progress.held_up()), ((0, 0), 3));
        progress.done(0);
        assert_eq!((progress.settled(), progress.settled()), ((3, 2), (3, 2)));
    }

    #[test]
    fn a_file_that_is_no_checkpoint_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "my notes").unwrap();
        assert_eq!(Checkpoint::open(&path, task("a")).err().unwrap().exit_code(), 2);
        assert_eq!(std::fs::read(&path).unwrap(), b"my notes");
        let nowhere = folder.path().join("nowhere/checkpoint");
        assert!(Checkpoint::open(&nowhere, task("a")).is_err());
    }
}
