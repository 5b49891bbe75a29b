//! The rules of storage: one suite, run on every store there is. A store that breaks one is not a store.
//!
//! The engines: memory (what other tests use), the local cloud's embedded DynamoDB, and AWS's own DynamoDB Local where
//! `DYNAMODB_LOCAL_JAR` names its jar, which `.ci/dynamodb-local` fetches. In CI its absence is a failure.

mod cut;
mod engines;
mod rules;

use engines::{DynamoDbLocal, behind_proxy, embedded};
use shared::store::memory::MemoryStore;

macro_rules! suite {
    ($($rule:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $rule() { super::rules::$rule(&super::MemoryStore::default()).await; })*
        }

        mod embedded_engine {
            $(#[tokio::test] async fn $rule() {
                let (_cloud, store) = super::embedded();
                super::rules::$rule(&store).await;
            })*
        }

        /// One process for the whole suite, since starting Java takes seconds; each rule gets tables of its own.
        #[test]
        fn dynamodb_local_holds_every_rule() {
            let Some(engine) = DynamoDbLocal::start() else { return };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            $(runtime.block_on(async {
                println!("rule: {}", stringify!($rule));
                rules::$rule(&engine.store(stringify!($rule)).await).await;
            });)*
        }
    };
}

suite! {
    a_ticket_is_stored_once_and_read_back,
    a_lookup_reads_everything_at_once,
    a_missing_item_is_not_found_and_no_error,
    a_deleted_ticket_is_not_revived_by_a_late_use,
    an_ended_ticket_is_not_touched,
    deleting_a_ticket_twice_is_no_error,
    auth_headers_are_listed_for_their_user_alone,
    of_parallel_deletions_one_wins,
    a_user_name_is_taken_in_every_spelling,
    an_email_address_is_taken_in_every_spelling,
    a_refused_account_leaves_no_claim_behind,
    an_account_needs_its_tenant,
    of_parallel_accounts_one_wins,
    the_same_names_in_two_tenants_are_two_accounts,
    names_full_of_separators_stay_apart,
    refusals_are_counted_where_there_is_an_account,
    of_parallel_guesses_no_more_are_admitted_than_the_lock_allows,
    a_login_forgets_its_network_s_guesses_and_remembers_the_network,
    a_login_is_committed_against_the_password_it_was_checked_with,
    disabling_ends_what_was_issued_and_enabling_revives_nothing,
    a_tenant_is_made_once,
    an_access_token_is_gone_once_deleted,
    a_renewal_takes_the_step_it_was_read_for,
    what_has_ended_is_not_renewed,
    of_parallel_renewals_one_wins,
    tickets_are_listed_for_their_user_alone,
    ending_all_tickets_leaves_at_most_the_one_that_is_kept,
    the_use_of_an_auth_header_is_noted_once_in_five_minutes,
    a_rotation_ends_the_old_and_stores_the_new_or_does_nothing,
    long_lists_are_listed_whole,
}

/// The SDK repeats a try whose answer was lost, and the repeated one meets the first one's success.
#[tokio::test]
async fn an_answer_that_was_lost_makes_no_conflict_and_no_second_effect() {
    let (_cloud, proxy, store) = behind_proxy();
    rules::lost_answers(&store, &proxy).await;
}
