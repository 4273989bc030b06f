//! Jobs that are interrupted, refused, throttled, cancelled, and jobs that run by themselves.

use control::Error;
use control::key_mapping::{Deletion, GenerateToken};
use domain::application::Application;
use domain::id::KeyMappingId;
use domain::key_mapping::{KeyMapping, KeyMappingState};
use domain::provider_failure::{FailureClass, ProviderFailure};
use domain::provisioning::JobState;
use jiff::SignedDuration;
use secrecy::ExposeSecret;

use connectors::fake::FakeOutcome;

use crate::installation::{Installation, production_keys};
use crate::support::{admin, ann, application_settings, secret};

const A_DAY: i64 = 24 * 3_600;

impl Installation {
    /// Keys whose job has been written and not yet begun.
    async fn asks_for_keys(&self) -> (Application, KeyMappingId) {
        self.creates_key_manager("entra").await;
        let application = self.creates_application(&ann()).await;
        let id = self.asks_again(&application).await;
        (application, id)
    }

    async fn asks_again(&self, application: &Application) -> KeyMappingId {
        let mappings = self.control.key_mappings();
        let keys = mappings
            .generate(&ann(), application.id, production_keys("entra"))
            .await
            .unwrap();
        assert_eq!(keys.mapping.state, KeyMappingState::Provisioning);
        assert!(keys.secret.is_none());
        keys.mapping.id
    }

    async fn mapping(&self, application: &Application) -> Option<KeyMapping> {
        let mappings = self.control.key_mappings();
        let listed = mappings.list(&ann(), application.id).await.unwrap();
        listed.into_iter().next().map(|(mapping, _)| mapping)
    }

    async fn newest_job(&self) -> domain::provisioning::ProvisioningJob {
        let jobs = self.control.jobs();
        jobs.recent(&admin(), 1).await.unwrap().remove(0)
    }

    /// One client with one secret, and the secret that is stored is that one.
    async fn has_one_working_client(&self, application: &Application) {
        let clients = self.server.clients();
        assert_eq!(clients.len(), 1, "{clients:?}");
        let mapping = self.mapping(application).await.unwrap();
        assert_eq!(mapping.state, KeyMappingState::Completed);
        let client = &clients[&mapping.consumer_key.unwrap()];
        assert_eq!(client.secrets.len(), 1, "{client:?}");
        let stored = GenerateToken {
            consumer_secret: None,
            scopes: Vec::new(),
            validity: None,
        };
        self.control
            .key_mappings()
            .generate_token(&ann(), application.id, mapping.id, stored)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_request_whose_patience_ends_is_answered_and_the_job_goes_on() {
    let installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    assert!(installation.server.clients().is_empty());
    assert_eq!(installation.work().await, 1);
    installation.has_one_working_client(&application).await;
}

#[tokio::test]
async fn a_creation_that_dies_anywhere_is_resumed_without_a_second_client_or_secret() {
    // Two steps, begun and ended, and the moment before the outcome is stored.
    for journal_calls in 0..=4 {
        let mut installation = Installation::without_runner().await;
        let (application, _) = installation.asks_for_keys().await;
        installation.interruption.after_journal_calls(journal_calls);
        installation.die_and_restart().await;
        let provisioning = installation.mapping(&application).await.unwrap();
        assert_eq!(provisioning.state, KeyMappingState::Provisioning);
        installation.work().await;
        installation.has_one_working_client(&application).await;
    }
}

#[tokio::test]
async fn a_job_that_another_runner_holds_is_left_alone_until_its_lease_ends() {
    let mut installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    installation.interruption.after_journal_calls(1);
    installation.die_and_restart().await;
    // The restart took longer than the lease; turned back, the lease still holds.
    installation.clock.advance_seconds(-45);
    assert_eq!(installation.work().await, 0);
    installation.clock.advance_seconds(45);
    assert_eq!(installation.work().await, 1);
    installation.has_one_working_client(&application).await;
}

#[tokio::test]
async fn an_answer_that_was_lost_does_not_make_a_second_client() {
    let installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    for operation in ["create client", "add secret"] {
        installation
            .server
            .script(operation, FakeOutcome::AnswerLost);
    }
    for _ in 0..3 {
        installation.work().await;
        installation.clock.advance_seconds(10);
    }
    installation.has_one_working_client(&application).await;
}

#[tokio::test]
async fn transient_trouble_is_waited_out_longer_every_time() {
    let installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    let mut waits = Vec::new();
    for _ in 0..5 {
        installation
            .server
            .fail_next("create client", FailureClass::Transient);
        assert_eq!(installation.work().await, 1);
        let job = installation.newest_job().await;
        assert_eq!(job.state, JobState::Ready);
        let wait = job.due_at.duration_since(job.updated_at);
        waits.push(wait);
        // Not before it is due.
        assert_eq!(installation.work().await, 0);
        installation.clock.advance_seconds(wait.as_secs() + 1);
    }
    for (index, wait) in waits.iter().enumerate() {
        let full = SignedDuration::from_secs(1 << index);
        assert!(*wait <= full && *wait >= full / 2, "{waits:?}");
    }
    installation.work().await;
    installation.has_one_working_client(&application).await;
}

#[tokio::test]
async fn a_provider_that_asks_to_wait_is_obeyed() {
    let installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    let mut failure = ProviderFailure::new(FailureClass::Throttled, "create client", "slow down");
    failure.retry_after = Some(SignedDuration::from_secs(120));
    installation
        .server
        .script("create client", FakeOutcome::Refused(failure));
    installation.work().await;
    installation.clock.advance_seconds(119);
    assert_eq!(installation.work().await, 0);
    installation.clock.advance_seconds(2);
    assert_eq!(installation.work().await, 1);
    installation.has_one_working_client(&application).await;
}

#[tokio::test]
async fn endless_trouble_ends_as_a_failure_that_leaves_nothing_behind() {
    let installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    for _ in 0..20 {
        installation
            .server
            .fail_next("add secret", FailureClass::Transient);
    }
    for _ in 0..20 {
        installation.work().await;
        installation.clock.advance_seconds(3_600);
    }
    let mapping = installation.mapping(&application).await.unwrap();
    assert_eq!(mapping.state.as_str(), "FAILED");
    assert!(installation.server.clients().is_empty());
    let attempts = installation.server.calls();
    let attempts = attempts.iter().filter(|call| **call == "add secret");
    assert_eq!(attempts.count(), 10);
    assert_eq!(installation.newest_job().await.state, JobState::Failed);
}

#[tokio::test]
async fn what_cannot_be_undone_at_once_is_undone_later_and_does_not_bar_the_way() {
    let installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    let server = &installation.server;
    server.fail_next("add secret", FailureClass::Rejected);
    server.fail_next("delete client", FailureClass::Misconfigured);
    installation.work().await;
    assert_eq!(server.clients().len(), 1, "the undoing was refused");
    let failed = installation.mapping(&application).await.unwrap();
    assert_eq!(failed.state.as_str(), "FAILED");

    // Pressed again while the clean-up still waits: first that, then the new client.
    installation.clock.advance_seconds(1);
    installation.asks_again(&application).await;
    installation.work().await;
    installation.has_one_working_client(&application).await;
}

#[tokio::test]
async fn keys_that_are_still_being_made_can_be_deleted() {
    for journal_calls in 0..=4 {
        let mut installation = Installation::without_runner().await;
        let (application, id) = installation.asks_for_keys().await;
        installation.interruption.after_journal_calls(journal_calls);
        installation.die_and_restart().await;
        let mappings = installation.control.key_mappings();
        let deletion = mappings.clean_up(&ann(), application.id, id).await;
        assert_eq!(deletion.unwrap(), Deletion::Pending);
        installation.work().await;
        assert!(installation.server.clients().is_empty());
        assert!(installation.mapping(&application).await.is_none());
    }
}

#[tokio::test]
async fn a_cancelled_creation_stops_at_its_next_step_and_is_undone() {
    // The runner pauses before the client is made, between making and noting it, and at the very end.
    for journal_calls in 0..=4 {
        let installation = Installation::without_runner().await;
        let (application, id) = installation.asks_for_keys().await;
        installation.interruption.after_journal_calls(journal_calls);
        let control = installation.control.clone();
        let working = tokio::spawn(async move { control.jobs().run_due().await.unwrap() });
        installation.interruption.happened.notified().await;
        let mappings = installation.control.key_mappings();
        let deletion = mappings.delete(&ann(), application.id, id).await;
        assert_eq!(deletion.unwrap(), Deletion::Pending);

        installation.interruption.end();
        // Taken up twice: the creation that was cut short, and its undoing, without waiting for a lease.
        assert_eq!(working.await.unwrap(), 2);
        assert!(installation.server.clients().is_empty());
        assert!(installation.mapping(&application).await.is_none());
        let added = installation.server.calls();
        let added = added.iter().filter(|call| **call == "add secret").count();
        assert_eq!(added, usize::from(journal_calls >= 3));
    }
}

#[tokio::test]
async fn keys_asked_for_again_on_a_node_whose_clock_is_behind_are_made_after_the_failed_ones_are_removed()
 {
    let installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    let server = &installation.server;
    server.fail_next("add secret", FailureClass::Rejected);
    server.fail_next("delete client", FailureClass::Transient);
    installation.work().await;
    assert_eq!(server.clients().len(), 1, "is still to be removed");

    installation.clock.advance_seconds(-60);
    installation.asks_again(&application).await;
    installation.work().await;
    installation.has_one_working_client(&application).await;
}

#[tokio::test]
async fn two_runners_over_one_database_do_every_job_once() {
    let installation = Installation::without_runner().await;
    installation.creates_key_manager("entra").await;
    let applications = installation.control.applications();
    for name in ["one", "two", "three", "four", "five", "six"] {
        let application = applications
            .create(&ann(), application_settings(name))
            .await
            .unwrap();
        installation.asks_again(&application).await;
    }
    let other = installation.another_process();
    let other_jobs = other.jobs();
    let (first, second) = tokio::join!(installation.work(), other_jobs.run_due());
    assert_eq!(first + second.unwrap(), 6);
    let calls = installation.server.calls();
    let created = calls.iter().filter(|call| **call == "create client");
    assert_eq!(created.count(), 6);
    assert_eq!(installation.server.clients().len(), 6);
}

#[tokio::test]
async fn a_runner_that_is_told_to_stop_stops_and_the_next_one_goes_on() {
    let installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    let control = installation.control.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        control.jobs().run(shutdown).await;
    });
    installation.interruption.after_journal_calls(0);
    installation.interruption.happened.notified().await;
    stop.send(()).unwrap();
    // The step at hand is given time to end.
    installation.interruption.end();
    running.await.unwrap();
    installation.has_one_working_client(&application).await;
}

#[tokio::test]
async fn a_new_secret_leaves_the_old_one_working_for_the_grace_period() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let keys = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let consumer_key = keys.mapping.consumer_key.clone().unwrap();
    let old = keys.secret.unwrap();
    let works = async |value: &str| {
        let request = GenerateToken {
            consumer_secret: Some(secret(value)),
            scopes: Vec::new(),
            validity: None,
        };
        let token = mappings
            .generate_token(&ann(), application.id, keys.mapping.id, request)
            .await;
        token.is_ok()
    };

    let (_, new) = mappings
        .regenerate_secret(&ann(), application.id, keys.mapping.id)
        .await
        .unwrap();
    assert_ne!(new.expose_secret(), old.expose_secret());
    assert!(works(old.expose_secret()).await && works(new.expose_secret()).await);
    let listed = mappings
        .secrets(&ann(), application.id, keys.mapping.id)
        .await
        .unwrap();
    assert_eq!(listed.len(), 2);
    assert!(!format!("{listed:?}").contains(new.expose_secret()));
    // Other work on the keys does not wait for the grace period.
    let settings = application_settings("climate");
    let applications = installation.control.applications();
    applications
        .update(&ann(), application.id, settings)
        .await
        .unwrap();
    installation.work().await;

    installation.clock.advance_seconds(A_DAY + 1);
    installation.work().await;
    // The runner may have taken the job up first: then it is at work on it.
    while installation.server.clients()[&consumer_key].secrets.len() > 1 {
        tokio::task::yield_now().await;
    }
    assert!(!works(old.expose_secret()).await);
    assert!(works(new.expose_secret()).await);
    let client = &installation.server.clients()[&consumer_key];
    assert_eq!(client.display_name, "ann_climate_PRODUCTION");
}

#[tokio::test]
async fn many_rotations_in_a_row_do_not_pile_up_secrets() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let keys = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let mut newest = String::new();
    for _ in 0..6 {
        installation.clock.advance_seconds(1);
        let (_, new) = mappings
            .regenerate_secret(&ann(), application.id, keys.mapping.id)
            .await
            .unwrap();
        new.expose_secret().clone_into(&mut newest);
    }
    installation.clock.advance_seconds(1);
    let secrets = || {
        let clients = installation.server.clients();
        clients.values().next().unwrap().secrets.clone()
    };
    while secrets().len() > 3 {
        installation.work().await;
        tokio::task::yield_now().await;
    }
    assert!(secrets().iter().any(|one| one.secret == newest));
}

#[tokio::test]
async fn a_rotation_that_dies_anywhere_ends_with_one_new_secret() {
    for journal_calls in 0..=2 {
        let mut installation = Installation::without_runner().await;
        let (application, id) = installation.asks_for_keys().await;
        installation.work().await;
        installation.clock.advance_seconds(1);
        let mappings = installation.control.key_mappings();
        let asked = mappings.regenerate_secret(&ann(), application.id, id).await;
        assert!(matches!(asked.unwrap_err(), Error::InUse { .. }));
        installation.interruption.after_journal_calls(journal_calls);
        installation.die_and_restart().await;
        installation.work().await;
        let secrets = || {
            let clients = installation.server.clients();
            clients.values().next().unwrap().secrets.len()
        };
        assert_eq!(secrets(), 2, "the old one and the new one");
        installation.clock.advance_seconds(A_DAY + 1);
        installation.work().await;
        installation.has_one_working_client(&application).await;
    }
}

#[tokio::test]
async fn an_application_goes_when_its_clients_are_gone() {
    let installation = Installation::without_runner().await;
    let (application, _) = installation.asks_for_keys().await;
    installation.work().await;
    installation.clock.advance_seconds(1);
    installation
        .server
        .fail_next("delete client", FailureClass::Transient);
    let applications = installation.control.applications();
    let deletion = applications.delete(&ann(), application.id).await;
    assert_eq!(deletion.unwrap(), Deletion::Pending);
    installation.work().await;
    assert!(applications.get(&ann(), application.id).await.is_ok());
    installation.clock.advance_seconds(10);
    installation.work().await;
    assert!(installation.server.clients().is_empty());
    let gone = applications.get(&ann(), application.id).await;
    assert!(matches!(gone.unwrap_err(), Error::NotFound(_)));
}

#[tokio::test]
async fn a_mapped_client_survives_its_application() {
    let installation = Installation::start().await;
    installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    installation.server.register_by_hand("by-hand", "s3cret");
    let wanted = control::key_mapping::MapKeys {
        key_type: domain::key_mapping::KeyType::Sandbox,
        key_manager: "entra".to_owned(),
        consumer_key: "by-hand".to_owned(),
        consumer_secret: None,
    };
    let mappings = installation.control.key_mappings();
    mappings.map(&ann(), application.id, wanted).await.unwrap();
    mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let applications = installation.control.applications();
    let deletion = applications.delete(&ann(), application.id).await;
    assert_eq!(deletion.unwrap(), Deletion::Done);
    let left: Vec<_> = installation.server.clients().into_keys().collect();
    assert_eq!(left, ["by-hand"]);
}

#[tokio::test]
async fn what_jobs_do_is_in_the_audit_log() {
    let installation = Installation::without_runner().await;
    let (application, id) = installation.asks_for_keys().await;
    installation.work().await;
    installation.clock.advance_seconds(1);
    let mappings = installation.control.key_mappings();
    mappings.delete(&ann(), application.id, id).await.unwrap();
    installation.work().await;
    let audit = installation.control.audit();
    let entries = audit
        .list(&admin(), "key_mapping", &id.to_string(), store::Page::FIRST)
        .await
        .unwrap();
    let mut told: Vec<_> = entries
        .items
        .iter()
        .map(|entry| (entry.action.as_str(), entry.actor.as_str()))
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("key_mapping.completed", "claviger"),
            ("key_mapping.delete", "ann"),
            ("key_mapping.generate", "ann"),
            ("key_mapping.removed", "claviger"),
        ]
    );
}

#[tokio::test]
async fn only_administrators_see_all_jobs() {
    let installation = Installation::without_runner().await;
    installation.asks_for_keys().await;
    let refused = installation.control.jobs().recent(&ann(), 10).await;
    assert!(matches!(refused.unwrap_err(), Error::Forbidden(_)));
    let told = installation.control.jobs().recent(&admin(), 10).await;
    assert_eq!(told.unwrap().len(), 1);
}
