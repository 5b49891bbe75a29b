//! Which table is restored into which, and how DynamoDB describes both.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{PointInTimeRecoveryStatus, TableDescription};
use shared::clock::Timestamp;
use shared::store::dynamo::Tables;

use crate::arguments::Table;
use crate::failure::Failure;
use crate::output::date;

impl Table {
    /// All of them, in the order of the parameter `Tables`.
    pub const ALL: [Self; 5] = [Self::Credentials, Self::Users, Self::Tickets, Self::AuthHeaders, Self::Applications];

    /// As it is spelled on the command line, and in the names of restored tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Users => "users",
            Self::Tickets => "tickets",
            Self::AuthHeaders => "auth-headers",
            Self::Applications => "applications",
        }
    }

    /// Its name in DynamoDB.
    pub fn of(self, tables: &Tables) -> &str {
        match self {
            Self::Credentials => &tables.credentials,
            Self::Users => &tables.users,
            Self::Tickets => &tables.tickets,
            Self::AuthHeaders => &tables.auth_headers,
            Self::Applications => &tables.applications,
        }
    }

    /// Puts another table in its place.
    pub fn replace(self, tables: &mut Tables, name: String) {
        *match self {
            Self::Credentials => &mut tables.credentials,
            Self::Users => &mut tables.users,
            Self::Tickets => &mut tables.tickets,
            Self::AuthHeaders => &mut tables.auth_headers,
            Self::Applications => &mut tables.applications,
        } = name;
    }
}

/// The name of the table that one is restored into: the same for the same moment, so that a run goes on where another one
/// ended.
pub fn target(prefix: &str, table: Table, moment: Timestamp) -> String {
    let moment: String = moment.as_zoneless().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{prefix}-{}-{moment}Z", table.name())
}

/// The value of the parameter `Tables`.
pub fn parameter(tables: &Tables) -> String {
    Table::ALL.map(|table| table.of(tables)).join(",")
}

/// An account is items of both tables, which change together: a half of it would be another account's.
pub fn whole_accounts(tables: &[Table]) -> Result<(), Failure> {
    if tables.contains(&Table::Users) == tables.contains(&Table::Credentials) {
        return Ok(());
    }
    Err(Failure::invalid("table", "must name users and credentials together: each holds one half of an account"))
}

/// A description, or nothing for a table that there is not.
pub async fn describe(client: &Client, table: &str) -> Result<Option<TableDescription>, Failure> {
    match client.describe_table().table_name(table).send().await {
        Ok(answer) => Ok(answer.table),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(Failure::of_aws("DescribeTable", &error)),
    }
}

fn is_missing(error: &SdkError<DescribeTableError>) -> bool {
    error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception)
}

/// The moments that a table can be restored to.
#[derive(Clone, Copy)]
pub struct Window {
    pub earliest: Timestamp,
    pub latest: Timestamp,
}

impl Window {
    /// Reads a table's.
    pub async fn of(client: &Client, table: &str) -> Result<Self, Failure> {
        let answer = client.describe_continuous_backups().table_name(table).send().await;
        let answer = answer.map_err(|error| Failure::of_aws("DescribeContinuousBackups", &error))?;
        let backups = answer.continuous_backups_description;
        let recovery = backups.and_then(|backups| backups.point_in_time_recovery_description);
        let enabled = |recovery: &aws_sdk_dynamodb::types::PointInTimeRecoveryDescription| {
            recovery.point_in_time_recovery_status == Some(PointInTimeRecoveryStatus::Enabled)
        };
        let recovery = recovery.filter(enabled);
        let bounds = recovery.and_then(|r| r.earliest_restorable_date_time.zip(r.latest_restorable_date_time));
        let (earliest, latest) = bounds.ok_or_else(|| {
            Failure::refused("table", format!("{table} has no point-in-time recovery: no moment of it can be restored"))
        })?;
        Ok(Self { earliest: Timestamp::from_seconds(earliest.secs()), latest: Timestamp::from_seconds(latest.secs()) })
    }

    /// The part that two have in common.
    pub fn within(self, other: Self) -> Self {
        Self { earliest: self.earliest.max(other.earliest), latest: self.latest.min(other.latest) }
    }

    /// Refuses a moment that lies outside.
    pub fn holds(self, moment: Timestamp) -> Result<(), Failure> {
        if (self.earliest..=self.latest).contains(&moment) {
            return Ok(());
        }
        let (earliest, latest) = (date(self.earliest), date(self.latest));
        Err(Failure::invalid("to", format!("must lie between {earliest} and {latest}, which is what can be restored")))
    }
}

/// The name in a table's ARN.
pub fn name_in(arn: &str) -> Option<&str> {
    arn.rsplit_once("table/").map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_restored_table_tells_whose_which_and_when() {
        let moment = Timestamp::parse("2026-11-22T13:15:09.9Z").unwrap();
        assert_eq!(target("shop", Table::AuthHeaders, moment), "shop-auth-headers-20261122T131509Z");
    }

    #[test]
    fn half_accounts_are_not_restored() {
        assert!(whole_accounts(&[Table::Users]).is_err() && whole_accounts(&[Table::Credentials]).is_err());
        assert!(whole_accounts(&[Table::Tickets]).is_ok() && whole_accounts(&Table::ALL).is_ok());
    }

    #[test]
    fn a_moment_outside_the_window_is_refused_with_the_window() {
        let at = Timestamp::from_seconds;
        let window = Window { earliest: at(1_800_000_000), latest: at(1_800_000_100) };
        assert!(window.holds(at(1_800_000_000)).is_ok() && window.holds(at(1_800_000_100)).is_ok());
        let refused = window.holds(at(1_800_000_101)).unwrap_err().to_string();
        assert!(refused.contains("between 2027-01-15T08:00:00Z and 2027-01-15T08:01:40Z"), "{refused}");
    }

    #[test]
    fn a_table_is_named_by_its_arn() {
        assert_eq!(name_in("arn:aws:dynamodb:eu-central-1:111122223333:table/shop-Users-1"), Some("shop-Users-1"));
    }
}
