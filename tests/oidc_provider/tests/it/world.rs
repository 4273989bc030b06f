//! A gateway whose one key manager is the provider, an API that the caller is subscribed to and one that it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use code_table::http::{Answer, full, send, serve};
use connectors::contract::Introspection as _;
use connectors::http::OutboundHttp;
use connectors::introspection::IntrospectionEndpoint;
use domain::id::KeyManagerId;
use domain::snapshot::{SnapshotUpdate, ValidationMethod};
use domain::{Clock, SecretString};
use gateway::{
    Gateway, GatewayConfig, GatewayDependencies, KeySetSource, KeySetSourceError, LARGEST_KEY_SET,
    TokenIntrospector, TokenIntrospectorError,
};
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::provider::{CALLER, GATEWAY, Provider};

/// Where the caller may go without and with a scope, and where it has no subscription.
pub(crate) const SUBSCRIBED: &str = "/orders/1.0.0/list";
pub(crate) const SCOPED: &str = "/orders/1.0.0/read";
pub(crate) const NOT_SUBSCRIBED: &str = "/invoices/1.0.0/list";

pub(crate) struct World {
    pub(crate) provider: Provider,
    gateway: Gateway,
    clock: Arc<HeldClock>,
    asked: Arc<AtomicUsize>,
}

/// The provider's time, and what the test adds.
struct HeldClock(AtomicI64);

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a sane time")
    }
}

struct KeySets(OutboundHttp);

#[async_trait]
impl KeySetSource for KeySets {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeySetSourceError> {
        let set = self.0.get_trusted_bytes(url, LARGEST_KEY_SET).await;
        set.map_err(|error| KeySetSourceError(error.to_string()))
    }
}

/// The product's way to an introspection endpoint.
struct Introspector {
    endpoint: IntrospectionEndpoint,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl TokenIntrospector for Introspector {
    async fn introspect(
        &self,
        _: KeyManagerId,
        token: &SecretString,
    ) -> Result<Vec<u8>, TokenIntrospectorError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.endpoint.introspect(token).await;
        answer.map_err(|error| TokenIntrospectorError::Failed(error.to_string()))
    }
}

impl World {
    /// Every token is asked about.
    pub(crate) async fn introspecting() -> Self {
        Self::introspecting_as(GATEWAY).await
    }

    /// By this client.
    pub(crate) async fn introspecting_as(client: (&str, &str)) -> Self {
        let provider = Provider::start().await;
        let endpoint = provider.discovered.endpoints.introspection.clone();
        let endpoint = endpoint.expect("an introspection endpoint");
        let validation = ValidationMethod::Introspect { endpoint };
        Self::start(provider, client, &validation, &json!("any")).await
    }

    /// Signatures are verified; tokens must be for this resource.
    pub(crate) async fn verifying(resource: &str) -> Self {
        let provider = Provider::start().await;
        let audience = json!({"one_of": [resource]});
        Self::start(
            provider,
            GATEWAY,
            &ValidationMethod::SelfValidate,
            &audience,
        )
        .await
    }

    async fn start(
        provider: Provider,
        (id, secret): (&str, &str),
        validation: &ValidationMethod,
        audience: &Value,
    ) -> Self {
        let upstream = serve(|_| async { Response::new(full("here you are")) }).await;
        let endpoint = provider.discovered.endpoints.introspection.clone();
        let asked = Arc::new(AtomicUsize::new(0));
        let introspector = Introspector {
            endpoint: IntrospectionEndpoint::new(
                provider.http.clone(),
                endpoint.expect("an introspection endpoint"),
                id.to_owned(),
                SecretString::from(secret),
            ),
            asked: Arc::clone(&asked),
        };
        let clock = Arc::new(HeldClock(AtomicI64::new(provider.now)));
        let mut config = GatewayConfig {
            workers: Some(1),
            ..GatewayConfig::default()
        };
        config.listen.set_port(0);
        let dependencies = GatewayDependencies {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            key_set_source: Arc::new(KeySets(provider.http.clone())),
            token_introspector: Arc::new(introspector),
            access_log: Box::new(std::io::sink()),
            tracing: None,
        };
        let gateway = Gateway::start(config, dependencies).expect("a gateway");
        let endpoint = format!("http://{upstream}");
        gateway
            .apply(snapshot(&provider, validation, audience, &endpoint))
            .expect("the first snapshot");
        Self {
            provider,
            gateway,
            clock,
            asked,
        }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// How many questions the gateway has asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) async fn call(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path)
            .header("authorization", format!("Bearer {token}"))
            .body(full(""))
            .expect("a request");
        send(self.gateway.local_addr(), request)
            .await
            .expect("an answer")
    }

    pub(crate) async fn passes(&self, path: &str, token: &str) {
        let answer = self.call(path, token).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (200, "here you are")
        );
    }

    pub(crate) async fn refuses(&self, path: &str, token: &str, status: u16, code: &str) {
        let answer = self.call(path, token).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code)
        );
    }
}

fn id(number: u32) -> String {
    format!("00000000-0000-7000-8000-{number:012}")
}

fn snapshot(
    provider: &Provider,
    validation: &ValidationMethod,
    audience: &Value,
    upstream: &str,
) -> SnapshotUpdate {
    let discovered = &provider.discovered;
    let key_manager = json!({"kind": "put_key_manager", "entry": {
        "id": id(1),
        "name": "oidc-provider",
        "profile": {
            "issuers": [discovered.issuer],
            "certificates": discovered.certificates,
            "algorithms": ["RS256", "ES256"],
            "consumer_key_claims": ["client_id"],
            "scopes_claims": ["scope"],
            "audience": audience,
        },
        "token_type": "DIRECT",
        "token_validation": [],
        "claim_mappings": [],
        "validation": validation,
    }});
    let application = json!({"kind": "put_application", "entry": {
        "id": id(4), "name": "caller", "owner": "developer", "throttling_policy": "Unlimited", "attributes": {},
    }});
    let keys = json!({"kind": "put_key_mapping", "entry": {
        "id": id(5), "key_manager_id": id(1), "consumer_key": CALLER.0, "application_id": id(4),
        "key_type": "PRODUCTION",
    }});
    let subscription = json!({"kind": "put_subscription", "entry": {
        "id": id(6), "application_id": id(4), "api_id": id(2), "throttling_policy": "Unlimited",
        "status": "UNBLOCKED",
    }});
    let update = json!({"base": null, "revision": 1, "changes": [
        key_manager, api(2, "orders", upstream), api(3, "invoices", upstream), application, keys, subscription,
    ]});
    serde_json::from_value(update).expect("a snapshot")
}

fn api(number: u32, name: &str, upstream: &str) -> Value {
    let operation = |target: &str, scopes: Value| {
        json!({
            "verb": "GET", "target": target, "auth_required": true, "scopes": scopes, "throttling_policy": null,
        })
    };
    json!({"kind": "put_api", "entry": {
        "id": id(number), "name": name, "context": format!("/{name}"), "version": "1.0.0", "provider": "publisher",
        "is_default_version": false,
        "operations": [operation("/list", json!([])), operation("/read", json!(["orders.read"]))],
        "key_managers": "all", "audiences": [], "authorization_header": "authorization",
        "endpoints": {"production": [upstream], "sandbox": []},
        "subscription_required": true, "api_throttling_policy": null, "blocked": false,
    }})
}
