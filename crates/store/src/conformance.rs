//! What every engine must do, one case a sentence, one file a noun.
//!
//! A test binary opens an empty database for each case; [`crate::conformance_tests`] makes one test of each.
//! Cases look through the traits only, except where they ask what really stands in the tables.

pub mod access_token;
pub mod api;
pub mod application;
pub mod audit;
mod bench;
pub mod blocking_condition;
pub mod key_manager;
pub mod key_mapping;
pub mod oauth_client;
mod postgres_database;
pub mod provisioning;
pub mod revision;
pub mod revocation;
mod samples;
pub mod sealing;
pub mod snapshot_change;
pub mod subscription;
pub mod throttling_policy;
pub mod unit_of_work;
pub mod user;

pub use bench::Bench;
pub use postgres_database::PostgresDatabase;

use std::fmt::Debug;

use crate::error::StoreError;

/// An error that a case did not expect fails it.
pub type Outcome = Result<(), StoreError>;

/// Makes one `#[tokio::test]` of every case. `$database` is the path of an async function that returns an empty
/// database with a field `bench: Bench` and an async method `remove(self)`; `None` where the engine is not there.
#[macro_export]
macro_rules! conformance_tests {
    ($database:path) => {
        $crate::conformance_tests! { @each $database;
            access_token: [
                what_is_inserted_is_found_by_its_hash,
                one_hash_is_kept_once,
                a_deleted_token_is_not_found,
                expired_tokens_go_and_the_others_stay,
                a_users_tokens_go_and_the_others_stay,
            ];
            api: [
                what_is_inserted_is_found,
                an_update_replaces_the_settings_and_advances_the_version,
                an_update_from_an_older_version_is_stale,
                name_and_version_are_taken_once,
                context_and_version_are_taken_once,
                an_update_to_a_taken_name_or_context_is_refused,
                deleting_takes_revisions_and_deployments_along,
                one_that_is_subscribed_to_is_not_deleted,
                it_is_listed_by_part_of_its_name_in_any_letter_case,
                wildcards_in_a_search_are_ordinary_characters,
                it_is_listed_by_lifecycle,
                it_is_found_by_its_context_and_version,
                pages_follow_each_other_and_know_the_total,
                those_that_name_a_key_manager_are_listed,
                a_large_definition_is_kept_to_the_byte,
                a_definition_is_replaced_on_its_own_and_an_update_leaves_it,
                a_definition_stands_in_its_own_column_only,
                a_viewer_is_shown_and_counted_what_is_meant_for_them,
                a_change_of_visibility_changes_who_is_shown_it,
                a_role_with_a_comma_opens_nothing,
            ];
            application: [
                what_is_inserted_is_found,
                the_wrong_owner_finds_nothing,
                an_owner_has_a_name_once_and_another_owner_may_have_it_too,
                an_update_to_a_taken_name_is_refused,
                an_update_replaces_the_settings_and_advances_the_version,
                an_update_from_an_older_version_is_stale,
                deleting_takes_subscriptions_along,
                one_with_a_key_mapping_is_not_deleted,
                it_is_listed_by_part_of_its_name_in_any_letter_case,
                it_is_sorted_by_every_column_in_both_directions,
                pages_follow_each_other_and_know_the_total,
                those_that_use_a_key_manager_are_listed_once,
                a_scan_meets_everything_once_in_id_order,
            ];
            audit: [
                what_is_recorded_is_listed_newest_first,
                it_is_listed_by_subject,
                pages_follow_each_other_and_know_the_total,
            ];
            blocking_condition: [
                every_subject_is_found_as_it_was_inserted,
                the_same_thing_is_blocked_once,
                an_update_turns_it_off_and_advances_the_version,
                an_update_from_an_older_version_is_stale,
                a_deleted_one_is_gone,
                they_are_listed_oldest_first_and_counted,
            ];
            key_manager: [
                what_is_inserted_is_found_by_id_and_by_name,
                what_is_optional_may_be_missing,
                one_that_is_not_there_is_not_found,
                an_update_replaces_every_setting_and_advances_the_version,
                an_update_from_an_older_version_is_stale,
                an_update_of_a_deleted_one_is_stale,
                a_name_is_taken_once,
                an_update_to_a_taken_name_is_refused,
                an_id_is_taken_once,
                one_that_a_key_mapping_names_is_not_deleted,
                one_that_is_deleted_is_gone_and_may_be_deleted_again,
                they_are_listed_by_name_whatever_the_letter_case,
                secrets_do_not_stand_in_the_database_in_clear,
                a_sealed_secret_does_not_open_in_another_row,
                a_value_that_cannot_be_read_is_named_by_table_and_column,
            ];
            key_mapping: [
                what_is_inserted_is_found_in_every_way,
                every_state_is_kept_with_its_failure,
                another_application_does_not_find_it,
                application_key_type_and_key_manager_are_taken_once,
                a_consumer_key_is_taken_once_at_a_key_manager,
                an_update_to_a_taken_consumer_key_is_refused,
                several_may_be_without_a_consumer_key,
                an_update_replaces_what_may_change_and_advances_the_version,
                an_update_from_an_older_version_is_stale,
                an_unknown_application_or_key_manager_is_refused,
                deleting_takes_finished_jobs_and_their_journals_along,
                one_with_an_unfinished_job_is_not_deleted,
                those_of_an_application_are_listed_by_key_type,
                those_of_a_key_manager_are_counted,
                a_scan_meets_everything_once_in_id_order,
                a_scan_of_a_key_manager_meets_only_its_own,
                the_consumer_secret_does_not_stand_in_the_database_in_clear,
            ];
            oauth_client: [
                what_is_inserted_is_found_by_client_id_and_by_name,
                an_owner_has_a_name_once_and_another_owner_may_have_it_too,
                a_client_id_is_taken_once,
                an_update_replaces_the_secret_hash_and_the_grant_types,
                an_update_of_one_that_is_not_there_is_stale,
                those_of_an_owner_are_counted,
            ];
            provisioning: [
                what_is_inserted_is_found,
                an_update_replaces_what_may_change_and_advances_the_version,
                an_update_from_an_older_version_is_stale,
                a_job_needs_its_mapping,
                due_jobs_come_oldest_first_and_no_more_than_asked_for,
                a_job_is_not_due_before_its_time,
                a_leased_job_is_due_again_when_its_lease_runs_out,
                a_finished_job_is_never_due,
                jobs_of_one_mapping_run_one_after_the_other,
                a_waiting_job_holds_back_the_younger_ones_of_its_mapping_only,
                jobs_that_are_created_at_once_run_in_id_order,
                the_next_due_time_heeds_leases_and_the_order_of_jobs,
                jobs_of_a_mapping_are_listed_newest_first,
                recent_jobs_are_listed_newest_first,
                a_journal_counts_from_one_within_its_job,
                a_journal_needs_its_job,
            ];
            revision: [
                what_is_inserted_is_found_within_its_api,
                they_are_listed_by_number,
                a_number_is_given_out_once_even_after_deletion,
                a_number_is_counted_within_its_api,
                a_revision_needs_its_api,
                a_deployment_replaces_the_one_before_it_in_its_environment,
                undeploying_says_whether_there_was_something,
                one_that_is_deployed_is_not_deleted,
                a_revision_of_another_api_is_not_deployed,
                all_deployments_are_listed,
                it_keeps_the_definition_that_its_api_had,
            ];
            revocation: [
                every_subject_is_found_as_it_was_inserted,
                one_subject_is_revoked_once,
                a_deleted_one_is_gone,
                those_that_have_expired_are_listed_and_the_others_stay,
                they_are_listed_newest_first_in_pages,
                a_scan_meets_everything_once_in_id_order,
            ];
            sealing: [
                another_key_is_refused_when_the_database_is_opened,
                after_resealing_the_old_key_is_no_longer_needed,
                resealing_again_changes_nothing,
                a_previous_key_that_is_missing_stops_the_resealing,
            ];
            snapshot_change: [
                nothing_was_changed_at_first,
                changes_are_listed_in_the_order_of_their_recording,
                recording_nothing_changes_nothing,
                a_list_that_was_cut_is_continued_without_a_gap,
                what_was_forgotten_needs_a_whole_snapshot,
                trimming_forgets_nothing_that_is_to_be_kept,
                a_revision_of_the_future_needs_a_whole_snapshot,
                a_rolled_back_change_leaves_no_gap,
                revisions_become_visible_in_their_own_order,
            ];
            subscription: [
                what_is_inserted_is_found,
                an_application_subscribes_to_an_api_once,
                an_unknown_application_or_api_is_refused,
                an_update_replaces_what_may_change_and_advances_the_version,
                an_update_from_an_older_version_is_stale,
                a_deleted_one_is_gone,
                those_of_an_application_are_listed_and_counted,
                those_of_an_api_are_listed_in_pages,
                those_of_an_owner_to_an_api_leave_others_out,
                a_scan_meets_everything_once_in_id_order,
            ];
            throttling_policy: [
                a_database_begins_with_the_built_in_ones,
                what_is_inserted_is_found_by_id_and_by_name,
                a_name_is_taken_once_at_its_level,
                an_update_replaces_the_settings_and_advances_the_version,
                an_update_from_an_older_version_is_stale,
                one_that_is_deleted_is_gone_and_may_be_deleted_again,
                they_are_listed_by_level_and_name,
                who_names_one_is_told_by_level,
                one_that_only_a_revision_names_is_in_use,
            ];
            unit_of_work: [
                the_database_answers,
                what_is_not_committed_is_rolled_back,
                what_is_not_committed_is_seen_by_nobody,
                a_read_sees_one_state_from_first_to_last,
                a_read_cannot_write,
                a_refused_write_ends_its_transaction_and_not_the_next_one,
                writers_at_the_same_time_wait_for_each_other,
                of_two_updates_from_one_version_one_is_stale,
                a_writer_that_reads_first_is_not_refused_for_it,
                a_cancelled_transaction_gives_its_connection_back,
                a_beginning_that_is_given_up_at_any_point_leaves_nothing_behind,
                a_full_pool_is_unavailable_and_not_a_wait_without_end,
            ];
            user: [
                what_is_inserted_is_found,
                a_username_is_taken_once,
                usernames_are_compared_exactly,
                an_update_replaces_roles_and_advances_the_version,
                an_update_from_an_older_version_is_stale,
                they_are_listed_and_counted,
                a_role_exists_while_somebody_holds_it,
            ];
        }
    };
    (@each $database:path; $($noun:ident: [$($case:ident),* $(,)?];)*) => {
        $(mod $noun {
            $(
                #[tokio::test]
                async fn $case() {
                    let Some(database) = $database().await else {
                        return;
                    };
                    let outcome = $crate::conformance::$noun::$case(&database.bench).await;
                    outcome.expect("the store refuses nothing here");
                    database.remove().await;
                }
            )*
        })*
    };
}

fn refused<T>(result: Result<T, StoreError>) -> StoreError {
    match result {
        Ok(_) => panic!("the store took what it must refuse"),
        Err(error) => error,
    }
}

fn assert_duplicate<T>(result: Result<T, StoreError>, expected_noun: &str, expected_key: &str) {
    match refused(result) {
        StoreError::Duplicate { noun, key } => {
            assert_eq!((noun, key), (expected_noun, expected_key));
        }
        other => panic!("{other:?} is no duplicate"),
    }
}

fn assert_stale<T>(result: Result<T, StoreError>, expected_noun: &str) {
    match refused(result) {
        StoreError::Stale { noun } => assert_eq!(noun, expected_noun),
        other => panic!("{other:?} is not stale"),
    }
}

fn assert_reference<T>(result: Result<T, StoreError>, expected_noun: &str) {
    match refused(result) {
        StoreError::Reference { noun } => assert_eq!(noun, expected_noun),
        other => panic!("{other:?} is no reference"),
    }
}

/// Domain types that hold secrets cannot be compared; everything else about them can be printed.
fn assert_same<T: Debug>(found: &T, expected: &T) {
    assert_eq!(format!("{found:#?}"), format!("{expected:#?}"));
}
