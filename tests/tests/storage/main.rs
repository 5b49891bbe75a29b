//! The rules of storage: one suite, run on every store there is. A store that breaks one is not a store.
//!
//! The engines: memory (what other tests use), the local cloud's embedded DynamoDB, and AWS's own DynamoDB Local where
//! `DYNAMODB_LOCAL_JAR` names its jar, which `.ci/dynamodb-local` fetches. In CI its absence is a failure.

mod accounts;
mod cut;
mod dynamodb_local;
mod engines;
mod listings;
mod measured;
mod passwords;
mod persistent;
mod races;
mod rules;
mod tenants;
mod whole;

use engines::{DynamoDbLocal, behind_proxy, embedded};
use shared::store::memory::MemoryStore;

macro_rules! suite {
    ($($file:ident: $($rule:ident),* $(,)?;)*) => {
        mod memory {
            $($(#[tokio::test] async fn $rule() { super::$file::$rule(&super::MemoryStore::default()).await; })*)*
        }

        mod embedded_engine {
            $($(#[tokio::test] async fn $rule() {
                let (_cloud, store) = super::embedded();
                super::$file::$rule(&store).await;
            })*)*
        }

        /// One process for the whole suite, since starting Java takes seconds; each rule gets tables of its own.
        #[test]
        fn dynamodb_local_holds_every_rule() {
            let Some(engine) = DynamoDbLocal::start() else { return };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            $($(runtime.block_on(async {
                println!("rule: {}", stringify!($rule));
                $file::$rule(&engine.store(stringify!($rule)).await).await;
            });)*)*
        }
    };
}

suite! {
    rules:
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
    long_lists_are_listed_whole;

    accounts:
    what_is_one_s_name_is_nobody_else_s_address,
    one_s_own_address_may_be_one_s_name,
    a_batch_is_imported_account_by_account_where_one_is_refused,
    of_two_alike_in_a_batch_the_first_is_imported,
    a_change_of_a_user_touches_what_it_may,
    a_change_from_what_is_no_longer_so_is_refused,
    a_new_name_keeps_what_the_account_remembers,
    a_new_name_loses_nothing_that_happens_meanwhile,
    a_new_address_frees_the_old_one,
    two_users_can_t_swap_their_names,
    a_deleted_user_is_gone_with_all_that_is_its_own,
    a_tenant_s_users_are_listed_page_by_page,
    credentials_are_read_by_the_hundred;

    passwords:
    a_password_change_replaces_it_and_ends_the_tickets,
    a_refused_password_change_changes_nothing,
    an_account_without_a_password_can_be_given_one,
    of_parallel_password_changes_one_wins,
    a_password_s_end_is_set_and_taken_away,
    a_reset_token_works_once,
    a_reset_token_ends_with_the_sessions_of_its_user,
    a_reset_token_ends_with_the_address_it_was_sent_to,
    a_reset_without_an_address_verifies_none,
    one_time_tokens_are_few_and_their_user_s_own,
    a_token_that_was_not_sent_is_taken_back,
    a_one_time_token_that_was_deleted_is_gone,
    an_address_is_verified_by_its_own_token_once,
    nobody_s_address_is_not_verified;

    persistent:
    a_persistent_login_is_stored_once_and_read_back,
    a_persistent_login_is_no_session_and_no_ticket,
    a_refresh_moves_a_persistent_login_on_from_where_it_was_read,
    a_persistent_login_that_ended_is_not_refreshed,
    of_parallel_refreshes_one_wins,
    a_replay_ends_a_persistent_login_and_all_that_was_opened_for_its_user,
    of_parallel_replays_one_is_acted_on,
    a_deleted_user_s_persistent_logins_are_gone;

    listings:
    a_listing_goes_either_way_and_on_from_what_was_counted,
    whose_a_name_is_is_told_in_every_spelling;

    tenants:
    a_tenant_s_rules_change_from_what_was_read,
    a_closed_tenant_takes_nobody_in_and_no_change,
    a_deleted_tenant_s_name_revives_nothing,
    nobody_joins_after_a_tenant_was_closed,
    a_tenant_goes_together_with_the_right_over_it_or_not_at_all,
    tenants_and_access_tokens_are_listed_and_counted_in_parts,
    access_tokens_are_read_beside_the_caller_s,
    an_access_token_changes_from_what_was_read;
}

/// The SDK repeats a try whose answer was lost, and the repeated one meets the first one's success.
#[tokio::test]
async fn an_answer_that_was_lost_makes_no_conflict_and_no_second_effect() {
    let (_cloud, proxy, store) = behind_proxy();
    rules::lost_answers(&store, &proxy).await;
}

#[tokio::test]
async fn what_a_deleted_user_leaves_behind_is_swept_side_by_side() {
    let (_cloud, proxy, store) = behind_proxy();
    rules::a_sweep_is_side_by_side(&store, &proxy).await;
}

#[tokio::test]
async fn disabling_outlasts_conflicts_with_other_writes() {
    let (_cloud, proxy, store) = behind_proxy();
    rules::disabling_outlasts_conflicts(&store, &proxy).await;
}

#[tokio::test]
async fn a_lost_answer_about_a_persistent_login_makes_no_conflict_and_no_second_effect() {
    let (_cloud, proxy, store) = behind_proxy();
    persistent::lost_answers(&store, &proxy).await;
}
