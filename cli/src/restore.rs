//! `ostiary restore`: new tables of what was in the stack's at an earlier moment.
//!
//! Invariant: no table that is in use is written to, or taken out of use: the switch is a deployment. The one exception is
//! asked for: `keep-ended` after the switch.

mod ended;
mod plan;
mod tables;

use serde_json::json;
use shared::audit;
use shared::clock::{Clock as _, SystemClock, Timestamp};
use shared::store::dynamo::restored;

use self::plan::{Window, parameter, target, whole_accounts};
use self::tables::{Restored, begin, finish, wait};
use crate::arguments::{Restore, RestoreStep, Table};
use crate::confirm;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Answer, Body, aside, date};
use crate::text::Moment;

/// So many items of each table are read to see whether that can be done.
const SAMPLE: u16 = 200;

pub async fn run(connection: &Connection, restore: Restore) -> Result<Answer, Failure> {
    match restore.step {
        Some(RestoreStep::Compare(compared)) => ended::compare(connection, compared).await,
        Some(RestoreStep::KeepEnded(keep)) => ended::keep(connection, keep).await,
        None => make(connection, restore).await,
    }
}

async fn make(connection: &Connection, restore: Restore) -> Result<Answer, Failure> {
    let client = connection.dynamodb();
    let in_use = &connection.settings.tables;
    let wanted = restore.to.ok_or_else(|| Failure::invalid("to", "must be given"))?;
    let mut chosen = if restore.tables.is_empty() { Table::ALL.to_vec() } else { restore.tables };
    chosen.sort_unstable();
    chosen.dedup();
    whole_accounts(&chosen)?;
    let mut window: Option<Window> = None;
    for table in &chosen {
        let own = Window::of(&client, table.of(in_use)).await?;
        window = Some(window.map_or(own, |window| window.within(own)));
    }
    let Some(window) = window else { return Err(Failure::invalid("table", "must be given")) };
    let moment = resolve(wanted, window)?;
    let prefix = prefix(connection, restore.prefix);
    let all: Vec<Restored> = chosen
        .into_iter()
        .map(|table| Restored { table, source: table.of(in_use).to_owned(), target: target(&prefix, table, moment) })
        .collect();
    audit::subject(&date(moment));
    aside(&plan(&all, moment), connection.form);
    if !restore.yes {
        let size = if all.len() == 1 { "1 new table".to_owned() } else { format!("{} new tables", all.len()) };
        confirm::yes(&format!("Make {size} of what was there at {}?", date(moment)))?;
    }
    begin(&client, &all, moment).await?;
    wait(&client, &all, connection.form).await?;
    made(connection, &all, moment, &prefix).await
}

/// The moment in whole seconds, which is what DynamoDB restores to.
fn resolve(wanted: Moment, window: Window) -> Result<Timestamp, Failure> {
    let seconds = |moment: Timestamp| Timestamp::from_seconds(moment.as_seconds());
    let moment = match wanted {
        Moment::Latest => return Ok(seconds(window.latest)),
        Moment::Ago(ago) => seconds(SystemClock.now().minus(ago)),
        Moment::At(moment) => seconds(moment),
    };
    window.holds(moment)?;
    Ok(moment)
}

/// What the names of restored tables begin with.
fn prefix(connection: &Connection, given: Option<String>) -> String {
    given.or_else(|| connection.stack.clone()).unwrap_or_else(|| "ostiary".to_owned())
}

fn plan(all: &[Restored], moment: Timestamp) -> Answer {
    let json = json!({
        "moment": date(moment),
        "tables": all.iter().map(|one| json!({ "table": one.table.name(), "from": one.source, "to": one.target })).collect::<Vec<_>>(),
    });
    let rows =
        all.iter().map(|one| vec![one.table.name().to_owned(), one.source.clone(), one.target.clone()]).collect();
    Answer::new(json, Body::Table { head: &["table", "from", "to"], rows, none: "nothing" })
}

async fn made(connection: &Connection, all: &[Restored], moment: Timestamp, prefix: &str) -> Result<Answer, Failure> {
    let client = connection.dynamodb();
    let mut wanted = connection.settings.tables.clone();
    let (mut rows, mut json) = (Vec::new(), Vec::new());
    let mut unreadable = 0;
    for one in all {
        let differs = finish(&client, one, connection.form).await?;
        let sample = restored::sample(&client, &one.target, SAMPLE).await?;
        unreadable += sample.unreadable;
        let read = if sample.unreadable == 0 {
            format!("{} items read", sample.read)
        } else {
            format!("{} of {} items can't be read", sample.unreadable, sample.read)
        };
        let differs = if differs.is_empty() { "as before".to_owned() } else { format!("other {}", differs.join(", ")) };
        json.push(json!({
            "table": one.table.name(), "from": one.source, "to": one.target, "sampled": sample.read,
            "unreadable": sample.unreadable, "shape": differs,
        }));
        rows.push(vec![one.table.name().to_owned(), one.target.clone(), read, differs]);
        one.table.replace(&mut wanted, one.target.clone());
    }
    let parameter = parameter(&wanted);
    let json = json!({ "moment": date(moment), "tables": json, "parameter": parameter, "switch": switch(connection, &parameter) });
    let body = Body::Table { head: &["table", "restored into", "sample", "shape"], rows, none: "nothing" };
    Ok(Answer { note: Some(next(connection, &parameter, moment, prefix, unreadable)), json, body })
}

/// The command that puts the restored tables into use.
fn switch(connection: &Connection, parameter: &str) -> String {
    let stack = connection.stack.as_deref().unwrap_or("<stack>");
    format!("sam deploy --stack-name {stack} --parameter-overrides Tables={parameter}")
}

fn next(connection: &Connection, parameter: &str, moment: Timestamp, prefix: &str, unreadable: usize) -> String {
    let stack = connection.stack.as_deref();
    let named = stack.map_or_else(String::new, |stack| format!(" --stack {stack}"));
    let own = stack == Some(prefix) || (stack.is_none() && prefix == "ostiary");
    let own = if own { String::new() } else { format!(" --prefix {prefix}") };
    let (moment, switch) = (date(moment), switch(connection, parameter));
    let damaged =
        if unreadable > 0 { "Items of the sample can't be read: an earlier moment may be needed.\n" } else { "" };
    format!(
        "{damaged}Nothing uses these tables yet, and what was ended since {moment} is good in them. Next:\n  \
         ostiary{named} restore compare --to {moment}{own}\n  \
         ostiary{named} restore keep-ended --to {moment}{own}\n  \
         {switch}\n  \
         ostiary{named} restore keep-ended --to {moment}{own}   # once more, for what was ended meanwhile"
    )
}
