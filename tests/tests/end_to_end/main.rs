//! End to end over HTTP: the functions behind `cargo lambda watch`, the embedded cloud behind them, every row of the
//! contract in front, and a restart in between. Then whole lives of clients, on that and on AWS's own DynamoDB Local where
//! `DYNAMODB_LOCAL_JAR` names its jar, which `.ci/dynamodb-local` fetches. In CI its absence is a failure.
//!
//! With `OSTIARY_BASE_URL` the same rows and lives run on a deployed stack, and nothing is started here:
//! docs/testing-a-deployment.md.
//!
//! One test for each, since the functions are served once. Each row runs whatever became of the others; all failures are
//! told.

mod api;
mod deployed;
#[path = "../storage/dynamodb_local.rs"]
mod dynamodb_local;
mod here;
mod life;
mod life_profile;
mod life_ticket;
mod life_user;
mod profile;
mod recovery;
mod sessions;
mod standards;
mod ticket;
mod user;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use api::Stack;
use deployed::Deployed;
use dynamodb_local::DynamoDbLocal;
use local::tools::Tools;

type Row = (&'static str, fn(&Stack));

macro_rules! rows {
    ($($module:ident :: $row:ident),* $(,)?) => { &[$((stringify!($row), $module::$row as fn(&Stack))),*] };
}

const ROWS: &[Row] = rows![
    user::a_login_shows_the_account_and_a_jwt,
    user::a_user_name_may_name_its_tenant,
    user::keys_are_compared_without_case,
    user::every_refused_login_answers_alike,
    user::an_expired_password_is_told_only_to_its_owner,
    user::a_jwt_is_taken_raw_or_as_bearer,
    user::logging_out_ends_the_jwt_at_once,
    user::an_auth_header_acts_as_its_user_and_no_more,
    user::auth_headers_are_listed_without_their_tokens,
    user::an_auth_header_is_deleted_by_token_display_form_or_id,
    user::somebody_elses_auth_header_is_as_good_as_none,
    recovery::a_forgotten_password_is_set_anew_by_a_message,
    user::disabling_a_user_ends_everything_at_once,
    user::bad_input_names_the_field,
    sessions::renewing_ends_the_old_jwt_and_both_of_two_windows_go_on,
    sessions::a_session_that_is_revoked_elsewhere_is_over_with_its_next_request,
    sessions::introspection_follows_revocation,
    sessions::an_auth_header_is_replaced_and_a_leaked_one_ended,
    ticket::an_application_signs_a_user_in,
    ticket::the_calling_application_is_checked_first,
    ticket::parameters_come_from_query_or_form,
    ticket::every_case_of_authenticate_has_its_answer,
    ticket::a_ticket_is_read_and_its_use_noted,
    ticket::a_ticket_is_ended_and_stays_so,
    ticket::another_tenants_ticket_is_none,
    profile::an_application_gets_a_jwt_of_a_chosen_duration,
    profile::bad_durations_are_refused,
    profile::a_user_gets_a_jwt_for_itself_and_an_administrator_for_its_tenant,
    profile::a_minted_jwt_cannot_mint_another,
    profile::who_covers_nothing_learns_nothing,
    standards::the_published_keys_verify_our_tokens,
    standards::discovery_leads_to_the_keys,
    standards::health_is_ok,
    standards::the_description_is_served_beside_the_api,
    standards::unknown_paths_and_verbs_are_not_found,
];

const LIVES: &[Row] = rows![
    life_ticket::from_the_first_application_to_the_end_of_its_tenant,
    life_ticket::an_application_that_is_ended_is_refused_with_its_next_call,
    life_profile::from_an_api_key_to_a_profile_that_is_gone,
    life_user::from_a_profile_to_logins_and_back,
];

/// What a deployed stack can't be held to, and why.
const NOT_DEPLOYED: &[(&str, &str)] = &[
    ("a_forgotten_password_is_set_anew_by_a_message", "nobody reads the messages on the event bus"),
    ("the_description_is_served_beside_the_api", "a stack serves no page, `cargo local` does"),
];

/// A stack is a process for each function: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn the_contract_holds_over_http() {
    if elsewhere() {
        return;
    }
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tools = Tools::install(local::progress::Progress::silent()).expect("cargo-lambda is installed");
    let folder = tempfile::tempdir().expect("a folder");
    let stack = Stack::start(&tools, folder.path());
    let failed = failures(&stack, ROWS.iter().chain(LIVES));
    let kept = user::issue_everything(&stack);
    stack.stop();
    let stack = Stack::start(&tools, folder.path());
    user::what_was_issued_before_a_restart_is_good_after_it(&stack, &kept);
    stack.stop();
    told(&failed, folder.path());
}

#[test]
fn whole_lives_of_clients_on_dynamodb_local() {
    if elsewhere() {
        return;
    }
    let Some(engine) = DynamoDbLocal::start() else { return };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let tools = Tools::install(local::progress::Progress::silent()).expect("cargo-lambda is installed");
    let folder = tempfile::tempdir().expect("a folder");
    let stack = Stack::start_beside(&tools, folder.path(), &engine);
    let failed = failures(&stack, LIVES.iter());
    stack.stop();
    told(&failed, folder.path());
}

#[test]
fn the_contract_holds_on_a_deployed_stack() {
    if !deployed::asked() {
        println!("not run: OSTIARY_BASE_URL names no deployed stack (docs/testing-a-deployment.md)");
        return;
    }
    let stack = Stack::deployed(Deployed::of_environment());
    println!("skipped: what was issued before a restart is good after it: nobody restarts a deployed stack");
    for (name, why) in NOT_DEPLOYED {
        assert!(ROWS.iter().any(|(row, _)| row == name), "there is no row {name}");
        println!("skipped: {name}: {why}");
    }
    let skipped = |row: &str| NOT_DEPLOYED.iter().any(|(name, _)| *name == row);
    let rows: Vec<_> = ROWS.iter().chain(LIVES).filter(|(name, _)| !skipped(name)).collect();
    let failed = failures(&stack, rows.iter().copied());
    stack.stop();
    println!("{} rows, {} failed, {} skipped", rows.len(), failed.len(), NOT_DEPLOYED.len() + 1);
    assert!(failed.is_empty(), "rows that failed: {failed:#?}");
}

/// Whether a deployed stack is asked for, so that nothing is started here.
fn elsewhere() -> bool {
    let elsewhere = deployed::asked();
    if elsewhere {
        println!("not run: OSTIARY_BASE_URL names a deployed stack");
    }
    elsewhere
}

fn failures<'a>(stack: &Stack, rows: impl Iterator<Item = &'a Row>) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for (name, row) in rows {
        println!("row: {name}");
        if catch_unwind(AssertUnwindSafe(|| row(stack))).is_err() {
            failed.push(*name);
        }
    }
    failed
}

fn told(failed: &[&str], folder: &std::path::Path) {
    if !failed.is_empty() {
        print_errors(folder);
    }
    assert!(failed.is_empty(), "rows that failed: {failed:#?}");
}

/// What the functions logged as errors, which is where a 503 says why.
fn print_errors(folder: &std::path::Path) {
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    log.lines()
        .filter(|line| line.contains("\"ERROR\"") || line.contains("\"WARN\""))
        .for_each(|line| println!("{line}"));
}
