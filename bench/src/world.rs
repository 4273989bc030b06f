//! What is measured in: APIs, clients, subscriptions and the key manager, the same for every contestant.
//!
//! Entries are written as the JSON of [`domain::snapshot`], as they stand on disk.

use domain::snapshot::{SnapshotChange, SnapshotRevision, SnapshotUpdate};
use serde_json::{Value, json};

pub(crate) const TENANT: &str = "7d3c0f51-9f7d-4a2e-8f5c-6a0a5e9b1c11";
pub(crate) const AUDIENCE: &str = "api://5b0a9c1e-6f0e-4a56-9d0f-0d9c7a4c2f10";
/// What every policy allows: far more than any contestant can do, so that it is counted and never refused.
pub(crate) const REQUESTS_PER_MINUTE: u64 = 600_000_000;

/// The policy's name at both levels.
const POLICY: &str = "Ample";

#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) apis: usize,
    pub(crate) clients: usize,
    pub(crate) subscriptions_per_client: usize,
}

impl World {
    /// 200 APIs, 1,000 clients, 20,000 subscriptions: what the contestants are compared in.
    pub(crate) const STANDARD: Self = Self {
        apis: 200,
        clients: 1_000,
        subscriptions_per_client: 20,
    };

    /// At most 20 subscriptions a client.
    pub(crate) fn of(apis: usize, subscriptions: usize) -> Self {
        let subscriptions_per_client = apis.min(20).min(subscriptions);
        Self {
            apis,
            clients: subscriptions / subscriptions_per_client,
            subscriptions_per_client,
        }
    }

    pub(crate) fn subscriptions(self) -> usize {
        self.clients * self.subscriptions_per_client
    }

    /// The APIs that a client is subscribed to.
    pub(crate) fn apis_of(self, client: usize) -> impl Iterator<Item = usize> {
        (0..self.subscriptions_per_client)
            .map(move |index| (client * self.subscriptions_per_client + index) % self.apis)
    }

    /// The path that the bearer of a token asks for.
    pub(crate) fn path_of(self, client: usize) -> String {
        let api = self.apis_of(client).next().unwrap_or_default();
        format!("/api{api}/1.0.0/items")
    }

    /// All but the subscriptions.
    pub(crate) fn without_subscriptions(
        self,
        upstream: &str,
        key_set: &str,
    ) -> Result<SnapshotUpdate, String> {
        let mut changes = vec![
            key_manager(key_set),
            policy(0, "application"),
            policy(1, "subscription"),
        ];
        changes.extend((0..self.apis).map(|number| api(number, upstream)));
        changes.extend((0..self.clients).flat_map(|client| [application(client), mapping(client)]));
        Ok(SnapshotUpdate {
            base: None,
            revision: SnapshotRevision(0),
            changes: changes
                .into_iter()
                .map(change)
                .collect::<Result<_, String>>()?,
        })
    }

    pub(crate) fn subscriptions_of(self, client: usize) -> Result<Vec<SnapshotChange>, String> {
        self.apis_of(client)
            .enumerate()
            .map(|(index, api)| {
                let number = client * self.subscriptions_per_client + index;
                change(subscription(number, client, api))
            })
            .collect()
    }

    pub(crate) fn whole(self, upstream: &str, key_set: &str) -> Result<SnapshotUpdate, String> {
        let mut update = self.without_subscriptions(upstream, key_set)?;
        for client in 0..self.clients {
            update.changes.extend(self.subscriptions_of(client)?);
        }
        Ok(update)
    }
}

pub(crate) fn issuer() -> String {
    format!("https://login.microsoftonline.com/{TENANT}/v2.0")
}

pub(crate) fn consumer_key(client: usize) -> String {
    format!("c1a71c3e-0000-4000-8000-{client:012}")
}

fn id(kind: u32, number: usize) -> String {
    format!("{kind:08}-0000-7000-8000-{number:012}")
}

fn change(value: Value) -> Result<SnapshotChange, String> {
    serde_json::from_value(value).map_err(|error| format!("the world is no snapshot: {error}"))
}

fn key_manager(key_set: &str) -> Value {
    json!({"kind": "put_key_manager", "entry": {
        "id": id(1, 0),
        "name": "Entra",
        "profile": {
            "issuers": [issuer()],
            "certificates": {"type": "JWKS", "value": key_set},
            "algorithms": ["RS256"],
            "consumer_key_claims": ["azp", "appid"],
            "scopes_claims": ["roles", "scp"],
            "audience": {"one_of": [AUDIENCE]},
        },
        "token_type": "DIRECT",
        "token_validation": [],
        "claim_mappings": [],
        "validation": "self_validate",
    }})
}

fn policy(number: usize, level: &str) -> Value {
    json!({"kind": "put_throttling_policy", "entry": {
        "id": id(6, number),
        "level": level,
        "name": POLICY,
        "quota": {"amount": {"requests": REQUESTS_PER_MINUTE}, "window": {"count": 1, "unit": "minute"}},
        "burst": null,
    }})
}

fn api(number: usize, upstream: &str) -> Value {
    let operation = |verb: &str, target: &str| json!({"verb": verb, "target": target, "auth_required": true, "scopes": [], "throttling_policy": null});
    json!({"kind": "put_api", "entry": {
        "id": id(2, number),
        "name": format!("api{number}"),
        "context": format!("/api{number}"),
        "version": "1.0.0",
        "provider": "publisher",
        "is_default_version": false,
        "operations": [
            operation("GET", "/items"), operation("POST", "/items"), operation("GET", "/large"),
            operation("GET", "/items/{id}"), operation("PUT", "/items/{id}"), operation("DELETE", "/items/{id}"),
        ],
        "key_managers": "all",
        "audiences": [],
        "authorization_header": "authorization",
        "endpoints": {"production": [upstream], "sandbox": []},
        "subscription_required": true,
        "api_throttling_policy": null,
        "blocked": false,
    }})
}

fn application(client: usize) -> Value {
    json!({"kind": "put_application", "entry": {
        "id": id(3, client),
        "name": format!("application{client}"),
        "owner": "developer",
        "throttling_policy": POLICY,
        "attributes": {},
    }})
}

fn mapping(client: usize) -> Value {
    json!({"kind": "put_key_mapping", "entry": {
        "id": id(4, client),
        "key_manager_id": id(1, 0),
        "consumer_key": consumer_key(client),
        "application_id": id(3, client),
        "key_type": "PRODUCTION",
    }})
}

fn subscription(number: usize, client: usize, api: usize) -> Value {
    json!({"kind": "put_subscription", "entry": {
        "id": id(5, number),
        "application_id": id(3, client),
        "api_id": id(2, api),
        "throttling_policy": POLICY,
        "status": "UNBLOCKED",
    }})
}
