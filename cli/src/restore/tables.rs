//! Making the restored tables, and giving them what DynamoDB leaves out.

use std::io::IsTerminal as _;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::primitives::DateTime;
use aws_sdk_dynamodb::types::{
    ContributorInsightsAction, ContributorInsightsStatus, IndexStatus, PointInTimeRecoverySpecification,
    PointInTimeRecoveryStatus, TableDescription, TableStatus, Tag, TimeToLiveSpecification, TimeToLiveStatus,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shared::clock::Timestamp;

use super::plan::{describe, name_in};
use crate::arguments::{Form, Table};
use crate::failure::Failure;
use crate::output::{date, warn};

/// Restores take minutes at least; the first looks are for tables that are there already.
const LOOKS: [u64; 5] = [0, 1, 2, 5, 10];

/// One table that is restored.
pub struct Restored {
    pub table: Table,
    pub source: String,
    pub target: String,
}

/// Begins the restores that were not begun yet.
pub async fn begin(client: &Client, all: &[Restored], moment: Timestamp) -> Result<(), Failure> {
    for one in all {
        if let Some(found) = describe(client, &one.target).await? {
            is_of_this_restore(client, one, &found, moment).await?;
            continue;
        }
        let request = client.restore_table_to_point_in_time();
        let request = request.source_table_name(&one.source).target_table_name(&one.target);
        match request.restore_date_time(DateTime::from_secs(moment.as_seconds())).send().await {
            Ok(_) => {}
            Err(error) => match error.code() {
                // Another run, or a try whose answer was lost.
                Some("TableAlreadyExistsException" | "TableInUseException") => {}
                Some(code @ ("InvalidRestoreTimeException" | "PointInTimeRecoveryUnavailableException")) => {
                    let why = error.message().unwrap_or_default();
                    return Err(Failure::refused(
                        "to",
                        format!("{} can't be restored to it: {code} {why}", one.source),
                    ));
                }
                Some("UnknownOperationException") => {
                    return Err(Failure::Setup(
                        "what answers for DynamoDB here has no point-in-time restore".to_owned(),
                    ));
                }
                _ => return Err(Failure::of_aws("RestoreTableToPointInTime", &error)),
            },
        }
    }
    Ok(())
}

/// Refuses a table that has the name and is something else.
async fn is_of_this_restore(
    client: &Client,
    one: &Restored,
    found: &TableDescription,
    moment: Timestamp,
) -> Result<(), Failure> {
    let other =
        |what: String| Failure::refused("prefix", format!("there is a table {} already, and it is {what}", one.target));
    if let Some(restore) = found.restore_summary() {
        let source = restore.source_table_arn().and_then(name_in);
        if source.is_some_and(|source| source != one.source) {
            return Err(other(format!("a restore of {}", source.unwrap_or_default())));
        }
        let at = Timestamp::from_seconds(restore.restore_date_time().secs());
        if at != moment {
            return Err(other(format!("restored to {}", date(at))));
        }
        return Ok(());
    }
    // What stands in for DynamoDB need not tell where a table comes from.
    let Some(source) = describe(client, &one.source).await? else { return Ok(()) };
    if source.key_schema() == found.key_schema() { Ok(()) } else { Err(other("of other keys".to_owned())) }
}

/// Waits until all of them can be used.
pub async fn wait(client: &Client, all: &[Restored], form: Form) -> Result<(), Failure> {
    let bar = bar(form, all.len());
    let mut looks = LOOKS.into_iter();
    let mut pause = 0;
    loop {
        pause = looks.next().unwrap_or(pause);
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let mut waiting = Vec::new();
        for one in all {
            let found = describe(client, &one.target).await?;
            let found =
                found.ok_or_else(|| Failure::Outage(format!("{} is gone while it was restored", one.target)))?;
            match found.table_status() {
                Some(TableStatus::Active) if indexes_are_active(&found) => {}
                Some(TableStatus::Active | TableStatus::Creating | TableStatus::Updating) | None => {
                    waiting.push(one.table.name());
                }
                Some(status) => {
                    let status = status.as_str();
                    return Err(Failure::Outage(format!("{} can't be restored: it is {status}", one.target)));
                }
            }
        }
        bar.set_position(u64::try_from(all.len() - waiting.len()).unwrap_or_default());
        bar.set_message(waiting.join(", "));
        if waiting.is_empty() {
            bar.finish_and_clear();
            return Ok(());
        }
    }
}

fn indexes_are_active(table: &TableDescription) -> bool {
    table.global_secondary_indexes().iter().all(|index| index.index_status() == Some(&IndexStatus::Active))
}

fn bar(form: Form, tables: usize) -> ProgressBar {
    let shown = std::io::stderr().is_terminal() && form == Form::Text;
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(u64::try_from(tables).ok(), target);
    let style = ProgressStyle::with_template("{spinner} restoring {bar:24} {pos} of {len} tables {elapsed} {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Gives a restored table what a restore leaves out. Says what is not as in the table that it was made of all the same.
pub async fn finish(client: &Client, one: &Restored, form: Form) -> Result<Vec<String>, Failure> {
    let source = described(client, &one.source).await?;
    let mut target = described(client, &one.target).await?;
    time_to_live(client, one).await?;
    recovery(client, one).await?;
    tags(client, &source, &target, form).await;
    insights(client, one, form).await;
    // Last: whatever fails before leaves a table that can be deleted.
    if source.deletion_protection_enabled() != target.deletion_protection_enabled() {
        let update = client.update_table().table_name(&one.target);
        let update = update.set_deletion_protection_enabled(source.deletion_protection_enabled());
        update.send().await.map_err(|error| Failure::of_aws("UpdateTable", &error))?;
        target = described(client, &one.target).await?;
    }
    Ok(differences(&source, &target))
}

async fn described(client: &Client, table: &str) -> Result<TableDescription, Failure> {
    let found = describe(client, table).await?;
    found.ok_or_else(|| Failure::refused("table", format!("there is no table {table}")))
}

async fn time_to_live(client: &Client, one: &Restored) -> Result<(), Failure> {
    let Some(attribute) = ttl_of(client, &one.source).await? else { return Ok(()) };
    if ttl_of(client, &one.target).await?.as_deref() == Some(&*attribute) {
        return Ok(());
    }
    let wanted = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(true).build();
    let wanted = wanted.map_err(|error| Failure::of_aws("UpdateTimeToLive", &error))?;
    let update = client.update_time_to_live().table_name(&one.target).time_to_live_specification(wanted);
    update.send().await.map(|_| ()).map_err(|error| Failure::of_aws("UpdateTimeToLive", &error))
}

async fn ttl_of(client: &Client, table: &str) -> Result<Option<String>, Failure> {
    let answer = client.describe_time_to_live().table_name(table).send().await;
    let answer = answer.map_err(|error| Failure::of_aws("DescribeTimeToLive", &error))?;
    let on = [TimeToLiveStatus::Enabled, TimeToLiveStatus::Enabling];
    let found = answer
        .time_to_live_description
        .filter(|ttl| ttl.time_to_live_status.as_ref().is_some_and(|status| on.contains(status)));
    Ok(found.and_then(|ttl| ttl.attribute_name))
}

async fn recovery(client: &Client, one: &Restored) -> Result<(), Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| Failure::of_aws("UpdateContinuousBackups", error);
    let days = |table| async move {
        let answer = client.describe_continuous_backups().table_name(table).send().await;
        let answer = answer.map_err(|error| Failure::of_aws("DescribeContinuousBackups", &error))?;
        let recovery = answer.continuous_backups_description.and_then(|all| all.point_in_time_recovery_description);
        let on = recovery.filter(|r| r.point_in_time_recovery_status == Some(PointInTimeRecoveryStatus::Enabled));
        Ok::<_, Failure>(on.map(|recovery| recovery.recovery_period_in_days))
    };
    let Some(wanted) = days(&one.source).await? else { return Ok(()) };
    if days(&one.target).await? == Some(wanted) {
        return Ok(());
    }
    let specification = PointInTimeRecoverySpecification::builder();
    let specification = specification.point_in_time_recovery_enabled(true).set_recovery_period_in_days(wanted).build();
    let update = client.update_continuous_backups().table_name(&one.target);
    let update = update.point_in_time_recovery_specification(specification.map_err(|error| failed(&error))?);
    update.send().await.map(|_| ()).map_err(|error| failed(&error))
}

/// Tags are for the bill and for people: that they can't be had is worth a warning.
async fn tags(client: &Client, source: &TableDescription, target: &TableDescription, form: Form) {
    let (Some(from), Some(to)) = (source.table_arn(), target.table_arn()) else { return };
    let found = client.list_tags_of_resource().resource_arn(from).send().await;
    let found = found.map_err(|error| Failure::of_aws("ListTagsOfResource", &error).to_string());
    let written = match found {
        Ok(found) => {
            // Those of CloudFormation say which stack has made a table, and nobody else may set them.
            let own = |tag: &Tag| !tag.key().starts_with("aws:");
            let tags: Vec<Tag> = found.tags.unwrap_or_default().into_iter().filter(own).collect();
            if tags.is_empty() {
                return;
            }
            let tagged = client.tag_resource().resource_arn(to).set_tags(Some(tags)).send().await;
            tagged.map(|_| ()).map_err(|error| Failure::of_aws("TagResource", &error).to_string())
        }
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        warn(&format!("the tags of {from} were not taken over: {error}"), form);
    }
}

async fn insights(client: &Client, one: &Restored, form: Form) {
    let is_on = |table| async move {
        let answer = client.describe_contributor_insights().table_name(table).send().await;
        let on = [ContributorInsightsStatus::Enabled, ContributorInsightsStatus::Enabling];
        let answer = answer.map_err(|error| Failure::of_aws("DescribeContributorInsights", &error).to_string())?;
        Ok::<_, String>(answer.contributor_insights_status.is_some_and(|status| on.contains(&status)))
    };
    let done = async {
        if !is_on(&one.source).await? || is_on(&one.target).await? {
            return Ok(());
        }
        let update = client.update_contributor_insights().table_name(&one.target);
        let update = update.contributor_insights_action(ContributorInsightsAction::Enable).send().await;
        update.map(|_| ()).map_err(|error| Failure::of_aws("UpdateContributorInsights", &error).to_string())
    };
    if let Err(error) = done.await {
        warn(&format!("contributor insights of {} were not looked after: {error}", one.target), form);
    }
}

/// What of a table's shape and protection is not as in the one that it was made of.
fn differences(source: &TableDescription, target: &TableDescription) -> Vec<String> {
    let indexes = |table: &TableDescription| {
        let mut all: Vec<_> = table
            .global_secondary_indexes()
            .iter()
            .map(|index| format!("{:?} {:?} {:?}", index.index_name(), index.key_schema(), index.projection()))
            .collect();
        all.sort();
        all
    };
    let key =
        |table: &TableDescription| table.sse_description().and_then(|sse| sse.kms_master_key_arn()).map(str::to_owned);
    let mut differs = Vec::new();
    for (what, same) in [
        ("keys", source.key_schema() == target.key_schema()),
        ("indexes", indexes(source) == indexes(target)),
        ("encryption key", key(source) == key(target)),
        ("deletion protection", source.deletion_protection_enabled() == target.deletion_protection_enabled()),
    ] {
        if !same {
            differs.push(what.to_owned());
        }
    }
    if !source.replicas().is_empty() && target.replicas().is_empty() {
        differs.push("replicas".to_owned());
    }
    differs
}
