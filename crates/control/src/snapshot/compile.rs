//! Turns stored nouns into what gateways need: nothing of a noun that may not be used, and never a secret.

use std::sync::Arc;

use connectors::registry::Registry;
use domain::api::{Api, Deployment, LifecycleState, Revision};
use domain::application::{Application, ApplicationStatus};
use domain::blocking_condition::BlockingCondition;
use domain::id::{
    ApiId, ApplicationId, BlockingConditionId, KeyManagerId, KeyMappingId, RevocationId,
    SubscriptionId, ThrottlingPolicyId,
};
use domain::key_manager::KeyManager;
use domain::key_mapping::KeyMapping;
use domain::revocation::Revocation;
use domain::snapshot::{
    ApiEntry, ApplicationEntry, BlockingConditionEntry, KeyManagerEntry, KeyMappingEntry,
    RevocationEntry, SnapshotChange, SubscriptionEntry, ThrottlingPolicyEntry, ValidationMethod,
};
use domain::subscription::Subscription;
use domain::throttling_policy::{PolicyLevel, ThrottlingPolicy};
use store::Tx;
use store::snapshot_change::ChangedNoun;

use crate::Error;

/// Rows read at a time for a whole snapshot.
const BATCH: u32 = 1_000;

pub(super) struct Compiler<'a> {
    pub(super) connector_types: &'a Registry,
    pub(super) environment: &'a str,
}

impl Compiler<'_> {
    /// The changed nouns as they are now: put where gateways may use them, removed otherwise.
    pub(super) async fn difference(
        &self,
        tx: &mut dyn Tx,
        nouns: &[ChangedNoun],
    ) -> Result<Vec<SnapshotChange>, Error> {
        let mut changes = Vec::with_capacity(nouns.len());
        for noun in nouns {
            changes.push(match *noun {
                ChangedNoun::KeyManager(id) => {
                    let found = tx.key_managers().find(id).await?;
                    self.key_manager(id, found.as_ref())
                }
                ChangedNoun::Api(id) => self.api(tx, id).await?,
                ChangedNoun::Application(id) => {
                    application(id, tx.applications().find(id).await?.as_ref())
                }
                ChangedNoun::KeyMapping(id) => {
                    key_mapping(id, tx.key_mappings().find(id).await?.as_ref())
                }
                ChangedNoun::Subscription(id) => {
                    subscription(id, tx.subscriptions().find(id).await?.as_ref())
                }
                ChangedNoun::BlockingCondition(id) => {
                    blocking_condition(id, tx.blocking_conditions().find(id).await?)
                }
                ChangedNoun::Revocation(id) => revocation(id, tx.revocations().find(id).await?),
                ChangedNoun::ThrottlingPolicy(id) => {
                    throttling_policy(id, tx.throttling_policies().find(id).await?.as_ref())
                }
            });
        }
        Ok(changes)
    }

    /// Everything that gateways may use.
    pub(super) async fn whole(&self, tx: &mut dyn Tx) -> Result<Vec<SnapshotChange>, Error> {
        let mut changes = Vec::new();
        // First: what comes after them names them.
        for level in PolicyLevel::ALL {
            let policies = tx.throttling_policies().list(level).await?;
            changes.extend(
                policies
                    .iter()
                    .map(|found| throttling_policy(found.id, Some(found))),
            );
        }
        for found in tx.key_managers().list().await? {
            changes.push(self.key_manager(found.id, Some(&found)));
        }
        for deployment in tx.revisions().list_deployments().await? {
            if deployment.environment == self.environment {
                changes.push(self.api(tx, deployment.api_id).await?);
            }
        }
        let mut after = None;
        loop {
            let batch = tx.applications().scan(after, BATCH).await?;
            changes.extend(batch.iter().map(|found| application(found.id, Some(found))));
            after = batch.last().map(|last| last.id);
            if batch.len() < BATCH as usize {
                break;
            }
        }
        let mut after = None;
        loop {
            let batch = tx.key_mappings().scan(after, BATCH).await?;
            changes.extend(batch.iter().map(|found| key_mapping(found.id, Some(found))));
            after = batch.last().map(|last| last.id);
            if batch.len() < BATCH as usize {
                break;
            }
        }
        let mut after = None;
        loop {
            let batch = tx.subscriptions().scan(after, BATCH).await?;
            changes.extend(
                batch
                    .iter()
                    .map(|found| subscription(found.id, Some(found))),
            );
            after = batch.last().map(|last| last.id);
            if batch.len() < BATCH as usize {
                break;
            }
        }
        for found in tx.blocking_conditions().list().await? {
            changes.push(blocking_condition(found.id, Some(found)));
        }
        let mut after = None;
        loop {
            let batch = tx.revocations().scan(after, BATCH).await?;
            let length = batch.len();
            after = batch.last().map(|last| last.id);
            changes.extend(
                batch
                    .into_iter()
                    .map(|found| revocation(found.id, Some(found))),
            );
            if length < BATCH as usize {
                break;
            }
        }
        changes.retain(is_put);
        Ok(changes)
    }

    fn key_manager(&self, id: KeyManagerId, found: Option<&KeyManager>) -> SnapshotChange {
        let entry = found
            .filter(|key_manager| key_manager.settings.enabled)
            .and_then(|key_manager| self.key_manager_entry(key_manager));
        match entry {
            Some(entry) => SnapshotChange::PutKeyManager(Arc::new(entry)),
            None => SnapshotChange::RemoveKeyManager(id),
        }
    }

    /// `None` for a key manager that no gateway could check tokens of: it is treated as disabled.
    fn key_manager_entry(&self, key_manager: &KeyManager) -> Option<KeyManagerEntry> {
        let settings = &key_manager.settings;
        let Some(connector_type) = self.connector_types.get(&settings.connector_type) else {
            tracing::warn!(
                key_manager.name = settings.name,
                "its type is not installed"
            );
            return None;
        };
        let profile = match connector_type.token_profile(settings) {
            Ok(profile) => profile,
            Err(error) => {
                tracing::warn!(key_manager.name = settings.name, %error, "its tokens cannot be checked");
                return None;
            }
        };
        let validation = if settings.capabilities.self_validate_jwt {
            ValidationMethod::SelfValidate
        } else {
            let endpoint = settings.endpoints.introspection.clone()?;
            ValidationMethod::Introspect { endpoint }
        };
        Some(KeyManagerEntry {
            id: key_manager.id,
            name: settings.name.clone(),
            profile,
            token_type: settings.token_type,
            token_validation: settings.token_validation.clone(),
            claim_mappings: settings.claim_mappings.clone(),
            validation,
        })
    }

    async fn api(&self, tx: &mut dyn Tx, id: ApiId) -> Result<SnapshotChange, Error> {
        let removed = SnapshotChange::RemoveApi(id);
        let Some(api) = tx.apis().find(id).await? else {
            return Ok(removed);
        };
        let deployments = tx.revisions().deployments_of(id).await?;
        let here = |deployment: &&Deployment| deployment.environment == self.environment;
        let Some(deployment) = deployments.iter().find(here) else {
            return Ok(removed);
        };
        let revision = tx.revisions().find_in(id, deployment.revision_id).await?;
        Ok(match revision {
            Some(revision) if api.lifecycle.is_served() => {
                SnapshotChange::PutApi(Arc::new(api_entry(&api, revision)))
            }
            _ => removed,
        })
    }
}

/// The deployed revision decides what is served; the lifecycle is the API's own.
fn api_entry(api: &Api, revision: Revision) -> ApiEntry {
    let settings = revision.settings;
    let authorization_header = settings.credential_header();
    ApiEntry {
        id: api.id,
        name: settings.name,
        context: settings.context,
        version: settings.version,
        provider: api.provider.clone(),
        // The API loses the flag when another version of it is deployed as the default.
        is_default_version: settings.is_default_version && api.settings.is_default_version,
        operations: settings.operations,
        key_managers: settings.key_managers,
        audiences: settings.audiences,
        authorization_header,
        endpoints: settings.endpoints,
        subscription_required: !settings.policies.is_empty(),
        api_throttling_policy: settings.api_throttling_policy,
        max_tps: settings.max_tps,
        blocked: api.lifecycle == LifecycleState::Blocked,
        cors: settings.cors,
        mediation: settings.mediation,
    }
}

fn application(id: ApplicationId, found: Option<&Application>) -> SnapshotChange {
    match found {
        Some(application) if application.status == ApplicationStatus::Approved => {
            SnapshotChange::PutApplication(Arc::new(ApplicationEntry {
                id,
                name: application.settings.name.clone(),
                owner: application.owner.clone(),
                throttling_policy: application.settings.throttling_policy.clone(),
                attributes: application.settings.attributes.clone(),
            }))
        }
        _ => SnapshotChange::RemoveApplication(id),
    }
}

fn key_mapping(id: KeyMappingId, found: Option<&KeyMapping>) -> SnapshotChange {
    let live = found.filter(|mapping| mapping.state.is_live());
    let entry = live.and_then(|mapping| {
        Some(KeyMappingEntry {
            id,
            key_manager_id: mapping.key_manager_id,
            consumer_key: mapping.consumer_key.clone()?,
            application_id: mapping.application_id,
            key_type: mapping.key_type,
        })
    });
    entry.map_or(
        SnapshotChange::RemoveKeyMapping(id),
        SnapshotChange::PutKeyMapping,
    )
}

fn subscription(id: SubscriptionId, found: Option<&Subscription>) -> SnapshotChange {
    found.map_or(SnapshotChange::RemoveSubscription(id), |subscription| {
        SnapshotChange::PutSubscription(SubscriptionEntry {
            id,
            application_id: subscription.application_id,
            api_id: subscription.api_id,
            throttling_policy: subscription.throttling_policy.clone(),
            status: subscription.status,
        })
    })
}

fn blocking_condition(id: BlockingConditionId, found: Option<BlockingCondition>) -> SnapshotChange {
    match found {
        Some(condition) if condition.enabled => {
            SnapshotChange::PutBlockingCondition(BlockingConditionEntry {
                id,
                subject: condition.subject,
            })
        }
        _ => SnapshotChange::RemoveBlockingCondition(id),
    }
}

fn revocation(id: RevocationId, found: Option<Revocation>) -> SnapshotChange {
    found.map_or(SnapshotChange::RemoveRevocation(id), |revocation| {
        SnapshotChange::PutRevocation(RevocationEntry {
            id,
            subject: revocation.subject,
            expires_at: revocation.expires_at,
        })
    })
}

/// Gateways count nothing where requests over the quota pass.
fn throttling_policy(id: ThrottlingPolicyId, found: Option<&ThrottlingPolicy>) -> SnapshotChange {
    let Some(ThrottlingPolicy {
        level, settings, ..
    }) = found
    else {
        return SnapshotChange::RemoveThrottlingPolicy(id);
    };
    SnapshotChange::PutThrottlingPolicy(Arc::new(ThrottlingPolicyEntry {
        id,
        level: *level,
        name: settings.name.clone(),
        quota: settings.quota.filter(|_| settings.stop_on_quota_reach),
        burst: settings.burst,
    }))
}

/// A whole snapshot begins from nothing: there is nothing to remove.
const fn is_put(change: &SnapshotChange) -> bool {
    matches!(
        change,
        SnapshotChange::PutKeyManager(_)
            | SnapshotChange::PutApi(_)
            | SnapshotChange::PutApplication(_)
            | SnapshotChange::PutKeyMapping(_)
            | SnapshotChange::PutSubscription(_)
            | SnapshotChange::PutBlockingCondition(_)
            | SnapshotChange::PutRevocation(_)
            | SnapshotChange::PutThrottlingPolicy(_)
    )
}
