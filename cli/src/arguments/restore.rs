//! The arguments of `ostiary restore`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use shared::clock::Timestamp;

use crate::text::{self, Moment, TableNames};

pub const HELP: &str = "Examples:
  ostiary --stack my-auth restore --to 2026-11-22T13:15:00Z
  ostiary --stack my-auth restore --to 2h --table users --table credentials
  ostiary --stack my-auth restore compare --to 2026-11-22T13:15:00Z
  ostiary --stack my-auth restore keep-ended --to 2026-11-22T13:15:00Z --missing-is-damage users

Makes new tables of what was in the stack's at that moment, and gives them what DynamoDB doesn't: TTL, point-in-time \
recovery, deletion protection, tags, contributor insights. The stack goes on with the tables that it has until you \
deploy it with the parameter Tables, as the answer says. If the command ends before that, the same one with the moment \
that it has shown goes on.

A restore brings back what was ended since: look at `restore compare`, and run `restore keep-ended` before the switch \
and once more after it. docs/restore.md tells the whole way.";

const COMPARE: &str = "Examples:
  ostiary --stack my-auth restore compare --to 2026-11-22T13:15:00Z
  ostiary --stack my-auth restore compare --to 2026-11-22T13:15:00Z --report changes.jsonl

Reads all items of both, and changes nothing. Ids of sessions and of tokens in mails are not told: they are secrets.";

const KEEP_ENDED: &str = "Examples:
  ostiary --stack my-auth restore keep-ended --to 2026-11-22T13:15:00Z
  ostiary --stack my-auth restore keep-ended --to 2026-11-22T13:15:00Z --missing-is-damage users --ended deleted.txt
  ostiary --stack my-auth restore keep-ended --to 2026-11-22T13:15:00Z --end-sessions --end-auth-headers
  ostiary --stack my-auth restore keep-ended --to 2026-11-22T13:15:00Z --distrust

After it nothing is good in the restored tables that the tables in use no longer take: users who were disabled or \
deleted, roles and rights that were taken away, passwords and addresses that were changed, sessions, auth headers and \
access tokens that were ended.

What is not there any more was deleted, or is what was damaged: nobody can tell but you. It is deleted, too, unless \
--missing-is-damage names its kind; then it comes back, but for what the file of --ended names; the audit log knows \
what was deleted. All sessions and auth headers of users who come back so end, since nobody knows which of them were \
ended.

Run it once more right after the switch, for what was ended in between. It deletes nothing then: what is missing is only \
told. What was changed in both tables is taken away or told as a conflict.

With --distrust it reads nothing of the tables in use, and ends every session and auth header of everybody.

Ends with 1 while something can't be read or is in conflict, with 3 where it has to be run again.";

/// What is restored, and to when.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Restore {
    #[command(subcommand)]
    pub step: Option<RestoreStep>,
    /// The moment: a date and time such as 2026-11-22T13:15:00Z, how long ago (2h, 90m, 1d), or latest
    #[arg(long, value_name = "MOMENT", value_parser = text::moment, required = true)]
    pub to: Option<Moment>,
    /// A table; may be given several times. Users and credentials go together [default: all five]
    #[arg(long = "table", value_enum, value_name = "TABLE")]
    pub tables: Vec<Table>,
    /// What the new tables' names begin with [default: the stack's name]
    #[arg(long, value_name = "TEXT", value_parser = text::table_prefix)]
    pub prefix: Option<String>,
    /// Don't ask whether it is meant
    #[arg(long)]
    pub yes: bool,
}

#[derive(Subcommand)]
pub enum RestoreStep {
    /// Show what was ended since the moment, and is good again in the restored tables
    #[command(after_help = COMPARE)]
    Compare(Compared),
    /// End in the restored tables what was ended since the moment
    #[command(after_help = KEEP_ENDED)]
    KeepEnded(KeepEnded),
}

/// Which restore, beside which tables.
#[derive(Args)]
pub struct Compared {
    /// The moment that was restored to, as `restore` has shown it
    #[arg(long, value_name = "DATE-TIME", value_parser = text::date_time)]
    pub to: Timestamp,
    /// What the restored tables' names begin with [default: the stack's name]
    #[arg(long, value_name = "TEXT", value_parser = text::table_prefix)]
    pub prefix: Option<String>,
    /// After the switch: the five tables that were in use before, separated by commas [default: those that the restored
    /// ones were made of, where DynamoDB tells]
    #[arg(long, value_name = "TABLES", value_parser = text::table_names)]
    pub before: Option<TableNames>,
    /// A new file for everything that is found, as lines of JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct KeepEnded {
    #[command(flatten)]
    pub compared: Compared,
    /// What of this kind is not in the tables in use is what was damaged, and comes back; may be given several times
    #[arg(long, value_enum, value_name = "KIND")]
    pub missing_is_damage: Vec<Missing>,
    /// A file of ids, one to a line, of what was deleted and does not come back
    #[arg(long, value_name = "FILE", requires = "missing_is_damage")]
    pub ended: Option<PathBuf>,
    /// Take the auth headers of users who come back, even if all of them were ended since
    #[arg(long, requires = "missing_is_damage", conflicts_with = "end_auth_headers")]
    pub revive_auth_headers: bool,
    /// End every session of every user as well
    #[arg(long)]
    pub end_sessions: bool,
    /// End every auth header of every user as well
    #[arg(long)]
    pub end_auth_headers: bool,
    /// The tables in use can't be trusted: read nothing of them, and end every session and auth header of everybody.
    /// All five tables must be restored ones
    #[arg(long, conflicts_with_all = ["missing_is_damage", "ended", "revive_auth_headers", "end_sessions", "end_auth_headers", "before"])]
    pub distrust: bool,
    /// Don't ask whether it is meant
    #[arg(long)]
    pub yes: bool,
}

/// What may be missing because it was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Missing {
    Users,
    AuthHeaders,
    AccessTokens,
    Tenants,
}

/// A table of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Table {
    Credentials,
    Users,
    Tickets,
    AuthHeaders,
    Applications,
}
