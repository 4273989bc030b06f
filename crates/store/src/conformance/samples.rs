//! Nouns to store: every field differs from its default, so that one that is forgotten shows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use domain::api::{
    Api, ApiEndpoints, ApiScope, ApiSettings, Deployment, KeyManagerSelection, LifecycleState,
    MaxTps, Operation, RequestRate, Revision, Verb, Visibility,
};
use domain::application::{Application, ApplicationSettings, ApplicationStatus};
use domain::audit::AuditEntry;
use domain::blocking_condition::{BlockedSubject, BlockingCondition};
use domain::certificate::Certificates;
use domain::cors::{AllowedOrigins, CorsPolicy};
use domain::id::{
    ApiId, ApplicationId, AuditEntryId, BlockingConditionId, JobId, KeyManagerId, KeyMappingId,
    OAuthClientId, RevisionId, RevocationId, SubscriptionId, ThrottlingPolicyId, UserId,
};
use domain::key_manager::{
    Capabilities, ClaimMapping, Endpoints, KeyManager, KeyManagerSettings, Permissions, TokenType,
    TokenValidation,
};
use domain::key_mapping::{CreateMode, KeyMapping, KeyMappingState, KeyType};
use domain::mediation::{HeaderEdit, Mediation};
use domain::oauth_client::OAuthClient;
use domain::provider_failure::{FailureClass, ProviderFailure};
use domain::provisioning::{JobKind, JobState, ProvisioningJob};
use domain::revocation::{Revocation, RevokedSubject};
use domain::subscription::{Subscription, SubscriptionStatus};
use domain::throttling_policy::{
    BillingPlan, BurstLimit, DataUnit, PolicyLevel, PolicySettings, Quota, QuotaAmount,
    ThrottlingPolicy, TimeUnit, TimeWindow,
};
use domain::user::{AccessTokenGrant, User};
use domain::{Clock, Random, SecretString};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use url::Url;

use crate::error::StoreError;
use crate::unit_of_work::Tx;

/// Makes nouns. Every call is a millisecond later than the one before, so identifiers and times are in order.
#[derive(Default)]
pub(super) struct Samples {
    clock: SteppingClock,
    random: CountingRandom,
}

#[derive(Default)]
struct SteppingClock(AtomicI64);

impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        at(self.0.fetch_add(1_000, Ordering::Relaxed))
    }
}

/// A stream of numbers that never repeats.
#[derive(Default)]
pub(super) struct CountingRandom(AtomicU64);

impl Random for CountingRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            chunk.copy_from_slice(&next[8 - chunk.len()..]);
        }
    }
}

/// Microseconds after an instant that is no whole second.
pub(super) fn at(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(1_790_000_000_123_456 + microseconds)
        .expect("samples stay within the calendar")
}

fn url(text: &str) -> Url {
    text.parse().expect("samples have valid URLs")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

pub(super) fn failure() -> ProviderFailure {
    ProviderFailure {
        status: Some(403),
        code: Some("Authorization_RequestDenied".to_owned()),
        request_id: Some("b0e2f5c1".to_owned()),
        advice: Some("Grant Application.ReadWrite.OwnedBy.".to_owned()),
        retry_after: Some(SignedDuration::from_secs(17)),
        ..ProviderFailure::new(
            FailureClass::Misconfigured,
            "create application",
            "Insufficient privileges – \"Zugriff verweigert\"",
        )
    }
}

/// The document of an API whose document is beside the point.
pub(super) const DEFINITION: &str = "openapi: 3.0.3\n";

impl Samples {
    pub(super) fn throttling_policy(&self, level: PolicyLevel, name: &str) -> ThrottlingPolicy {
        ThrottlingPolicy {
            id: ThrottlingPolicyId::generate(&self.clock, &self.random),
            level,
            is_built_in: false,
            settings: PolicySettings {
                name: name.to_owned(),
                display_name: format!("{name} – Zürich"),
                description: "Our 'own' one; 100% of it".to_owned(),
                quota: Some(Quota {
                    amount: QuotaAmount::Bandwidth {
                        amount: 7,
                        unit: DataUnit::Gigabyte,
                    },
                    window: TimeWindow {
                        count: 3,
                        unit: TimeUnit::Day,
                    },
                }),
                burst: Some(BurstLimit {
                    requests: 11,
                    unit: TimeUnit::Second,
                }),
                stop_on_quota_reach: false,
                billing_plan: BillingPlan::Commercial,
                attributes: BTreeMap::from([("region".to_owned(), "eu".to_owned())]),
            },
            created_at: at(20),
            updated_at: at(21),
            version: 1,
        }
    }

    pub(super) fn key_manager(&self, name: &str) -> KeyManager {
        let id = KeyManagerId::generate(&self.clock, &self.random);
        KeyManager {
            id,
            settings: KeyManagerSettings {
                name: name.to_owned(),
                display_name: format!("{name} – Zürich"),
                connector_type: "AzureAD".to_owned(),
                description: "Our 'own' tenant; 100% \\ of it".to_owned(),
                enabled: true,
                endpoints: Endpoints {
                    well_known: Some(url(
                        "https://login.example/.well-known/openid-configuration",
                    )),
                    token: Some(url("https://login.example/token")),
                    ..Endpoints::default()
                },
                issuer: "https://login.example/v2.0".to_owned(),
                alias: Some("https://localhost/token".to_owned()),
                certificates: Some(Certificates::Jwks(url("https://login.example/keys"))),
                consumer_key_claim: "azp".to_owned(),
                scopes_claim: "scp".to_owned(),
                claim_mappings: vec![ClaimMapping {
                    remote_claim: "upn".to_owned(),
                    local_claim: "http://wso2.org/claims/upn".to_owned(),
                }],
                available_grant_types: words(&["client_credentials", "refresh_token"]),
                capabilities: Capabilities {
                    token_generation: false,
                    token_hashing: true,
                    ..Capabilities::default()
                },
                token_validation: vec![
                    TokenValidation::Reference {
                        pattern: "^[a-f0-9]+$".to_owned(),
                    },
                    TokenValidation::Jwt {
                        claims: BTreeMap::from([("tid".to_owned(), "^7.*$".to_owned())]),
                    },
                ],
                token_type: TokenType::Both,
                permissions: Permissions::Deny(words(&["guest"])),
                allowed_organizations: words(&["ALL"]),
                global: true,
                configuration: BTreeMap::from([
                    ("azure_ad_tenant_id".to_owned(), json!("common")),
                    ("polling_max_wait_time_ms".to_owned(), json!(5000)),
                ]),
                secrets: BTreeMap::from([(
                    "azure_ad_client_secret".to_owned(),
                    SecretString::from(format!("management-secret-of-{name}")),
                )]),
            },
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
            version: 1,
        }
    }

    pub(super) fn api(&self, name: &str, version: &str) -> Api {
        Api {
            id: ApiId::generate(&self.clock, &self.random),
            provider: "pia".to_owned(),
            settings: api_settings(name, version),
            lifecycle: LifecycleState::Published,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
            version: 1,
        }
    }

    pub(super) fn revision(&self, api: &Api, number: i64) -> Revision {
        Revision {
            id: RevisionId::generate(&self.clock, &self.random),
            api_id: api.id,
            number,
            description: format!("as of change {number}"),
            settings: api.settings.clone(),
            created_at: self.clock.now(),
        }
    }

    pub(super) fn deployment(&self, revision: &Revision, environment: &str) -> Deployment {
        Deployment {
            api_id: revision.api_id,
            revision_id: revision.id,
            environment: environment.to_owned(),
            vhost: "gateway.example".to_owned(),
            display_on_devportal: true,
            deployed_at: self.clock.now(),
        }
    }

    pub(super) fn application(&self, owner: &str, name: &str) -> Application {
        Application {
            id: ApplicationId::generate(&self.clock, &self.random),
            owner: owner.to_owned(),
            settings: ApplicationSettings {
                name: name.to_owned(),
                throttling_policy: "50PerMin".to_owned(),
                description: format!("{name}, for phones"),
                token_type: "JWT".to_owned(),
                attributes: BTreeMap::from([("cost centre".to_owned(), "4711".to_owned())]),
                groups: words(&["mobile"]),
                visibility: "PRIVATE".to_owned(),
            },
            status: ApplicationStatus::Approved,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
            version: 1,
        }
    }

    pub(super) fn key_mapping(
        &self,
        application: &Application,
        key_type: KeyType,
        key_manager: &KeyManager,
    ) -> KeyMapping {
        let id = KeyMappingId::generate(&self.clock, &self.random);
        KeyMapping {
            id,
            application_id: application.id,
            key_manager_id: key_manager.id,
            key_type,
            mode: CreateMode::Created,
            state: KeyMappingState::Completed,
            consumer_key: Some(format!("client-{id}")),
            consumer_secret: Some(SecretString::from(format!("consumer-secret-of-{id}"))),
            provider_reference: json!({"object_id": "5f0e", "credentials": ["a1"]}),
            grant_types: words(&["client_credentials"]),
            callback_url: Some("https://app.example/callback".to_owned()),
            additional_properties: BTreeMap::from([("lifetime_days".to_owned(), json!(90))]),
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
            version: 1,
        }
    }

    pub(super) fn subscription(&self, application: &Application, api: &Api) -> Subscription {
        Subscription {
            id: SubscriptionId::generate(&self.clock, &self.random),
            application_id: application.id,
            api_id: api.id,
            throttling_policy: "Gold".to_owned(),
            status: SubscriptionStatus::Unblocked,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
            version: 1,
        }
    }

    pub(super) fn job(&self, mapping: &KeyMapping) -> ProvisioningJob {
        let now = self.clock.now();
        ProvisioningJob {
            id: JobId::generate(&self.clock, &self.random),
            kind: JobKind::CreateClient,
            key_mapping_id: mapping.id,
            key_manager_id: mapping.key_manager_id,
            requested_by: "ann".to_owned(),
            state: JobState::Ready,
            attempts: 0,
            due_at: now,
            leased_until: None,
            last_failure: None,
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    pub(super) fn user(&self, username: &str, roles: &[&str]) -> User {
        User {
            id: UserId::generate(&self.clock, &self.random),
            username: username.to_owned(),
            password_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned(),
            roles: words(roles),
            enabled: true,
            created_at: self.clock.now(),
            updated_at: self.clock.now(),
            version: 1,
        }
    }

    pub(super) fn oauth_client(&self, owner: &str, name: &str) -> OAuthClient {
        let id = OAuthClientId::generate(&self.clock, &self.random);
        OAuthClient {
            id,
            client_id: format!("client-{id}"),
            secret_hash: "9f86d081884c7d65".to_owned(),
            name: name.to_owned(),
            owner: owner.to_owned(),
            callback_url: "https://tool.example/".to_owned(),
            grant_types: words(&["password", "client_credentials"]),
            created_at: self.clock.now(),
        }
    }

    pub(super) fn access_token(&self, token_hash: &str) -> AccessTokenGrant {
        let issued_at = self.clock.now();
        AccessTokenGrant {
            token_hash: token_hash.to_owned(),
            client_id: "client-1".to_owned(),
            username: "ann".to_owned(),
            scopes: words(&["apim:subscribe", "apim:app_manage"]),
            issued_at,
            expires_at: issued_at + SignedDuration::from_hours(1),
        }
    }

    pub(super) fn audit_entry(&self, subject_kind: &str, subject_id: &str) -> AuditEntry {
        AuditEntry {
            id: AuditEntryId::generate(&self.clock, &self.random),
            at: self.clock.now(),
            actor: "ann".to_owned(),
            action: format!("{subject_kind}.create"),
            subject_kind: subject_kind.to_owned(),
            subject_id: subject_id.to_owned(),
            details: json!({"name": "weather", "enabled": true}),
        }
    }

    pub(super) fn blocking_condition(&self, subject: BlockedSubject) -> BlockingCondition {
        let created_at = self.clock.now();
        BlockingCondition {
            id: BlockingConditionId::generate(&self.clock, &self.random),
            subject,
            enabled: true,
            created_at,
            updated_at: created_at,
            version: 1,
        }
    }

    pub(super) fn revocation(&self, subject: RevokedSubject) -> Revocation {
        Revocation {
            id: RevocationId::generate(&self.clock, &self.random),
            subject,
            expires_at: Some(self.clock.now() + SignedDuration::from_hours(1)),
            created_by: "ada".to_owned(),
            created_at: self.clock.now(),
        }
    }

    /// A mapping that is stored with its key manager and its application, all named after `name`.
    pub(super) async fn stored_key_mapping(
        &self,
        tx: &mut dyn Tx,
        name: &str,
    ) -> Result<(KeyManager, Application, KeyMapping), StoreError> {
        let key_manager = self.key_manager(name);
        tx.key_managers().insert(&key_manager).await?;
        let application = self.application("ann", name);
        tx.applications().insert(&application).await?;
        let mapping = self.key_mapping(&application, KeyType::Production, &key_manager);
        tx.key_mappings().insert(&mapping).await?;
        Ok((key_manager, application, mapping))
    }

    /// A subscription that is stored with its application and its API, all named after `name`.
    pub(super) async fn stored_subscription(
        &self,
        tx: &mut dyn Tx,
        name: &str,
    ) -> Result<(Application, Api, Subscription), StoreError> {
        let application = self.application("ann", name);
        tx.applications().insert(&application).await?;
        let api = self.api(name, "1.0.0");
        tx.apis().insert(&api, DEFINITION).await?;
        let subscription = self.subscription(&application, &api);
        tx.subscriptions().insert(&subscription).await?;
        Ok((application, api, subscription))
    }
}

fn api_settings(name: &str, version: &str) -> ApiSettings {
    ApiSettings {
        name: name.to_owned(),
        context: format!("/{}", name.to_lowercase()),
        version: version.to_owned(),
        description: "Temperatures – in °C".to_owned(),
        is_default_version: true,
        endpoints: ApiEndpoints {
            production: vec![url("https://weather.example/v1")],
            sandbox: vec![url("http://sandbox.weather.example/")],
        },
        operations: vec![Operation {
            verb: Verb::Get,
            target: "/cities/{id}".to_owned(),
            auth_required: true,
            scopes: words(&["weather:read"]),
            throttling_policy: Some("20KPerMin".to_owned()),
            mediation: Mediation {
                response: vec![HeaderEdit::Remove {
                    name: "Server".to_owned(),
                }],
                ..Mediation::default()
            },
        }],
        scopes: vec![ApiScope {
            name: "weather:read".to_owned(),
            display_name: "Read".to_owned(),
            description: "Read temperatures".to_owned(),
            bindings: words(&["subscriber"]),
        }],
        key_managers: KeyManagerSelection::All,
        audiences: words(&["api://weather"]),
        authorization_header: "X-Token".to_owned(),
        policies: words(&["Gold", "Bronze"]),
        api_throttling_policy: Some("50KPerMin".to_owned()),
        max_tps: MaxTps {
            production: Some(RequestRate {
                requests: 1_000,
                unit: TimeUnit::Minute,
            }),
            sandbox: None,
        },
        visibility: Visibility::Restricted(words(&["meteorologist"])),
        cors: Some(CorsPolicy {
            origins: AllowedOrigins::Only(words(&["https://weather.example"])),
            credentials: true,
            ..CorsPolicy::default()
        }),
        mediation: Mediation {
            request: vec![HeaderEdit::Set {
                name: "X-Tenant".to_owned(),
                value: "blue".to_owned(),
            }],
            ..Mediation::default()
        },
    }
}
