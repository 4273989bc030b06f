//! What stands around the data plane that is asked: upstreams, an authorization server's keys, and the snapshot
//! that the table's rows are written for.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::api::{ApiEndpoints, KeyManagerSelection, MaxTps, Operation, RequestRate, Verb};
use domain::blocking_condition::BlockedSubject;
use domain::certificate::Certificates;
use domain::cors::{AllowedOrigins, CorsPolicy};
use domain::key_manager::{TokenType, TokenValidation};
use domain::key_mapping::KeyType;
use domain::mediation::{HeaderEdit, Mediation};
use domain::revocation::RevokedSubject;
use domain::snapshot::{
    ApiEntry, ApplicationEntry, BlockingConditionEntry, KeyManagerEntry, KeyMappingEntry,
    RevocationEntry, SnapshotChange, SnapshotRevision, SnapshotUpdate, SubscriptionEntry,
    ThrottlingPolicyEntry, ValidationMethod,
};
use domain::subscription::SubscriptionStatus;
use domain::throttling_policy::{
    BurstLimit, PolicyLevel, Quota, QuotaAmount, TimeUnit, TimeWindow,
};
use domain::token_profile::{AudienceRule, SignatureAlgorithm, TokenProfile};
use http::Response;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use url::Url;

use crate::http::{full, serve};
use crate::signer::FIRST;

const CLIENT: &str = "11111111-2222-4333-8444-555555555555";
const ISSUER: &str = "https://login.microsoftonline.com/7d3c0f51-9f7d-4a2e-8f5c-6a0a5e9b1c11/v2.0";

/// Servers on loopback that live as long as the runtime.
pub struct Surroundings {
    upstream: Url,
    key_set: Url,
    broken: Url,
    silent: Url,
    /// Nobody accepts its connections.
    _silence: TcpListener,
}

/// An API of the table, and the difference that it is there for.
struct TableApi {
    number: u32,
    entry: ApiEntry,
    /// Of the application `weather`.
    subscription: Option<(SubscriptionStatus, &'static str)>,
}

impl Surroundings {
    pub async fn start() -> Self {
        let upstream = serve(|request| async move {
            let (head, body) = request.into_parts();
            // Answers when it has the whole request.
            let _ = body.collect().await;
            let tenant = head.headers.get("x-tenant").cloned();
            let served_by = tenant.unwrap_or(http::HeaderValue::from_static("yes"));
            Response::builder()
                .header("x-upstream", served_by)
                .body(full(format!("{} {}", head.method, head.uri)))
                .expect("a response of constants and a request's line")
        })
        .await;
        let mut consumers = FIRST.jwk();
        consumers["kid"] = json!("consumers");
        consumers["issuer"] = json!("https://login.microsoftonline.com/consumers/v2.0");
        let document = json!({"keys": [FIRST.jwk(), consumers]}).to_string();
        let key_set = serve(move |_| {
            let document = document.clone();
            async move { Response::new(full(document)) }
        })
        .await;
        let silence = listener().await;
        let silent = url(silence.local_addr().expect("it is bound"), "");
        Self {
            upstream: url(upstream, "/backend"),
            key_set: url(key_set, "/keys"),
            broken: url(hangs_up().await, ""),
            silent,
            _silence: silence,
        }
    }

    /// Of the endpoint that answers.
    pub fn upstream_address(&self) -> std::net::SocketAddr {
        let (host, port) = (self.upstream.host_str(), self.upstream.port());
        format!("{}:{}", host.unwrap_or_default(), port.unwrap_or_default())
            .parse()
            .expect("it was made from an address")
    }

    /// A whole snapshot.
    pub fn snapshot(&self) -> SnapshotUpdate {
        let mut changes = self.key_managers();
        changes.extend(throttling_policies());
        changes.extend(applications());
        changes.extend(blocking_conditions());
        changes.extend(revocations());
        for api in self.apis() {
            if let Some((status, plan)) = api.subscription {
                for (application, offset) in [(1, 0), (2, 50), (3, 100), (4, 150), (5, 200)] {
                    changes.push(SnapshotChange::PutSubscription(SubscriptionEntry {
                        id: id(500 + api.number + offset),
                        application_id: id(application),
                        api_id: id(100 + api.number),
                        throttling_policy: plan.to_owned(),
                        status,
                    }));
                }
            }
            changes.push(SnapshotChange::PutApi(Arc::new(api.entry)));
        }
        SnapshotUpdate {
            base: None,
            revision: SnapshotRevision(1),
            changes,
        }
    }

    fn apis(&self) -> Vec<TableApi> {
        use SubscriptionStatus::{Blocked, OnHold, Unblocked};
        let ordinary = Some((Unblocked, "Unlimited"));
        let mut number = 0;
        let mut apis = Vec::new();
        let mut api = |name: &str, subscription, edit: &dyn Fn(&mut ApiEntry)| {
            number += 1;
            let mut entry = self.api(number, name);
            edit(&mut entry);
            apis.push(TableApi {
                number,
                entry,
                subscription,
            });
        };
        api("orders", ordinary, &|_| {});
        api("blocked", ordinary, &|api| api.blocked = true);
        api("choosy", ordinary, &|api| {
            api.key_managers = KeyManagerSelection::Only(vec!["Ruled".to_owned()]);
        });
        api("demanding", ordinary, &|api| {
            api.audiences = vec!["orders".to_owned()];
        });
        api("unsubscribed", None, &|_| {});
        api("held", Some((Blocked, "Unlimited")), &|_| {});
        api("waiting", Some((OnHold, "Unlimited")), &|_| {});
        api("metered", ordinary, &|api| {
            api.api_throttling_policy = Some("Scant".to_owned());
        });
        api("metered-resource", ordinary, &|api| {
            api.operations[0].throttling_policy = Some("Scant".to_owned());
        });
        api("planned", Some((Unblocked, "Scant")), &|_| {});
        api("paged", ordinary, &|api| {
            api.cors = Some(CorsPolicy {
                origins: AllowedOrigins::Only(vec!["https://page.example".to_owned()]),
                credentials: true,
                headers: vec!["authorization".to_owned()],
                exposed_headers: vec!["x-upstream".to_owned()],
                ..CorsPolicy::default()
            });
        });
        api("edited", ordinary, &|api| {
            let set = |name: &str, value: &str| HeaderEdit::Set {
                name: name.to_owned(),
                value: value.to_owned(),
            };
            api.mediation = Mediation {
                request: vec![set("x-tenant", "blue")],
                response: vec![set("cache-control", "no-store")],
                fault: Vec::new(),
            };
        });
        api("condemned", ordinary, &|_| {});
        api("partly", ordinary, &|_| {});
        for (name, endpoint) in [
            // Nothing listens on the lowest port of loopback.
            ("unreachable", &url(([127, 0, 0, 1], 1).into(), "")),
            ("broken", &self.broken),
            ("silent", &self.silent),
        ] {
            api(name, ordinary, &|api| {
                api.endpoints.production = vec![endpoint.clone()];
            });
        }
        api("bursty", Some((Unblocked, "Bursty")), &|_| {});
        api("frail", ordinary, &|api| {
            api.max_tps.production = Some(RequestRate {
                requests: 3,
                unit: TimeUnit::Hour,
            });
        });
        api("unplanned", Some((Unblocked, "NoSuchPlan")), &|_| {});
        apis
    }

    fn api(&self, number: u32, name: &str) -> ApiEntry {
        ApiEntry {
            id: id(100 + number),
            name: name.to_owned(),
            context: format!("/{name}"),
            version: "1.0.0".to_owned(),
            provider: "publisher".to_owned(),
            is_default_version: false,
            operations: vec![
                operation(Verb::Get, "/items", &[]),
                operation(Verb::Post, "/items", &[]),
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
                production: vec![self.upstream.clone()],
                sandbox: Vec::new(),
            },
            subscription_required: true,
            api_throttling_policy: None,
            max_tps: MaxTps::default(),
            blocked: false,
            cors: None,
            mediation: Mediation::default(),
        }
    }

    fn key_managers(&self) -> Vec<SnapshotChange> {
        let mut entra = self.key_manager(1, "AzureAD", ISSUER);
        entra.profile.consumer_key_claims = vec!["azp".to_owned(), "appid".to_owned()];

        let mut ruled = self.key_manager(2, "Ruled", "https://ruled.example");
        let other_tenants = BTreeMap::from([("tid".to_owned(), "other-.*".to_owned())]);
        ruled.token_validation = vec![TokenValidation::Jwt {
            claims: other_tenants,
        }];

        let mut introspected = self.key_manager(3, "Introspected", "https://introspected.example");
        introspected.validation = ValidationMethod::Introspect {
            endpoint: url(([127, 0, 0, 1], 1).into(), "/introspect"),
        };
        // Its tokens are JWTs: it takes no others.
        introspected.token_validation = vec![TokenValidation::Jwt {
            claims: BTreeMap::new(),
        }];

        let mut asked = self.key_manager(6, "Asked", "https://asked.example");
        asked.token_validation = vec![TokenValidation::Reference {
            pattern: "(inactive|unanswered)-token".to_owned(),
        }];

        let mut keyless = self.key_manager(4, "Keyless", "https://keyless.example");
        keyless.profile.certificates = None;

        let mut exchanged = self.key_manager(5, "Exchanged", "https://exchanged.example");
        exchanged.token_type = TokenType::Exchanged;

        [entra, ruled, introspected, keyless, exchanged, asked]
            .map(|one| SnapshotChange::PutKeyManager(Arc::new(one)))
            .to_vec()
    }

    fn key_manager(&self, number: u32, name: &str, issuer: &str) -> KeyManagerEntry {
        KeyManagerEntry {
            id: id(200 + number),
            name: name.to_owned(),
            profile: TokenProfile {
                issuers: vec![issuer.to_owned()],
                certificates: Some(Certificates::Jwks(self.key_set.clone())),
                algorithms: SignatureAlgorithm::ALL.to_vec(),
                consumer_key_claims: vec!["azp".to_owned()],
                scopes_claims: vec!["roles".to_owned(), "scp".to_owned()],
                audience: AudienceRule::Any,
            },
            token_type: TokenType::Direct,
            token_validation: Vec::new(),
            claim_mappings: Vec::new(),
            validation: ValidationMethod::SelfValidate,
        }
    }
}

/// `weather` has a production key and a sandbox key, `slow` may call ten times a minute, `condemned` is blocked, and
/// of `leaked` the tokens are revoked.
fn applications() -> Vec<SnapshotChange> {
    let mut changes = Vec::new();
    for (number, name, policy) in [
        (1, "weather", "Unlimited"),
        (2, "slow", "10PerMin"),
        (3, "condemned", "Unlimited"),
        (4, "leaked", "Unlimited"),
        (5, "hasty", "Bursty"),
    ] {
        changes.push(SnapshotChange::PutApplication(Arc::new(ApplicationEntry {
            id: id(number),
            name: name.to_owned(),
            owner: "ann".to_owned(),
            throttling_policy: policy.to_owned(),
            attributes: BTreeMap::new(),
        })));
    }
    for (number, application, consumer_key, key_type) in [
        (301, 1, CLIENT, KeyType::Production),
        (302, 1, "sandbox-client", KeyType::Sandbox),
        (303, 2, "slow-client", KeyType::Production),
        (304, 3, "condemned-client", KeyType::Production),
        (305, 4, "leaked-client", KeyType::Production),
        (306, 5, "hasty-client", KeyType::Production),
    ] {
        changes.push(SnapshotChange::PutKeyMapping(KeyMappingEntry {
            id: id(number),
            key_manager_id: id(201),
            consumer_key: consumer_key.to_owned(),
            application_id: id(application),
            key_type,
        }));
    }
    changes
}

/// So small that a few requests are too many: `Scant` in quota, `Bursty` at once.
fn throttling_policies() -> Vec<SnapshotChange> {
    let quota = Some(Quota {
        amount: QuotaAmount::Requests(3),
        window: TimeWindow {
            count: 1,
            unit: TimeUnit::Hour,
        },
    });
    let burst = Some(BurstLimit {
        requests: 3,
        unit: TimeUnit::Hour,
    });
    [
        (601, PolicyLevel::Subscription, "Bursty", None, burst),
        (602, PolicyLevel::Application, "Bursty", None, burst),
        (603, PolicyLevel::Subscription, "Scant", quota, None),
        (604, PolicyLevel::Api, "Scant", quota, None),
    ]
    .map(|(number, level, name, quota, burst)| {
        SnapshotChange::PutThrottlingPolicy(Arc::new(ThrottlingPolicyEntry {
            id: id(number),
            level,
            name: name.to_owned(),
            quota,
            burst,
        }))
    })
    .to_vec()
}

/// 203.0.113.66 is a documentation address: whoever may say so calls from there.
fn blocking_conditions() -> Vec<SnapshotChange> {
    let subjects = [
        BlockedSubject::Api("/condemned/1.0.0".to_owned()),
        BlockedSubject::ip([203, 0, 113, 66].into(), false),
        BlockedSubject::Application {
            owner: "ann".to_owned(),
            name: "condemned".to_owned(),
        },
        BlockedSubject::User("mallory@example.com".to_owned()),
        BlockedSubject::Subscription {
            context: "/partly".to_owned(),
            version: "1.0.0".to_owned(),
            application: "ann-weather".to_owned(),
        },
    ];
    (700..)
        .zip(subjects)
        .map(|(number, subject)| {
            let id = id(number);
            SnapshotChange::PutBlockingCondition(BlockingConditionEntry { id, subject })
        })
        .collect()
}

/// Of the client those that were issued before September 2001: whatever the data plane's time, that lies behind it.
fn revocations() -> Vec<SnapshotChange> {
    let key_manager_id = id(201);
    let subjects = [
        RevokedSubject::TokenId {
            key_manager_id,
            token_id: "revoked".to_owned(),
        },
        RevokedSubject::ConsumerKey {
            key_manager_id,
            consumer_key: "leaked-client".to_owned(),
            issued_before: jiff::Timestamp::from_second(1_000_000_000)
                .expect("the year 2001 is within the calendar"),
        },
    ];
    (800..)
        .zip(subjects)
        .map(|(number, subject)| {
            SnapshotChange::PutRevocation(RevocationEntry {
                id: id(number),
                subject,
                expires_at: None,
            })
        })
        .collect()
}

fn operation(verb: Verb, target: &str, scopes: &[&str]) -> Operation {
    Operation {
        verb,
        target: target.to_owned(),
        auth_required: true,
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        throttling_policy: None,
        mediation: Mediation::default(),
    }
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u32) -> T {
    format!("00000000-0000-7000-8000-{number:012}")
        .parse()
        .expect("twelve digits make an identifier")
}

fn url(address: std::net::SocketAddr, path: &str) -> Url {
    format!("http://{address}{path}")
        .parse()
        .expect("an address and a path make a URL")
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port")
}

/// A server that reads a request and closes.
async fn hangs_up() -> std::net::SocketAddr {
    let listener = listener().await;
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 4_096];
                let _ = stream.read(&mut bytes).await;
            });
        }
    });
    address
}
