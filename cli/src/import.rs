//! `ostiary import`: moves users in from a file, with the hashes of their passwords.
//!
//! Invariants: an account is imported whole or not at all; what one run did, the next one finds and does not do again;
//! memory does not grow with the file; and nothing of a row but its user's name is ever shown.

mod account;
mod auth0;
mod checkpoint;
mod encrypted;
mod errors;
mod exported;
mod fields;
mod firebase;
mod hashes;
mod keycloak;
mod native;
mod pieces;
mod record;
mod report;
mod source;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shared::audit;
use shared::clock::{Clock as _, SystemClock};
use shared::store::Administration;
use shared::tenant::TenantName;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::arguments::{Import, OnExisting};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{self, Answer};
use crate::record::VERSION;

pub use self::pieces::MAX_ROW_BYTES;

use self::account::{Account, Rules};
use self::checkpoint::{Checkpoint, Progress, Task};
use self::exported::Exported;
use self::fields::{Refusal, refusal};
use self::pieces::Pieces;
use self::record::{Dialect, Record, Refused};
use self::report::Report;
use self::source::Source;
use self::writer::{Batch, Finished, Job, Kind, Outcome, Pending, PendingExported, Writer};

/// So many rows are read ahead.
const AHEAD: usize = 256;

/// So many tenants have an open batch each.
const OPEN_BATCHES: usize = 32;

/// A row that waits for others to fill its batch may keep so many from being noted as done.
const HELD_UP: u64 = 10_000;

const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Batches that nothing was added to for so long are written as they are: more may never come.
const IDLE: Duration = Duration::from_millis(500);

/// Moves users in.
pub async fn run(connection: &Connection, import: Import) -> Result<Answer, Failure> {
    let tenant = connection.tenant(import.tenant.clone())?;
    errors::apart(&import)?;
    let source = Source::open(&import)?;
    let store = connection.store();
    let writer = Writer::new(store.clone());
    let checkpoint = checkpoint(&import, &source, connection, &tenant, &writer).await?;
    let before = checkpoint.as_ref().map_or((0, 0), |checkpoint| (checkpoint.rows, checkpoint.listed));
    let errors = import.errors.as_deref().map(|path| errors::open(path, before.0 > 0)).transpose()?;
    let size = source.file.as_ref().map(|file| file.size);
    let report = Report::new(connection.form, import.dry_run, errors, before, (Arc::clone(&source.read), size));
    let tenants = if import.dry_run { store.tenants().await? } else { Vec::new() };
    let rules = Rules {
        tenant,
        only_tenant: import.tenant.is_some(),
        mixed_alphabets: import.allow_mixed_alphabets,
        now: SystemClock.now(),
    };
    let mut work = Work {
        tenant: rules.tenant.clone(),
        writer,
        tenants: import.dry_run.then(|| tenants.into_iter().map(|tenant| tenant.name).collect()),
        report_existing: import.on_existing == OnExisting::Report,
        with_credentials: import.with_credentials,
        parallel: usize::from(import.parallel),
        open: BTreeMap::new(),
        jobs: JoinSet::new(),
        claims: HashSet::new(),
        progress: Progress::of(checkpoint.as_ref()),
        saved: Instant::now(),
        checkpoint,
        report,
        export: None,
        stop: Stop::on_interrupt(),
    };
    let rows = read(source.pieces, source.dialect, rules, before.0);
    let result = work.carry_out(rows).await;
    work.end(result, connection)
}

async fn checkpoint(
    import: &Import,
    source: &Source,
    connection: &Connection,
    tenant: &TenantName,
    writer: &Writer<impl Administration>,
) -> Result<Option<Checkpoint>, Failure> {
    let Some(path) = import.checkpoint.as_ref().filter(|_| !import.dry_run) else { return Ok(None) };
    let Some(file) = &source.file else {
        return Err(Failure::invalid("checkpoint", "needs a file; standard input can't be read again"));
    };
    let format = import.format.map_or("by name", crate::arguments::ImportFormat::name);
    let task = Task::new(file, format, tenant.as_str(), &connection.settings.tables.users);
    let checkpoint = Checkpoint::open(path, task)?;
    for (name, made) in &checkpoint.tenants {
        let found = match TenantName::parse(name) {
            Some(tenant) => writer.made(&tenant).await?,
            None => None,
        };
        if found.is_none_or(|found| found.as_millis() != *made) {
            return Err(checkpoint.of_another_tenant(name));
        }
    }
    Ok(Some(checkpoint))
}

/// A row that was read.
struct Row {
    index: u64,
    line: u64,
    record: Result<Record<Account>, Refused>,
}

/// Reads rows in a thread of its own, since a pipe may keep one waiting, leaving out the first `done`.
fn read(pieces: Pieces, dialect: Dialect, rules: Rules, done: u64) -> mpsc::Receiver<Result<Row, Failure>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        for (index, piece) in (0..).zip(pieces) {
            let row = match piece {
                Err(failure) => Err(failure),
                // The first line tells what kind of file it is.
                Ok(_) if 0 < index && index < done => continue,
                Ok(piece) => {
                    let record = piece.content.map_err(|refusal| Refused { username: None, refusal });
                    let record = record.and_then(|content| dialect.read(content, &rules));
                    if index < done && !matches!(record, Ok(Record::Header { .. })) {
                        continue;
                    }
                    Ok(Row { index, line: piece.line, record })
                }
            };
            if sender.blocking_send(row).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Whether the operator wants it to end.
#[derive(Clone, Default)]
struct Stop(Arc<(AtomicBool, Notify)>);

impl Stop {
    /// Ctrl-C ends it when what is under way is done; a second one ends it at once, which is safe as well.
    fn on_interrupt() -> Self {
        let stop = Self::default();
        let told = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                told.0.0.store(true, Ordering::Relaxed);
                told.0.1.notify_one();
                let _ = tokio::signal::ctrl_c().await;
                std::process::exit(130);
            }
        });
        stop
    }

    fn is_wanted(&self) -> bool {
        self.0.0.load(Ordering::Relaxed)
    }
}

/// An import under way.
struct Work<S> {
    tenant: TenantName,
    writer: Writer<S>,
    /// In a dry run, the tenants that there are.
    tenants: Option<BTreeSet<TenantName>>,
    report_existing: bool,
    with_credentials: bool,
    parallel: usize,
    open: BTreeMap<TenantName, Batch>,
    jobs: JoinSet<Result<Vec<Finished>, Failure>>,
    /// What the accounts under way claim.
    claims: HashSet<String>,
    progress: Progress,
    saved: Instant,
    checkpoint: Option<Checkpoint>,
    report: Report,
    /// Of an export of ours: whether its last line was met.
    export: Option<bool>,
    stop: Stop,
}

impl<S: Administration> Work<S> {
    async fn carry_out(&mut self, mut rows: mpsc::Receiver<Result<Row, Failure>>) -> Result<(), Failure> {
        let result = self.take_rows(&mut rows).await;
        // Where the file itself is broken, what was read before is as good as ever.
        let sound = result.as_ref().err().is_none_or(|failure| failure.field() == Some("file"));
        let flushed = if sound && !self.stop.is_wanted() { self.flush(0).await } else { Ok(()) };
        // What is under way is waited for, whatever happened: its outcome is to be told.
        let drained = self.wait_for(0).await;
        result.and(flushed).and(drained)?;
        match self.export {
            Some(false) if !self.stop.is_wanted() => {
                let message = "the file is cut off: it has no last line of an export; what it holds was imported";
                Err(Failure::refused("file", message))
            }
            _ => Ok(()),
        }
    }

    async fn take_rows(&mut self, rows: &mut mpsc::Receiver<Result<Row, Failure>>) -> Result<(), Failure> {
        while !self.stop.is_wanted() {
            self.wait_for(self.parallel - 1).await?;
            let stop = self.stop.clone();
            tokio::select! {
                biased;
                () = stop.0.1.notified() => {}
                Some(job) = self.jobs.join_next(), if !self.jobs.is_empty() => self.finish(job)?,
                row = rows.recv() => match row {
                    Some(row) => self.take(row?).await?,
                    None => return Ok(()),
                },
                () = tokio::time::sleep(IDLE) => self.flush(0).await?,
            }
        }
        Ok(())
    }

    async fn take(&mut self, row: Row) -> Result<(), Failure> {
        let index = row.index;
        // Before anything is waited for: what is noted meanwhile must not have this row.
        self.progress.begin(index);
        if self.is_done_with(row).await? {
            self.progress.done(index);
        }
        if self.progress.held_up() > HELD_UP {
            self.flush(0).await?;
            self.wait_for(0).await?;
        }
        self.report.moved();
        self.save(false)
    }

    /// Deals with a row, and says whether that was all: it may be on its way.
    async fn is_done_with(&mut self, row: Row) -> Result<bool, Failure> {
        let (line, index) = (row.line, row.index);
        if self.export == Some(true) {
            let message = format!("the file goes on after the last line of an export, in line {line}");
            return Err(Failure::refused("file", message));
        }
        if !matches!(row.record, Ok(Record::Header { .. } | Record::End { .. })) {
            self.report.rows += 1;
        }
        match row.record {
            Err(refused) => self.refuse(index, line, refused.username.as_deref(), &refused.refusal)?,
            Ok(Record::User(account)) => return self.add(Pending { index, line, account: *account }).await,
            Ok(Record::Skipped(why)) => self.report.skip(why),
            Ok(Record::Header { version: VERSION }) if index == 0 => self.export = Some(false),
            Ok(Record::Header { .. }) if index == 0 => {
                return Err(Failure::invalid("file", format!("is an export of another version than {VERSION}")));
            }
            Ok(Record::Header { .. }) => {
                self.refuse(index, line, None, &refusal("type", "must be ostiary-export in the first line only"))?;
            }
            Ok(Record::End { records }) if self.export == Some(false) && records + 1 == index => {
                self.export = Some(true);
                // The next run has to see it as well.
                return Ok(false);
            }
            Ok(Record::End { .. }) => {
                let message = "the file is not complete: there are not as many records as its last line says";
                return Err(Failure::refused("file", format!("{message} (line {line}); those were imported")));
            }
            Ok(Record::Exported(_)) if self.export.is_none() => {
                let rule = "must be user in a file that does not begin as an export";
                self.refuse(index, line, None, &refusal("type", rule))?;
            }
            Ok(Record::Exported(record)) => match record.credential().filter(|_| !self.with_credentials) {
                Some(why) => self.report.skip(why),
                None => return self.add_exported(PendingExported { index, line, record }).await,
            },
        }
        Ok(true)
    }

    fn refuse(&mut self, index: u64, line: u64, username: Option<&str>, refusal: &Refusal) -> Result<(), Failure> {
        self.report.refuse(line, username, refusal)?;
        self.progress.list(index);
        Ok(())
    }

    async fn add(&mut self, row: Pending) -> Result<bool, Failure> {
        for note in &row.account.notes {
            self.report.note(note);
        }
        let tenant = row.account.new.user.tenant.clone();
        if let Some(tenants) = &self.tenants {
            if tenants.contains(&tenant) {
                self.report.imported += 1;
                if row.account.is_administrator() {
                    self.report.administrator();
                }
            } else {
                self.missing(row.index, row.line, row.account.new.user.name.as_str(), &tenant)?;
            }
            return Ok(true);
        }
        self.note_tenant(&tenant).await?;
        let claims = row.claims();
        if claims.iter().any(|claim| self.claims.contains(claim)) {
            // The row before it has to be there before this one can be told what it collides with.
            self.flush(0).await?;
            self.wait_for(0).await?;
        }
        self.claims.extend(claims);
        if !self.open.contains_key(&tenant) {
            self.flush(OPEN_BATCHES - 1).await?;
        }
        if let Some(full) = self.open.entry(tenant).or_default().add(row) {
            self.start(Job::Batch(full));
        }
        Ok(false)
    }

    /// Notes when a tenant was made, before anything comes into it.
    async fn note_tenant(&mut self, tenant: &TenantName) -> Result<(), Failure> {
        let Some(checkpoint) = &mut self.checkpoint else { return Ok(()) };
        if !checkpoint.tenants.contains_key(tenant.as_str())
            && let Some(made) = self.writer.made(tenant).await?
        {
            checkpoint.tenants.insert(tenant.as_str().to_owned(), made.as_millis());
        }
        Ok(())
    }

    async fn add_exported(&mut self, row: PendingExported) -> Result<bool, Failure> {
        if let Some(tenants) = &mut self.tenants {
            if let Exported::Tenant(tenant) = &row.record {
                tenants.insert(tenant.name.clone());
            }
            self.report.count(Kind::of(&row.record), true);
            return Ok(true);
        }
        if let Exported::AuthHeader(owned) = &row.record
            && self.claims.contains(&writer::id_claim(&owned.header.key.user))
        {
            // Its user is on the way.
            self.flush(0).await?;
            self.wait_for(0).await?;
        }
        let tenant = if let Exported::Tenant(tenant) = &row.record { Some(tenant.name.clone()) } else { None };
        self.wait_for(self.parallel - 1).await?;
        self.start(Job::Exported(row));
        if let Some(tenant) = tenant {
            // Its users come next.
            self.wait_for(0).await?;
            self.note_tenant(&tenant).await?;
        }
        Ok(false)
    }

    fn start(&mut self, job: Job) {
        self.jobs.spawn(self.writer.clone().write(job));
    }

    /// Writes open batches until at most `left` are open.
    async fn flush(&mut self, left: usize) -> Result<(), Failure> {
        while self.open.len() > left {
            let Some((_, batch)) = self.open.pop_first() else { break };
            if !batch.is_empty() {
                self.wait_for(self.parallel - 1).await?;
                self.start(Job::Batch(batch));
            }
        }
        Ok(())
    }

    /// Waits until at most `left` batches are being written. After a failure, for all of them.
    async fn wait_for(&mut self, left: usize) -> Result<(), Failure> {
        let (mut left, mut result) = (left, Ok(()));
        while self.jobs.len() > left {
            let Some(job) = self.jobs.join_next().await else { break };
            if let Err(failure) = self.finish(job) {
                left = 0;
                result = result.and(Err(failure));
            }
        }
        result
    }

    fn finish(&mut self, job: Result<Result<Vec<Finished>, Failure>, tokio::task::JoinError>) -> Result<(), Failure> {
        let job = job.map_err(|error| Failure::Outage(format!("a batch was not written: {error}")))?;
        let mut result = Ok(());
        for finished in job? {
            for claim in &finished.claims {
                self.claims.remove(claim);
            }
            let told = self.told(&finished);
            if told.is_ok() {
                self.progress.done(finished.index);
            }
            result = result.and(told);
        }
        self.report.moved();
        self.save(false)?;
        result
    }

    fn told(&mut self, finished: &Finished) -> Result<(), Failure> {
        let username = finished.username.as_str();
        match &finished.outcome {
            Outcome::Imported => {
                self.report.count(finished.kind, true);
                if finished.administrator {
                    self.report.administrator();
                }
            }
            Outcome::Existing => {
                self.report.count(finished.kind, false);
                if self.report_existing && finished.kind == Kind::User {
                    self.report.tell(finished.line, Some(username), &refusal("username", "exists already"))?;
                    self.progress.list(finished.index);
                }
            }
            Outcome::Refused(refusal) => self.refuse(finished.index, finished.line, Some(username), refusal)?,
            Outcome::NoSuchTenant(tenant) => self.missing(finished.index, finished.line, username, tenant)?,
        }
        Ok(())
    }

    /// A tenant of one row may be a mistake in that row; the one of the whole import ends it.
    fn missing(&mut self, index: u64, line: u64, username: &str, tenant: &TenantName) -> Result<(), Failure> {
        if *tenant == self.tenant {
            let hint = "make it with `ostiary tenant create`";
            return Err(Failure::refused("tenant", format!("there is no tenant {tenant}: {hint}")));
        }
        let refusal: Refusal = refusal("tenant", "is not there: make it with `ostiary tenant create`");
        self.refuse(index, line, Some(username), &refusal)
    }

    fn save(&mut self, now: bool) -> Result<(), Failure> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        if now || self.saved.elapsed() >= SAVE_EVERY {
            self.saved = Instant::now();
            // Whoever goes on from there does not tell them again.
            self.report.flush()?;
            let (rows, listed) = self.progress.settled();
            checkpoint.save(rows, listed)?;
        }
        Ok(())
    }

    /// Tells how it ended. Whatever was done before a failure is told as well.
    fn end(mut self, result: Result<(), Failure>, connection: &Connection) -> Result<Answer, Failure> {
        let saved = self.report.flush().and_then(|()| self.save(true));
        self.report.close();
        let (users, administrators) = (self.report.imported, self.report.administrators);
        let tokens = self.report.access_tokens();
        let counts = format!("{users} users, {administrators} administrators, {tokens} access tokens");
        audit::subject(&format!("{}: {counts}", self.tenant));
        let mut answer = self.report.answer();
        let interrupted = || {
            let again = if self.checkpoint.is_some() { "the same command goes on" } else { "the same command again" };
            Failure::Outage(format!("interrupted; what was imported stays, and {again} where this one ended"))
        };
        let complete = if self.stop.is_wanted() { Err(interrupted()) } else { Ok(()) };
        let result = result.and(saved).and(complete);
        if result.is_ok() && self.report.all_done_before() {
            answer.note = Some("nothing to do: all done before".to_owned());
        }
        match result.and(self.taken()) {
            Ok(()) => Ok(answer),
            Err(failure) => {
                output::print(&answer, connection.form)?;
                Err(failure)
            }
        }
    }

    /// Refuses where rows were not imported, in this run or in one before.
    fn taken(&self) -> Result<(), Failure> {
        let now = self.report.refused + if self.report_existing { self.report.existing } else { 0 };
        let message = match (now, self.report.before.1) {
            (0, 0) => return Ok(()),
            (1, 0) => "1 row was not imported: see above".to_owned(),
            (now, 0) => format!("{now} rows were not imported: see above"),
            (now, before) => {
                let all = now + before;
                format!("{all} rows were not imported, {before} of which an earlier run told: see --errors")
            }
        };
        Err(Failure::Refused { field: None, message })
    }
}
