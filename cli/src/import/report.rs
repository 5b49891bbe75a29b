//! What is told of an import: a moving line while it runs, a line for each row that is not taken, and a summary.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::fields::Refusal;
use super::writer::Kind;
use crate::arguments::Form;
use crate::failure::Failure;
use crate::output::{Answer, Body, printable};

/// What the summary says of administrators.
const ADMINISTRATOR: &str = "is an administrator of the tenant (role tenant-admin): look whether each is meant";

/// So many rows that are not taken are shown on a terminal.
const SHOWN: u64 = 100;

/// Counts rows, and tells.
pub struct Report {
    form: Form,
    dry_run: bool,
    bar: ProgressBar,
    read: Arc<AtomicU64>,
    began: Instant,
    errors: Option<BufWriter<File>>,
    limit: u64,
    told: u64,
    /// Rows that were done before this run, and how many of them were told as not imported.
    pub before: (u64, u64),
    pub rows: u64,
    pub imported: u64,
    pub existing: u64,
    pub refused: u64,
    /// Of those imported, who administers a tenant.
    pub administrators: u64,
    skipped: u64,
    /// Of an export's other records: how many were made, and how many were there.
    exported: BTreeMap<Kind, (u64, u64)>,
    notes: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Begins a report. `size` is the length of the input, if that is known.
    pub fn new(
        form: Form,
        dry_run: bool,
        errors: Option<File>,
        before: (u64, u64),
        (read, size): (Arc<AtomicU64>, Option<u64>),
    ) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal && form == Form::Text { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(size, target);
        let template = if size.is_some() {
            "{spinner} importing {bar:24} {percent}% {elapsed} {wide_msg} {eta} left"
        } else {
            "{spinner} importing {elapsed} {wide_msg}"
        };
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            form,
            dry_run,
            bar,
            read,
            began: Instant::now(),
            errors: errors.map(BufWriter::new),
            limit: if terminal { SHOWN } else { u64::MAX },
            told: 0,
            before,
            rows: 0,
            imported: 0,
            existing: 0,
            refused: 0,
            administrators: 0,
            skipped: 0,
            exported: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    /// Counts what was made, or existed already.
    pub fn count(&mut self, kind: Kind, made: bool) {
        match (kind, made) {
            (Kind::User, true) => self.imported += 1,
            (Kind::User, false) => self.existing += 1,
            (kind, made) => {
                let (new, old) = self.exported.entry(kind).or_default();
                *(if made { new } else { old }) += 1;
            }
        }
    }

    /// Counts an administrator who was made.
    pub fn administrator(&mut self) {
        self.administrators += 1;
        self.note(ADMINISTRATOR);
    }

    /// How many access tokens were made.
    pub fn access_tokens(&self) -> u64 {
        self.exported.get(&Kind::AccessToken).map_or(0, |(new, _)| *new)
    }

    /// Whether there was nothing left to do.
    pub fn all_done_before(&self) -> bool {
        self.before.0 > 0 && self.rows == 0
    }

    /// Moves the line.
    pub fn moved(&self) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(self.read.load(Ordering::Relaxed));
        let refused = if self.refused > 0 { format!(", {} refused", self.refused) } else { String::new() };
        self.bar.set_message(format!("{} users, {:.0}/s{refused}", self.imported, self.rate()));
    }

    /// Notes a row that is not taken.
    pub fn refuse(&mut self, line: u64, username: Option<&str>, refusal: &Refusal) -> Result<(), Failure> {
        self.refused += 1;
        self.tell(line, username, refusal)
    }

    /// Tells a row, however it is counted.
    pub fn tell(&mut self, line: u64, username: Option<&str>, refusal: &Refusal) -> Result<(), Failure> {
        let json = json!({ "line": line, "username": username, "field": refusal.field, "rule": refusal.rule });
        if let Some(errors) = &mut self.errors {
            let failed = |error| Failure::invalid("errors", format!("can't be written: {error}"));
            writeln!(errors, "{json}").map_err(failed)?;
        }
        self.told += 1;
        if self.told > self.limit {
            return Ok(());
        }
        let text = match (self.form, username) {
            (Form::Json, _) => json.to_string(),
            (Form::Text, None) => printable(&format!("line {line}: {}: {}", refusal.field, refusal.rule)),
            (Form::Text, Some(name)) => printable(&format!("line {line}: {name}: {}: {}", refusal.field, refusal.rule)),
        };
        self.bar.suspend(|| eprintln!("{text}"));
        if self.told == self.limit {
            self.bar.suspend(|| eprintln!("further rows are not shown; --errors FILE keeps all of them"));
        }
        Ok(())
    }

    /// Notes a row that is not moved, for a reason of its own.
    pub fn skip(&mut self, why: &'static str) {
        self.skipped += 1;
        self.note(why);
    }

    /// Notes something about a row for the summary.
    pub fn note(&mut self, what: &'static str) {
        *self.notes.entry(what).or_default() += 1;
    }

    /// Ends the moving line.
    pub fn close(&self) {
        self.bar.finish_and_clear();
    }

    /// Brings the rows that were told to the disk.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let Some(errors) = &mut self.errors else { return Ok(()) };
        let flushed = errors.flush().and_then(|()| errors.get_ref().sync_data());
        flushed.map_err(|error| Failure::invalid("errors", format!("can't be written: {error}")))
    }

    /// The summary.
    pub fn answer(&self) -> Answer {
        let seconds = self.began.elapsed().as_secs_f64();
        let imported = if self.dry_run { "would be imported" } else { "imported" };
        let json: Value = json!({
            "dryRun": self.dry_run,
            "rows": self.rows,
            "doneBefore": self.before.0,
            "listedBefore": self.before.1,
            "administrators": self.administrators,
            "allDoneBefore": self.all_done_before(),
            "imported": self.imported,
            "existing": self.existing,
            "refused": self.refused,
            "skipped": self.skipped,
            "tenants": self.exported_json(Kind::Tenant),
            "authHeaders": self.exported_json(Kind::AuthHeader),
            "accessTokens": self.exported_json(Kind::AccessToken),
            "notes": self.notes,
            "seconds": (seconds * 1000.0).round() / 1000.0,
        });
        let mut record = vec![
            ("rows", self.rows.to_string()),
            (imported, self.imported.to_string()),
            ("existed already", self.existing.to_string()),
            ("refused", self.refused.to_string()),
        ];
        if self.before.0 > 0 {
            let listed = if self.before.1 > 0 { format!(", {} not imported", self.before.1) } else { String::new() };
            record.insert(1, ("done before", format!("{}{listed}", self.before.0)));
        }
        if self.administrators > 0 {
            record.push(("administrators", self.administrators.to_string()));
        }
        if self.skipped > 0 {
            record.push(("skipped", self.skipped.to_string()));
        }
        for (kind, (new, old)) in &self.exported {
            let what = match kind {
                Kind::User => "users",
                Kind::Tenant => "tenants",
                Kind::AuthHeader => "auth headers",
                Kind::AccessToken => "access tokens",
            };
            record.push((what, format!("{new} {imported}, {old} existed already")));
        }
        record.push(("seconds", format!("{seconds:.1} ({:.0} users/s)", self.rate())));
        record.extend(self.notes.iter().map(|(what, count)| ("note", format!("{count} × {what}"))));
        Answer::new(json, Body::Record(record))
    }

    fn exported_json(&self, kind: Kind) -> Value {
        let (new, old) = self.exported.get(&kind).copied().unwrap_or_default();
        json!({ "imported": new, "existing": old })
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self) -> f64 {
        self.imported as f64 / self.began.elapsed().as_secs_f64().max(0.001)
    }
}
