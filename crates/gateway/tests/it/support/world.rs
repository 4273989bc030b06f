//! The world of a test: one API, one application with keys, one subscription, and a token that passes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::Clock;
use domain::api::{ApiEndpoints, KeyManagerSelection, MaxTps, Operation, Verb};
use domain::certificate::Certificates;
use domain::key_manager::TokenType;
use domain::key_mapping::KeyType;
use domain::mediation::Mediation;
use domain::snapshot::{
    ApiEntry, ApplicationEntry, KeyManagerEntry, KeyMappingEntry, SnapshotChange, SnapshotRevision,
    SnapshotUpdate, SubscriptionEntry, ValidationMethod,
};
use domain::subscription::SubscriptionStatus;
use domain::token_profile::{AudienceRule, SignatureAlgorithm, TokenProfile};
use gateway::{Gateway, GatewayConfig, GatewayDependencies, KeySetConfig, Tracing};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::{Answer, full, send, serve};
use super::introspection::Introspection;
use super::lines::Lines;
use super::provider::{OverHttp, Provider};
use super::signer::{FIRST, Signer};

pub(crate) const TENANT: &str = "7d3c0f51-9f7d-4a2e-8f5c-6a0a5e9b1c11";
pub(crate) const CLIENT: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const NOW: i64 = 1_790_000_000;

/// Time as the test says.
pub(crate) struct HeldClock(AtomicI64);

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a sane time")
    }
}

impl HeldClock {
    pub(crate) fn at(seconds: i64) -> Self {
        Self(AtomicI64::new(seconds))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) provider: Provider,
    pub(crate) introspection: Introspection,
    pub(crate) clock: Arc<HeldClock>,
    pub(crate) api: ApiEntry,
    pub(crate) key_manager: KeyManagerEntry,
    /// Requests that reached the upstream: request line and headers.
    pub(crate) received: Arc<Mutex<Vec<http::request::Parts>>>,
    /// The access log.
    pub(crate) log: Lines,
    revision: Mutex<i64>,
}

pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u32) -> T {
    format!("00000000-0000-7000-8000-{number:012}")
        .parse()
        .expect("an identifier")
}

pub(crate) fn v2_issuer() -> String {
    format!("https://login.microsoftonline.com/{TENANT}/v2.0")
}

pub(crate) fn v1_issuer() -> String {
    format!("https://sts.windows.net/{TENANT}/")
}

/// The claims of an app-only V2 token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": v2_issuer(), "aud": CLIENT, "azp": CLIENT, "azpacr": "1", "tid": TENANT,
        "iat": NOW - 300, "nbf": NOW - 300, "exp": NOW + 3_600, "ver": "2.0", "sub": "s", "oid": "s",
    })
}

/// The claims of an app-only V1 token.
pub(crate) fn v1_claims() -> Value {
    json!({
        "iss": v1_issuer(), "aud": format!("api://{CLIENT}"), "appid": CLIENT, "appidacr": "1", "tid": TENANT,
        "iat": NOW - 300, "nbf": NOW - 300, "exp": NOW + 3_600, "ver": "1.0", "sub": "s", "oid": "s",
    })
}

pub(crate) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

pub(crate) fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

pub(crate) fn operation(verb: Verb, target: &str, scopes: &[&str]) -> Operation {
    Operation {
        verb,
        target: target.to_owned(),
        auth_required: true,
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        throttling_policy: None,
        mediation: Mediation::default(),
    }
}

pub(crate) fn subscription(status: SubscriptionStatus) -> SubscriptionEntry {
    SubscriptionEntry {
        id: id(4),
        application_id: id(2),
        api_id: id(1),
        throttling_policy: "Gold".to_owned(),
        status,
    }
}

pub(crate) fn mapping(key_type: KeyType) -> KeyMappingEntry {
    KeyMappingEntry {
        id: id(3),
        key_manager_id: id(10),
        consumer_key: CLIENT.to_owned(),
        application_id: id(2),
        key_type,
    }
}

pub(crate) fn test_config() -> GatewayConfig {
    GatewayConfig {
        listen: "127.0.0.1:0".parse().expect("an address"),
        workers: Some(1),
        key_sets: KeySetConfig {
            check_every: Duration::from_millis(5),
            ..KeySetConfig::default()
        },
        ..GatewayConfig::default()
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(test_config(), &[FIRST.jwk()]).await
    }

    pub(crate) async fn start_with(config: GatewayConfig, keys: &[Value]) -> Self {
        let provider = Provider::start(keys).await;
        Self::start_at(config, provider).await
    }

    pub(crate) async fn start_at(config: GatewayConfig, provider: Provider) -> Self {
        Self::begin(config, provider, None).await
    }

    pub(crate) async fn start_traced(config: GatewayConfig, tracing: Tracing) -> Self {
        let provider = Provider::start(&[FIRST.jwk()]).await;
        Self::begin(config, provider, Some(tracing)).await
    }

    async fn begin(config: GatewayConfig, provider: Provider, tracing: Option<Tracing>) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&received);
        let upstream = serve(move |request| {
            let seen = Arc::clone(&seen);
            async move {
                let (head, body) = request.into_parts();
                let length = body.collect().await.map_or(0, |body| body.to_bytes().len());
                let answer = format!("{} {} {length}", head.method, head.uri);
                seen.lock().expect("a lock").push(head);
                Response::builder()
                    .header("x-upstream", "yes")
                    .body(full(answer))
                    .expect("a response")
            }
        })
        .await;
        let introspection = Introspection::start().await;
        let clock = Arc::new(HeldClock::at(NOW));
        let log = Lines::default();
        let gateway = Gateway::start(
            config,
            GatewayDependencies {
                clock: Arc::clone(&clock) as Arc<dyn Clock>,
                key_set_source: Arc::new(OverHttp),
                token_introspector: Arc::new(introspection.clone()),
                access_log: Box::new(log.clone()),
                tracing,
            },
        )
        .expect("the gateway starts");
        let endpoint = format!("http://{upstream}/backend").parse().expect("a URL");
        let api = ApiEntry {
            id: id(1),
            name: "exampleapi".to_owned(),
            context: "/exampleapi".to_owned(),
            version: "1.0.0".to_owned(),
            provider: "publisher".to_owned(),
            is_default_version: false,
            operations: vec![
                operation(Verb::Get, "/*", &[]),
                operation(Verb::Post, "/*", &[]),
                operation(Verb::Get, "/scoped", &["Orders.Read", "Orders.All"]),
                Operation {
                    auth_required: false,
                    ..operation(Verb::Get, "/open", &[])
                },
            ],
            key_managers: KeyManagerSelection::All,
            audiences: Vec::new(),
            authorization_header: "authorization".to_owned(),
            endpoints: ApiEndpoints {
                production: vec![endpoint],
                sandbox: Vec::new(),
            },
            subscription_required: true,
            api_throttling_policy: None,
            max_tps: MaxTps::default(),
            blocked: false,
            cors: None,
            mediation: Mediation::default(),
        };
        let key_manager = KeyManagerEntry {
            id: id(10),
            name: "AzureAD".to_owned(),
            profile: TokenProfile {
                issuers: vec![v2_issuer()],
                certificates: Some(Certificates::Jwks(provider.url.clone())),
                algorithms: SignatureAlgorithm::ALL.to_vec(),
                consumer_key_claims: vec!["azp".to_owned(), "appid".to_owned()],
                scopes_claims: vec!["roles".to_owned(), "scp".to_owned()],
                audience: AudienceRule::Any,
            },
            token_type: TokenType::Direct,
            token_validation: Vec::new(),
            claim_mappings: Vec::new(),
            validation: ValidationMethod::SelfValidate,
        };
        let world = Self {
            gateway,
            provider,
            introspection,
            clock,
            received,
            log,
            revision: Mutex::new(0),
            api,
            key_manager,
        };
        let whole = world.whole();
        world
            .gateway
            .apply(SnapshotUpdate {
                base: None,
                revision: SnapshotRevision(0),
                changes: whole,
            })
            .expect("a whole snapshot");
        world
    }

    pub(crate) fn whole(&self) -> Vec<SnapshotChange> {
        vec![
            SnapshotChange::PutKeyManager(Arc::new(self.key_manager.clone())),
            SnapshotChange::PutApi(Arc::new(self.api.clone())),
            SnapshotChange::PutApplication(Arc::new(ApplicationEntry {
                id: id(2),
                name: "weather".to_owned(),
                owner: "ann".to_owned(),
                throttling_policy: "Unlimited".to_owned(),
                attributes: BTreeMap::new(),
            })),
            SnapshotChange::PutKeyMapping(mapping(KeyType::Production)),
            SnapshotChange::PutSubscription(subscription(SubscriptionStatus::Unblocked)),
        ]
    }

    /// Applies a difference to what is there.
    pub(crate) fn change(&self, changes: Vec<SnapshotChange>) {
        let mut revision = self.revision.lock().expect("a lock");
        let base = Some(SnapshotRevision(*revision));
        *revision += 1;
        let update = SnapshotUpdate {
            base,
            revision: SnapshotRevision(*revision),
            changes,
        };
        self.gateway.apply(update).expect("in order");
    }

    pub(crate) fn change_api(&self, edit: impl FnOnce(&mut ApiEntry)) {
        let mut api = self.api.clone();
        edit(&mut api);
        self.change(vec![SnapshotChange::PutApi(Arc::new(api))]);
    }

    pub(crate) fn change_key_manager(&self, edit: impl FnOnce(&mut KeyManagerEntry)) {
        let mut key_manager = self.key_manager.clone();
        edit(&mut key_manager);
        self.change(vec![SnapshotChange::PutKeyManager(Arc::new(key_manager))]);
    }

    pub(crate) async fn call(&self, token: &str) -> Answer {
        self.get("/exampleapi/1.0.0/items?x=1", token).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path)
            .header("host", "gateway.example")
            .header("authorization", format!("Bearer {token}"))
            .body(full(""))
            .expect("a request");
        self.send(request).await
    }

    pub(crate) async fn send(&self, request: Request<super::http::Body>) -> Answer {
        send(self.gateway.local_addr(), request)
            .await
            .expect("an answer")
    }

    /// Status and WSO2 code.
    pub(crate) async fn refusal(&self, token: &str) -> (u16, String) {
        let answer = self.call(token).await;
        assert_ne!(answer.status, 200, "{}", answer.text());
        (answer.status.as_u16(), answer.code())
    }

    pub(crate) async fn passes(&self, token: &str) {
        let answer = self.call(token).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.text(), "GET /backend/items?x=1 0");
    }

    /// The bounded reason that `explain` gives, which is the one in the log.
    pub(crate) async fn reason(&self, token: &str) -> String {
        let explanation = self.explain(token).await;
        explanation.reason.unwrap_or_else(|| "accepted".to_owned())
    }

    pub(crate) async fn explain(&self, token: &str) -> domain::explanation::Explanation {
        let request = gateway::ExplainRequest {
            token: token.to_owned().into(),
            target: gateway::ExplainTarget::Request {
                api: None,
                verb: Verb::Get,
                path: "/exampleapi/1.0.0/items".to_owned(),
            },
        };
        self.gateway.explain(&request).await
    }
}

pub(crate) fn token() -> String {
    FIRST.token("RS256", &claims())
}

pub(crate) fn signed(signer: &Signer, claims: &Value) -> String {
    signer.token("RS256", claims)
}

/// Waits for something that another thread brings about.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..5_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("never happened: {what}");
}
