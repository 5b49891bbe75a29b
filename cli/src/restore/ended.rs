//! What was ended since the moment of a restore, and that it stays so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use shared::audit;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::store::dynamo::Tables;
use shared::store::dynamo::restored::{Change, Comparison, Damaged, Finding, Rules, end_everything};

use super::plan::{describe, name_in, target, whole_accounts};
use super::prefix;
use crate::arguments::{Compared, KeepEnded, Missing, Table};
use crate::confirm;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body, aside, date};

/// So many ids of a kind are told where no file takes all of them.
const TOLD: usize = 20;

pub async fn compare(connection: &Connection, compared: Compared) -> Result<Answer, Failure> {
    let both = Both::find(connection, &compared).await?;
    let rules = rules(&both, compared.to, false);
    let mut report = Report::new(compared.report.as_deref())?;
    let comparison = both.comparison(connection, rules);
    comparison.run(&mut |finding| report.add(&finding)).await?;
    if !both.in_use {
        comparison.made_since(&mut |finding| report.add(&finding)).await?;
    }
    report.close(connection, &both, compared.to, "is good again in the restored tables; restore keep-ended ends it")
}

pub async fn keep(connection: &Connection, keep: KeepEnded) -> Result<Answer, Failure> {
    if keep.distrust {
        return distrust(connection, &keep).await;
    }
    let both = Both::find(connection, &keep.compared).await?;
    let ended = keep.ended.as_deref().map(ids).transpose()?.unwrap_or_default();
    if (keep.end_sessions || keep.end_auth_headers) && both.restored.users == both.reference.users {
        return Err(Failure::invalid(
            "end-sessions",
            "and --end-auth-headers need restored users: they are marked there",
        ));
    }
    let rules = Rules {
        damaged: keep.missing_is_damage.iter().copied().map(Damaged::from).collect(),
        ended,
        revive_auth_headers: keep.revive_auth_headers,
        end_sessions: keep.end_sessions,
        end_auth_headers: keep.end_auth_headers,
        ..rules(&both, keep.compared.to, true)
    };
    audit::subject(&date(keep.compared.to));
    if !keep.yes {
        confirm::yes(&question(&both, &keep.missing_is_damage))?;
    }
    let mut report = Report::new(keep.compared.report.as_deref())?;
    both.comparison(connection, rules).run(&mut |finding| report.add(&finding)).await?;
    let what = if both.in_use {
        "was taken away in the restored tables, but for what is missing: that is only told"
    } else {
        "was ended in the restored tables"
    };
    report.close(connection, &both, keep.compared.to, what)
}

fn question(both: &Both, damaged: &[Missing]) -> String {
    let those = both.tables().map(|table| table.of(&both.restored)).collect::<Vec<_>>().join(", ");
    if both.in_use {
        return format!(
            "End in {those}, which are in use, what was ended in the tables of before? Nothing is deleted: what is \
             missing in those is only told."
        );
    }
    let back = damaged.iter().filter_map(clap::ValueEnum::to_possible_value);
    let back: Vec<_> = back.map(|kind| kind.get_name().to_owned()).collect();
    let but = if back.is_empty() { String::new() } else { format!(", except for {}", back.join(", ")) };
    format!("End in {those} what was ended since? What is not in the tables in use is deleted there{but}.")
}

/// Ends everything that was issued, by what is in the restored tables alone: nothing of the others is read.
async fn distrust(connection: &Connection, keep: &KeepEnded) -> Result<Answer, Failure> {
    let client = connection.dynamodb();
    let prefix = prefix(connection, keep.compared.prefix.clone());
    let mut both = Both {
        restored: connection.settings.tables.clone(),
        reference: connection.settings.tables.clone(),
        in_use: false,
    };
    for table in Table::ALL {
        let name = target(&prefix, table, keep.compared.to);
        if describe(&client, &name).await?.is_none() {
            let message = format!("needs all five tables restored, and there is no {name}: run `ostiary restore`");
            return Err(Failure::invalid("distrust", message));
        }
        both.in_use |= table.of(&both.reference) == name;
        table.replace(&mut both.restored, name);
    }
    audit::subject(&date(keep.compared.to));
    if !keep.yes {
        let users = &both.restored.users;
        confirm::yes(&format!("End every session and every auth header of all users in {users}?"))?;
    }
    let mut report = Report::new(keep.compared.report.as_deref())?;
    let store = connection.store_of(both.restored.clone());
    end_everything(&store, SystemClock.now(), &mut |finding| report.add(&finding)).await?;
    report.close(connection, &both, keep.compared.to, "was ended in the restored tables; no other table was read")
}

fn rules(both: &Both, moment: Timestamp, act: bool) -> Rules {
    Rules {
        moment: Timestamp::from_seconds(moment.as_seconds()),
        in_use: both.in_use,
        now: SystemClock.now(),
        act,
        damaged: BTreeSet::new(),
        ended: BTreeSet::new(),
        revive_auth_headers: false,
        end_sessions: false,
        end_auth_headers: false,
    }
}

impl From<Missing> for Damaged {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Users => Self::Users,
            Missing::AuthHeaders => Self::AuthHeaders,
            Missing::AccessTokens => Self::AccessTokens,
            Missing::Tenants => Self::Tenants,
        }
    }
}

/// Restored tables, and those that were in use since.
struct Both {
    restored: Tables,
    reference: Tables,
    /// Whether the restored ones are in use already. Those that are not are left alone then.
    in_use: bool,
}

impl Both {
    async fn find(connection: &Connection, compared: &Compared) -> Result<Self, Failure> {
        let client = connection.dynamodb();
        let prefix = prefix(connection, compared.prefix.clone());
        let used = &connection.settings.tables;
        let mut both = Self { restored: used.clone(), reference: used.clone(), in_use: false };
        let mut found = Vec::new();
        for table in Table::ALL {
            let name = target(&prefix, table, compared.to);
            let Some(description) = describe(&client, &name).await? else { continue };
            found.push(table);
            if table.of(used) == name {
                both.in_use = true;
                let made_of = description.restore_summary().and_then(|restore| restore.source_table_arn());
                if let Some(before) = made_of.and_then(name_in) {
                    table.replace(&mut both.reference, before.to_owned());
                }
            }
            table.replace(&mut both.restored, name);
        }
        if found.is_empty() {
            let example = target(&prefix, Table::Users, compared.to);
            let message =
                format!("there is no table that was restored to it, such as {example}: run `ostiary restore`");
            return Err(Failure::refused("to", message));
        }
        whole_accounts(&found)?;
        if let Some(names) = &compared.before {
            both.reference = names.0.clone();
        }
        if both.in_use {
            for table in Table::ALL {
                table.replace(&mut both.restored, table.of(used).to_owned());
            }
        }
        let differing: Vec<_> = both.tables().collect();
        whole_accounts(&differing)?;
        if differing.is_empty() {
            return Err(Failure::invalid(
                "before",
                "must be given: DynamoDB doesn't tell what the tables were made of",
            ));
        }
        Ok(both)
    }

    fn tables(&self) -> impl Iterator<Item = Table> {
        Table::ALL.into_iter().filter(|table| table.of(&self.restored) != table.of(&self.reference))
    }

    fn comparison(&self, connection: &Connection, rules: Rules) -> Comparison {
        let store = |tables: &Tables| connection.store_of(tables.clone());
        Comparison::new(store(&self.restored), store(&self.reference), rules)
    }
}

/// The ids in a file, a line each.
fn ids(path: &Path) -> Result<BTreeSet<String>, Failure> {
    let text = std::fs::read_to_string(path);
    let text =
        text.map_err(|error| Failure::invalid("ended", format!("can't be read: {}: {error}", path.display())))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Counts findings, and keeps the first of each kind, or all in a file.
struct Report {
    counts: BTreeMap<Change, usize>,
    ids: BTreeMap<Change, Vec<String>>,
    file: Option<(PathBuf, BufWriter<File>)>,
    broken: Option<std::io::Error>,
}

impl Report {
    fn new(path: Option<&Path>) -> Result<Self, Failure> {
        let file = path.map(|path| {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let file = file.map_err(|error| {
                Failure::invalid("report", format!("must be a new file: {}: {error}", path.display()))
            })?;
            Ok::<_, Failure>((path.to_owned(), BufWriter::new(file)))
        });
        Ok(Self { counts: BTreeMap::new(), ids: BTreeMap::new(), file: file.transpose()?, broken: None })
    }

    fn add(&mut self, Finding { change, of }: &Finding) {
        *self.counts.entry(*change).or_default() += 1;
        if let Some((_, file)) = &mut self.file {
            let line = json!({ "change": change.name(), "of": of });
            if let Err(error) = writeln!(file, "{line}") {
                self.broken.get_or_insert(error);
            }
        }
        let ids = self.ids.entry(*change).or_default();
        if let Some(of) = of
            && ids.len() < TOLD
        {
            ids.push(of.clone());
        }
    }

    fn count(&self, change: Change) -> usize {
        self.counts.get(&change).copied().unwrap_or_default()
    }

    /// The answer, or, where something is left to do, an error behind it.
    fn close(self, connection: &Connection, both: &Both, moment: Timestamp, what: &str) -> Result<Answer, Failure> {
        let again = self.count(Change::Again);
        let open: usize = self.counts.iter().filter(|(change, _)| change.is_open()).map(|(_, count)| count).sum();
        let answer = self.answer(both, moment, what)?;
        if again == 0 && open == 0 {
            return Ok(answer);
        }
        aside(&answer, connection.form);
        if again > 0 {
            return Err(Failure::Outage(format!(
                "{again} items were changed by somebody else meanwhile: run it again"
            )));
        }
        let message = format!(
            "{open} of these need somebody: what can't be read, or was changed in both. docs/restore.md says what to do"
        );
        Err(Failure::Refused { field: None, message })
    }

    fn answer(mut self, both: &Both, moment: Timestamp, what: &str) -> Result<Answer, Failure> {
        if let Some((path, file)) = &mut self.file {
            let flushed = file.flush().err();
            if let Some(error) = self.broken.take().or(flushed) {
                return Err(Failure::Outage(format!("{} could not be written: {error}", path.display())));
            }
        }
        let row = |(change, count): (&Change, &usize)| {
            let ids = self.ids.get(change).map(|ids| ids.join(" ")).unwrap_or_default();
            let more = if !ids.is_empty() && *count > TOLD { " \u{2026}" } else { "" };
            vec![change.name().to_owned(), count.to_string(), format!("{ids}{more}")]
        };
        let counts: BTreeMap<_, _> = self.counts.iter().map(|(change, count)| (change.name(), count)).collect();
        let ids: BTreeMap<_, _> = self.ids.iter().map(|(change, ids)| (change.name(), ids)).collect();
        let tables: Vec<_> = both
            .tables()
            .map(|table| {
                json!({
                    "table": table.name(), "restored": table.of(&both.restored), "reference": table.of(&both.reference),
                })
            })
            .collect();
        let json =
            json!({ "moment": date(moment), "inUse": both.in_use, "tables": tables, "changes": counts, "ids": ids });
        let rows = self.counts.iter().map(row).collect();
        let body = Body::Table { head: &["since then", "count", "of"], rows, none: "nothing was ended since" };
        Ok(Answer { note: Some(format!("What stands here {what}. docs/restore.md says what each means.")), json, body })
    }
}
