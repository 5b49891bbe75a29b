//! The arguments of `ostiary cost`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// A rule that an argument breaks, as a predicate.
type Rule = &'static str;

pub const HELP: &str = "Examples:
  ostiary cost --logins 1000000 --verifications 50000000
  ostiary cost --logins 1000000 --architecture arm64 --memory-mib 128 --edge --replica
  ostiary cost --logins 1000000 --request user-token=200000 --peak-factor 30
  ostiary cost --each
  ostiary cost --per-second --logins 1000 --verifications 10000 --users 1000000
  ostiary cost --logins 1000000 --prices eu-central-1.yaml --output json

Reaches nothing: the prices are those of a file, and what a request takes is what the tests of this version found. Free \
tiers, discounts, support and taxes are not in it. What each line rests on: docs/cost.md.

A million and a half may be written as 1500000 or 1_500_000.";

const COUNT_RULE: Rule = "must be a whole number from 0 to 1,000,000,000,000";
const BYTES_RULE: Rule = "must be a whole number of bytes from 1 to 409,600, the longest item of DynamoDB";

/// What to reckon with.
#[derive(Clone, Args)]
pub struct Cost {
    #[command(flatten)]
    pub month: Month,
    #[command(flatten)]
    pub stored: Stored,
    #[command(flatten)]
    pub stack: Stack,
    #[command(flatten)]
    pub watch: Watch,
    #[command(flatten)]
    pub times: Times,
    /// A file of prices instead of the list prices of us-east-1: a copy of cli/prices.yaml
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
    /// Only show what each request takes and what a million of it costs, for every one there is
    #[arg(long)]
    pub each: bool,
    /// The counts are of one second, which goes on and on: show what an hour of it costs, which limits it needs raised, and
    /// how long it takes until all of it is served
    #[arg(long, conflicts_with_all = ["each", "peak_factor"])]
    pub per_second: bool,
}

/// Requests of a month.
#[derive(Clone, Args)]
#[command(next_help_heading = "Requests in a month")]
pub struct Month {
    /// Logins with a user name, POST /user/login
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub logins: f64,
    /// Logins that are refused
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub failed_logins: f64,
    /// Logins by applications, POST /api/1/authentication/authenticate
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub ticket_logins: f64,
    /// Renewals of a JWT, GET /user/renew
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub renewals: f64,
    /// Logouts, GET /user/logout
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub logouts: f64,
    /// Requests to APIs of yours that ask the authorizer. Services that check a JWT by themselves cost nothing here
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub verifications: f64,
    /// Of these, how many in a hundred API Gateway answers from its own cache
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent)]
    pub authorizer_cached: f64,
    /// Introspections, POST /oauth2/introspect
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub introspections: f64,
    /// Tickets that applications read
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub ticket_reads: f64,
    /// Profiles that are read, GET /v1/profile/{id}
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub profile_reads: f64,
    /// Profiles that are changed, PUT /v1/profile/{id}
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub profile_changes: f64,
    /// JWTs made for profiles, POST /v1/profile/{id}/authenticate
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub profile_jwts: f64,
    /// Profiles that are made with a password, POST /api/1/profile/create
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub new_users: f64,
    /// Any other request by its name in `ostiary cost --each`; may be given several times
    #[arg(long = "request", value_name = "NAME=COUNT", value_parser = named)]
    pub requests: Vec<(String, f64)>,
    /// Of requests with a JWT, ticket or auth header, how many in a hundred come after a pause that is long enough for the
    /// use to be noted, which is a write: five minutes, or a tenth of a ticket's idle limit
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = percent)]
    pub first_uses: f64,
}

/// What the tables hold.
#[derive(Clone, Args)]
#[command(next_help_heading = "What is stored")]
pub struct Stored {
    /// Users who do anything in the month, of whom Cognito would bill each [default: one for ten logins]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub active_users: Option<f64>,
    /// Users in the tables [default: the active ones]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub users: Option<f64>,
    /// Tickets in the tables, ended ones that DynamoDB has not swept too [default: one for each login of the month, with
    /// --per-second of a day]
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub tickets: Option<f64>,
    /// Bytes of a credential [default: those of a user with one address]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub credential_bytes: Option<f64>,
    /// Bytes of a user; attributes make it longer [default: those of a user with few]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub user_bytes: Option<f64>,
    /// Bytes of a ticket [default: those of a login's]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub ticket_bytes: Option<f64>,
}

/// How the stack is deployed; the defaults are the template's.
#[derive(Clone, Args)]
#[command(next_help_heading = "The stack, as its parameters say")]
pub struct Stack {
    /// Parameter Architecture
    #[arg(long, value_enum, value_name = "NAME", default_value = "x86_64")]
    pub architecture: Architecture,
    /// Parameter MemoryMiB
    #[arg(long, value_name = "MIB", default_value = "256", value_parser = memory)]
    pub memory_mib: f64,
    /// Parameter PasswordMemoryMiB
    #[arg(long, value_name = "MIB", default_value = "1024", value_parser = memory)]
    pub password_memory_mib: f64,
    /// Parameter RateLimit
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = limit)]
    pub rate_limit: f64,
    /// Parameter LoginRateLimit
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = limit)]
    pub login_rate_limit: f64,
    /// Parameter LoginConcurrency; 0 reserves none
    #[arg(long, value_name = "COUNT", default_value = "20", value_parser = concurrency)]
    pub login_concurrency: f64,
    /// Parameter LogRetentionDays
    #[arg(long, value_name = "DAYS", default_value = "90", value_parser = days)]
    pub log_retention_days: f64,
    /// Secrets: the signing keys, and the pepper if there is one
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = count)]
    pub secrets: f64,
    /// Applications that call; each one's access token is read with each of its requests
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = limit)]
    pub applications: f64,
    /// A key of your own for the tables (KmsKeyArn)
    #[arg(long)]
    pub own_key: bool,
    /// A replica of tables and secrets in another region (ReplicaRegion)
    #[arg(long)]
    pub replica: bool,
    /// CloudFront and AWS WAF in front of the API
    #[arg(long)]
    pub edge: bool,
    /// Rules of that WAF
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = count)]
    pub firewall_rules: f64,
}

/// What watches it.
#[derive(Clone, Args)]
#[command(next_help_heading = "Watching it")]
pub struct Watch {
    /// Bytes of all lines that Lambda writes into the log for a request: ours, and its own two
    #[arg(long, value_name = "BYTES", default_value = "1400", value_parser = count)]
    pub log_bytes: f64,
    /// Bytes of the gateway's line for a request
    #[arg(long, value_name = "BYTES", default_value = "300", value_parser = count)]
    pub access_log_bytes: f64,
    /// Metrics of the stack's own, each dimension counted
    #[arg(long, value_name = "COUNT", default_value = "25", value_parser = count)]
    pub metrics: f64,
    /// Metrics that alarms look at; what one finds unusual counts three times
    #[arg(long, value_name = "COUNT", default_value = "21", value_parser = count)]
    pub alarms: f64,
    /// Dashboards
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = count)]
    pub dashboards: f64,
}

/// How long things take, and how unevenly they come.
#[derive(Clone, Args)]
#[command(next_help_heading = "Times")]
pub struct Times {
    /// Milliseconds of a whole processor for one password hash [default: as measured in docs/performance.md]
    #[arg(long, value_name = "MS", default_value = "16.5", value_parser = milliseconds)]
    pub kdf_ms: f64,
    /// The same for the rest of a request that takes a password
    #[arg(long, value_name = "MS", default_value = "3.7", value_parser = milliseconds)]
    pub password_cpu_ms: f64,
    /// The same for any other request
    #[arg(long, value_name = "MS", default_value = "1.6", value_parser = milliseconds)]
    pub cpu_ms: f64,
    /// Milliseconds of a round trip to DynamoDB; an estimate, since nothing was measured on AWS
    #[arg(long, value_name = "MS", default_value = "4", value_parser = milliseconds)]
    pub store_ms: f64,
    /// Bytes of an answer with its headers
    #[arg(long, value_name = "BYTES", default_value = "1500", value_parser = count)]
    pub response_bytes: f64,
    /// How many times the month's average comes in its busiest second
    #[arg(long, value_name = "TIMES", default_value = "10", value_parser = factor)]
    pub peak_factor: f64,
}

/// A processor of Lambda.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Architecture {
    #[value(name = "x86_64")]
    X86,
    Arm64,
}

impl Architecture {
    /// As the template spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// A whole number; every one up to the limits here is exact as an `f64`.
fn whole(text: &str, from: f64, to: f64) -> Option<f64> {
    let digits: String = text.chars().filter(|c| *c != '_').collect();
    let number: f64 = (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()?;
    (from..=to).contains(&number).then_some(number)
}

fn decimal(text: &str, from: f64, to: f64) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = plain.then(|| text.parse().ok()).flatten()?;
    (from..=to).contains(&number).then_some(number)
}

fn count(text: &str) -> Result<f64, Rule> {
    whole(text, 0.0, 1e12).ok_or(COUNT_RULE)
}

fn bytes(text: &str) -> Result<f64, Rule> {
    whole(text, 1.0, 409_600.0).ok_or(BYTES_RULE)
}

fn limit(text: &str) -> Result<f64, Rule> {
    whole(text, 1.0, 1e6).ok_or("must be a whole number from 1 to 1,000,000")
}

fn concurrency(text: &str) -> Result<f64, Rule> {
    whole(text, 0.0, 1000.0).ok_or("must be a whole number from 0 to 1,000")
}

fn memory(text: &str) -> Result<f64, Rule> {
    whole(text, 128.0, 10_240.0).ok_or("must be a whole number from 128 to 10,240")
}

fn days(text: &str) -> Result<f64, Rule> {
    whole(text, 1.0, 3653.0).ok_or("must be a whole number from 1 to 3,653")
}

fn percent(text: &str) -> Result<f64, Rule> {
    decimal(text, 0.0, 100.0).ok_or("must be a number from 0 to 100")
}

fn milliseconds(text: &str) -> Result<f64, Rule> {
    decimal(text, 0.0, 10_000.0).ok_or("must be a number of milliseconds from 0 to 10,000")
}

fn factor(text: &str) -> Result<f64, Rule> {
    decimal(text, 1.0, 10_000.0).ok_or("must be a number from 1 to 10,000")
}

fn named(text: &str) -> Result<(String, f64), Rule> {
    let (name, number) = text.split_once('=').ok_or("must be NAME=COUNT, such as user-token=200000")?;
    Ok((
        name.to_owned(),
        whole(number, 0.0, 1e12).ok_or("must have a whole number from 0 to 1,000,000,000,000 behind =")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_whole_number_that_somebody_may_mean() {
        for (text, number) in [("0", 0.0), ("1_500_000", 1_500_000.0), ("1000000000000", 1e12)] {
            assert_eq!(count(text), Ok(number), "{text}");
        }
        for text in ["", "_", "-1", "+1", "1.5", "1e6", "1000000000001", "nan", "inf", " 1", "0x10", "\u{661}"] {
            assert_eq!(count(text), Err(COUNT_RULE), "{text}");
        }
    }

    #[test]
    fn a_share_and_a_time_are_plain_decimals() {
        assert_eq!(percent("2.5"), Ok(2.5));
        for text in ["", ".", "100.1", "-1", "nan", "1e1", "1,5", "1.2.3"] {
            assert!(percent(text).is_err(), "{text}");
        }
        assert!(milliseconds("10001").is_err() && factor("0.5").is_err() && memory("64").is_err());
    }

    #[test]
    fn a_request_is_named_and_counted() {
        assert_eq!(named("user-token=1_000"), Ok(("user-token".to_owned(), 1000.0)));
        assert!(named("user-token").is_err() && named("user-token=").is_err() && named("user-token=-1").is_err());
    }
}
