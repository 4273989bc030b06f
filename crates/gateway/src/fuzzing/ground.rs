//! An engine with one API, one client and one token that passes. The key that signed it exists no more.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use domain::api::{ApiEndpoints, KeyManagerSelection, Verb};
use domain::certificate::Certificates;
use domain::id::KeyManagerId;
use domain::key_manager::TokenType;
use domain::key_mapping::KeyType;
use domain::mediation::Mediation;
use domain::snapshot::{
    ApiEntry, ApplicationEntry, KeyManagerEntry, KeyMappingEntry, SnapshotChange, SnapshotRevision,
    SnapshotUpdate, SubscriptionEntry, ValidationMethod,
};
use domain::subscription::SubscriptionStatus;
use domain::token_profile::{AudienceRule, SignatureAlgorithm, TokenProfile};
use domain::{Clock, SecretString};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::client_certificate::ClientCertificate;
use crate::config::GatewayConfig;
use crate::decision::RequestParts;
use crate::engine::Engine;
use crate::introspection::{Introspections, TokenIntrospector, TokenIntrospectorError};
use crate::key_set::KeySets;
use crate::key_set::refresh::{KeySetSource, KeySetSourceError};

pub(super) const GOOD_TOKEN: &str = include_str!("token.txt");
const CERTIFICATE: &str = include_str!("certificate.pem");
const NOW: i64 = 1_790_000_000;

/// With the runtime that it would ask key managers on.
static ENGINE: LazyLock<(Engine, Runtime)> = LazyLock::new(engine);

/// Whether a request with these bytes behind `Bearer` passes.
pub(super) fn is_admitted(token: &[u8]) -> bool {
    let line = [b"Bearer ", token].concat();
    let Ok(line) = HeaderValue::from_bytes(&line) else {
        return false;
    };
    let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, line)]);
    let parts = RequestParts {
        method: &Method::GET,
        path: "/orders/1.0.0/items",
        headers: &headers,
        certificate: &ClientCertificate::default(),
        client: None,
    };
    let deciding = pin!(ENGINE.0.decide(&parts));
    match deciding.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(decision) => decision.is_ok(),
        Poll::Pending => panic!("there is nothing to wait for: the keys are certificates"),
    }
}

struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).expect("a constant")
    }
}

struct NoProvider;

#[async_trait]
impl KeySetSource for NoProvider {
    async fn fetch(&self, _: &Url) -> Result<Vec<u8>, KeySetSourceError> {
        Err(KeySetSourceError("there is none".to_owned()))
    }
}

#[async_trait]
impl TokenIntrospector for NoProvider {
    async fn introspect(
        &self,
        _: KeyManagerId,
        _: &SecretString,
    ) -> Result<Vec<u8>, TokenIntrospectorError> {
        Err(TokenIntrospectorError::Unsupported)
    }
}

fn engine() -> (Engine, Runtime) {
    let config = GatewayConfig::default();
    let (key_sets, _) = KeySets::new(
        Arc::new(NoProvider),
        Arc::new(StandingClock),
        config.key_sets.clone(),
        None,
    );
    let runtime = Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers");
    let introspections = Introspections::new(
        Arc::new(NoProvider),
        runtime.handle().clone(),
        config.introspection.clone(),
    );
    let engine = Engine::new(
        config,
        Arc::new(StandingClock),
        key_sets,
        introspections,
        None,
        None,
        None,
    );
    let whole = SnapshotUpdate {
        base: None,
        revision: SnapshotRevision(1),
        changes: changes(),
    };
    engine.apply(whole).expect("a whole snapshot");
    (engine, runtime)
}

fn changes() -> Vec<SnapshotChange> {
    let key_manager = KeyManagerEntry {
        id: id(1),
        name: "fuzzing".to_owned(),
        profile: TokenProfile {
            issuers: vec!["https://issuer.example".to_owned()],
            certificates: Some(Certificates::Pem(CERTIFICATE.to_owned())),
            algorithms: SignatureAlgorithm::ALL.to_vec(),
            consumer_key_claims: vec!["azp".to_owned()],
            scopes_claims: vec!["roles".to_owned()],
            audience: AudienceRule::OwnClient,
        },
        token_type: TokenType::Direct,
        token_validation: Vec::new(),
        claim_mappings: Vec::new(),
        validation: ValidationMethod::SelfValidate,
    };
    let api = ApiEntry {
        id: id(2),
        name: "orders".to_owned(),
        context: "/orders".to_owned(),
        version: "1.0.0".to_owned(),
        provider: "publisher".to_owned(),
        is_default_version: false,
        operations: vec![super::operation(Verb::Get, "/items")],
        key_managers: KeyManagerSelection::All,
        audiences: Vec::new(),
        authorization_header: "authorization".to_owned(),
        endpoints: ApiEndpoints {
            production: vec!["http://127.0.0.1:1/".parse().expect("a constant")],
            sandbox: Vec::new(),
        },
        subscription_required: true,
        api_throttling_policy: None,
        max_tps: domain::api::MaxTps::default(),
        blocked: false,
        cors: None,
        mediation: Mediation::default(),
    };
    let application = ApplicationEntry {
        id: id(3),
        name: "weather".to_owned(),
        owner: "ann".to_owned(),
        throttling_policy: "Unlimited".to_owned(),
        attributes: BTreeMap::new(),
    };
    vec![
        SnapshotChange::PutKeyManager(Arc::new(key_manager)),
        SnapshotChange::PutApi(Arc::new(api)),
        SnapshotChange::PutApplication(Arc::new(application)),
        SnapshotChange::PutKeyMapping(KeyMappingEntry {
            id: id(4),
            key_manager_id: id(1),
            consumer_key: "client".to_owned(),
            application_id: id(3),
            key_type: KeyType::Production,
        }),
        SnapshotChange::PutSubscription(SubscriptionEntry {
            id: id(5),
            application_id: id(3),
            api_id: id(2),
            throttling_policy: "Unlimited".to_owned(),
            status: SubscriptionStatus::Unblocked,
        }),
    ]
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u32) -> T {
    format!("00000000-0000-7000-8000-{number:012}")
        .parse()
        .expect("twelve digits make an identifier")
}
