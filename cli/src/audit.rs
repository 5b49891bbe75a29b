//! The operator's acts in the audit trail: one event for each command that changes something, made by the functions' own
//! code and written into their log group, so that whatever counts their events counts these too.
//!
//! Invariant: the act comes first, and how it ended is told whether its event could be written or not.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use shared::audit::{self, DONE, Ending, Outcome, TARGET};
use shared::clock::{Clock as _, SystemClock};
use shared::random::{Random, SystemRandom};
use shared::source::Source;
use tracing::instrument::WithSubscriber as _;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::arguments::{
    AccessTokenCommand, Command, KeysCommand, PepperCommand, RestoreStep, TenantCommand, UserCommand,
};
use crate::connection::{Connection, FunctionLogs};
use crate::failure::Failure;
use crate::output::Answer;

/// Nobody waits longer for this: what was asked for is done.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A command's name in the trail; `None` for those that only read.
pub const fn name(command: &Command) -> Option<&'static str> {
    match command {
        Command::Tenant(TenantCommand::Create { .. }) => Some("operator-tenant-create"),
        Command::Tenant(TenantCommand::Set(_)) => Some("operator-tenant-set"),
        Command::Tenant(TenantCommand::Delete(_)) => Some("operator-tenant-delete"),
        Command::User(UserCommand::Create(_)) => Some("operator-user-create"),
        Command::User(UserCommand::Update(_)) => Some("operator-user-update"),
        Command::User(UserCommand::SetPassword(_)) => Some("operator-user-set-password"),
        Command::User(UserCommand::ExpirePassword(_)) => Some("operator-user-expire-password"),
        Command::User(UserCommand::Delete(_)) => Some("operator-user-delete"),
        Command::User(UserCommand::Disable(_)) => Some("operator-user-disable"),
        Command::User(UserCommand::Enable(_)) => Some("operator-user-enable"),
        Command::User(UserCommand::Unlock(_)) => Some("operator-user-unlock"),
        Command::User(UserCommand::SendVerification(_)) => Some("operator-user-send-verification"),
        Command::AccessToken(AccessTokenCommand::Create(_)) => Some("operator-access-token-create"),
        Command::AccessToken(AccessTokenCommand::Delete { .. }) => Some("operator-access-token-delete"),
        Command::Keys(KeysCommand::Init { .. }) => Some("operator-keys-init"),
        Command::Keys(KeysCommand::Rotate { .. }) => Some("operator-keys-rotate"),
        Command::Keys(KeysCommand::Retire { .. }) => Some("operator-keys-retire"),
        Command::Import(import) => {
            if import.dry_run {
                None
            } else {
                Some("operator-import")
            }
        }
        // Nothing changes, but the hashes of all passwords leave the stack.
        Command::Export(_) => Some("operator-export"),
        Command::Pepper(PepperCommand::Init) => Some("operator-pepper-init"),
        Command::Pepper(PepperCommand::Rotate) => Some("operator-pepper-rotate"),
        Command::Pepper(PepperCommand::Drop { .. }) => Some("operator-pepper-drop"),
        Command::Restore(restore) => match restore.step {
            None => Some("operator-restore"),
            Some(RestoreStep::KeepEnded(_)) => Some("operator-restore-keep-ended"),
            Some(RestoreStep::Compare(_)) => None,
        },
        Command::Tenant(TenantCommand::List | TenantCommand::Show { .. })
        | Command::User(UserCommand::List(_) | UserCommand::Show(_))
        | Command::Completions { .. }
        | Command::Cost(_)
        | Command::Kdf(_)
        | Command::AccessToken(AccessTokenCommand::List)
        | Command::Keys(KeysCommand::Show)
        | Command::Pepper(PepperCommand::Show) => None,
    }
}

/// An event that is to be written.
pub struct Event {
    id: String,
    line: String,
}

/// Carries out a command, and makes the event of how it ended.
pub async fn of(
    act: &'static str,
    command: impl Future<Output = Result<Answer, Failure>>,
) -> (Result<Answer, Failure>, Event) {
    let random: &dyn Random = &SystemRandom;
    let id = uuid::Builder::from_random_bytes(random.bytes()).into_uuid().to_string();
    // The tool doesn't know from which network AWS sees it.
    let source = Source::default();
    let began = Instant::now();
    let page = Page::default();
    let command = async {
        let result = command.await;
        if let Some(field) = result.as_ref().err().and_then(Failure::field) {
            audit::detail(field);
        }
        result
    };
    let ending = |result: &Result<Answer, Failure>| {
        let (outcome, reason) = result.as_ref().err().map_or((Outcome::Success, DONE), Failure::audited);
        Ending { act, request_id: &id, source: &source, outcome, reason, status: None, took: began.elapsed() }
    };
    let result = audit::of(command, ending).with_subscriber(subscriber(page.clone())).await;
    let line = page.text();
    (result, Event { id, line })
}

/// Writes an event where the stack's functions write theirs. Says why, if it may be missing there.
pub async fn keep(event: &Event, connection: &Connection) -> Option<String> {
    let why = match &connection.function_logs {
        FunctionLogs::Nowhere => return None,
        FunctionLogs::Unknown => "the stack has no output FunctionLogsName: deploy it anew".to_owned(),
        FunctionLogs::Group(group) => put(&connection.logs(), group, event).await.err()?.to_string(),
    };
    Some(format!("this command may be missing in the audit log: {why}"))
}

async fn put(client: &Client, group: &str, event: &Event) -> Result<(), Failure> {
    let stream = format!("ostiary/{}", event.id);
    let made = client.create_log_stream().log_group_name(group).log_stream_name(&stream).send().await;
    match made {
        // Our own first try, whose answer was lost.
        Err(error) if error.code() == Some("ResourceAlreadyExistsException") => {}
        result => drop(result.map_err(|error| Failure::of_aws("CreateLogStream", &error))?),
    }
    let line = InputLogEvent::builder().timestamp(SystemClock.now().as_millis()).message(&event.line).build();
    let line = line.map_err(|error| Failure::of_aws("PutLogEvents", &error))?;
    let put = client.put_log_events().log_group_name(group).log_stream_name(stream).log_events(line).send().await;
    let put = put.map_err(|error| Failure::of_aws("PutLogEvents", &error))?;
    // This is how CloudWatch says that a clock is off, beside a status of 200.
    match put.rejected_log_events_info() {
        Some(_) => Err(Failure::Setup("CloudWatch Logs does not take its date: is this machine's clock right?".into())),
        None => Ok(()),
    }
}

/// The functions' form of a line, without what libraries have to say.
fn subscriber(page: Page) -> impl Subscriber + Send + Sync {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false)
        .with_ansi(false)
        .with_writer(move || page.clone());
    tracing_subscriber::registry().with(Targets::new().with_target(TARGET, Level::INFO)).with(lines)
}

/// What is written on instead of standard output, which is the answer's.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    }
}

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::arguments::Arguments;

    #[test]
    fn each_command_that_changes_something_goes_by_its_own_name() {
        let changing = [
            "tenant create a",
            "tenant set a --login-jwt 60",
            "tenant delete a",
            "user create --username a",
            "user update --id a --no-email",
            "user set-password --id a",
            "user expire-password --id a",
            "user delete --id a",
            "user disable --id a",
            "user enable --id a",
            "user unlock --id a",
            "user send-verification --id a",
            "access-token create --application a --master",
            "access-token delete a",
            "keys init",
            "keys rotate",
            "keys retire a",
            "pepper init",
            "pepper rotate",
            "pepper drop a",
            "restore keep-ended --to 2026-11-22T13:15:00Z",
        ];
        let reading = [
            "tenant list",
            "tenant show a",
            "user list",
            "user show --id a",
            "access-token list",
            "keys show",
            "pepper show",
            "restore compare --to 2026-11-22T13:15:00Z",
            "kdf calibrate --target-ms 250 --memory-mb 512",
        ];
        let name = |line: &str| {
            let arguments = Arguments::try_parse_from(["ostiary"].into_iter().chain(line.split(' ')));
            name(&arguments.unwrap_or_else(|error| panic!("{line}: {error}")).command)
        };
        for line in changing {
            let path: Vec<&str> = line.split(' ').take(2).collect();
            assert_eq!(name(line), Some(format!("operator-{}", path.join("-")).as_str()));
        }
        assert_eq!(name("import users.csv"), Some("operator-import"));
        assert_eq!(name("export --to - --plaintext"), Some("operator-export"));
        assert_eq!(name("restore --to latest"), Some("operator-restore"));
        assert_eq!(name("import users.csv --dry-run"), None);
        assert!(reading.iter().all(|line| name(line).is_none()));
        let tool = Arguments::command();
        let all: usize = tool.get_subcommands().map(|group| group.get_subcommands().count()).sum();
        assert_eq!(all, changing.len() + reading.len(), "none is left out");
    }

    #[tokio::test]
    async fn an_event_is_one_line_of_json() {
        let failing = async { Err(Failure::refused("email", "taken:\nby \"jane\"")) };
        let (result, event) = of("operator-user-create", failing).await;
        assert_eq!(result.err().unwrap().exit_code(), 1);
        assert!(!event.line.contains('\n') && !event.line.contains("jane"), "{}", event.line);
        let line: serde_json::Value = serde_json::from_str(&event.line).unwrap();
        for (member, value) in
            [("message", "audit"), ("act", "operator-user-create"), ("reason", "conflict"), ("detail", "email")]
        {
            assert_eq!(line[member], value, "{line}");
        }
        assert_eq!(line["request_id"], event.id.as_str());
    }
}
