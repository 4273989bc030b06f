//! The snapshot: everything a gateway needs to decide, and the differences by which it changes.
//!
//! Control compiles it, the server carries it, the gateway indexes it; control and gateway never meet.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::api::{ApiEndpoints, KeyManagerSelection, MaxTps, Operation};
use crate::blocking_condition::BlockedSubject;
use crate::cors::CorsPolicy;
use crate::id::{
    ApiId, ApplicationId, BlockingConditionId, KeyManagerId, KeyMappingId, RevocationId,
    SubscriptionId, ThrottlingPolicyId,
};
use crate::key_manager::{ClaimMapping, TokenType, TokenValidation};
use crate::key_mapping::KeyType;
use crate::mediation::Mediation;
use crate::revocation::RevokedSubject;
use crate::subscription::SubscriptionStatus;
use crate::throttling_policy::{BurstLimit, PolicyLevel, Quota};
use crate::token_profile::TokenProfile;

/// Counts committed changes; a later commit always has a higher revision.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SnapshotRevision(pub i64);

/// A whole snapshot (start-up, the copy on disk), or a difference to the one before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SnapshotUpdate {
    /// `None`: `changes` is the whole. `Some(r)`: it applies to revision `r` only.
    pub base: Option<SnapshotRevision>,
    pub revision: SnapshotRevision,
    pub changes: Vec<SnapshotChange>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", content = "entry", rename_all = "snake_case")]
pub enum SnapshotChange {
    PutKeyManager(Arc<KeyManagerEntry>),
    RemoveKeyManager(KeyManagerId),
    PutApi(Arc<ApiEntry>),
    RemoveApi(ApiId),
    PutApplication(Arc<ApplicationEntry>),
    RemoveApplication(ApplicationId),
    PutKeyMapping(KeyMappingEntry),
    RemoveKeyMapping(KeyMappingId),
    PutSubscription(SubscriptionEntry),
    RemoveSubscription(SubscriptionId),
    PutBlockingCondition(BlockingConditionEntry),
    RemoveBlockingCondition(BlockingConditionId),
    PutRevocation(RevocationEntry),
    RemoveRevocation(RevocationId),
    PutThrottlingPolicy(Arc<ThrottlingPolicyEntry>),
    RemoveThrottlingPolicy(ThrottlingPolicyId),
}

/// An enabled key manager, as the gateway sees it. Disabled ones are removed from the snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyManagerEntry {
    pub id: KeyManagerId,
    pub name: String,
    pub profile: TokenProfile,
    pub token_type: TokenType,
    pub token_validation: Vec<TokenValidation>,
    pub claim_mappings: Vec<ClaimMapping>,
    /// Verify the signature, or ask the key manager.
    pub validation: ValidationMethod,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidationMethod {
    SelfValidate,
    Introspect { endpoint: Url },
}

/// A deployed revision of an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiEntry {
    pub id: ApiId,
    pub name: String,
    /// Without the version, for example `/orders`.
    pub context: String,
    pub version: String,
    pub provider: String,
    pub is_default_version: bool,
    pub operations: Vec<Operation>,
    pub key_managers: KeyManagerSelection,
    /// Empty means any.
    pub audiences: Vec<String>,
    /// Lower case; `authorization` unless the API says otherwise.
    pub authorization_header: String,
    pub endpoints: ApiEndpoints,
    /// An API without business plans is open to any valid token of an allowed key manager.
    pub subscription_required: bool,
    pub api_throttling_policy: Option<String>,
    /// What the endpoints can bear, whoever asks.
    #[serde(default)]
    pub max_tps: MaxTps,
    /// Blocked in its lifecycle: answers 700700.
    pub blocked: bool,
    /// `None`: as the gateway's own settings say.
    #[serde(default)]
    pub cors: Option<CorsPolicy>,
    /// For every operation; an operation's own edits come after these.
    #[serde(default)]
    pub mediation: Mediation,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationEntry {
    pub id: ApplicationId,
    pub name: String,
    pub owner: String,
    pub throttling_policy: String,
    pub attributes: BTreeMap<String, String>,
}

/// A live consumer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyMappingEntry {
    pub id: KeyMappingId,
    pub key_manager_id: KeyManagerId,
    pub consumer_key: String,
    pub application_id: ApplicationId,
    pub key_type: KeyType,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionEntry {
    pub id: SubscriptionId,
    pub application_id: ApplicationId,
    pub api_id: ApiId,
    /// Business plan.
    pub throttling_policy: String,
    pub status: SubscriptionStatus,
}

/// A blocking condition that is on. Those that are off are removed from the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockingConditionEntry {
    pub id: BlockingConditionId,
    pub subject: BlockedSubject,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationEntry {
    pub id: RevocationId,
    pub subject: RevokedSubject,
    /// From here on it concerns nothing that would still be accepted.
    pub expires_at: Option<Timestamp>,
}

/// What a policy of this level and name allows. A name without an entry allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottlingPolicyEntry {
    pub id: ThrottlingPolicyId,
    pub level: PolicyLevel,
    pub name: String,
    /// `None` is unlimited, also where requests over the quota pass.
    pub quota: Option<Quota>,
    pub burst: Option<BurstLimit>,
}
