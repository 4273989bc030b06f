//! A deployed API, ready to be asked: its resources compiled, its endpoints resolved, its limits at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::api::KeyManagerSelection;
use domain::key_mapping::KeyType;
use domain::snapshot::ApiEntry;
use http::HeaderName;
use http::header::AUTHORIZATION;

use crate::access_log;
use crate::cors::Cors;
use crate::key_manager::KeyManager;
use crate::mediation::ApiEdits;
use crate::origin::Origins;
use crate::rate_limit::{Limit, Used};
use crate::resource::ResourceTree;
use crate::throttling_policy::{Allowance, PolicyReference};
use crate::upstream::Upstream;

/// A deployed API with its resources compiled.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) entry: Arc<ApiEntry>,
    pub(crate) resources: ResourceTree,
    /// `None` where no policy is given to the API as a whole.
    pub(crate) allowance: Option<Allowance>,
    hard_limits: HardLimits,
    production: Vec<Arc<Upstream>>,
    sandbox: Vec<Arc<Upstream>>,
    /// Counts requests: they go to the endpoints in turn.
    turn: AtomicUsize,
    base_path: Arc<str>,
    /// Where the credential is looked for.
    pub(crate) credential_header: HeaderName,
    pub(crate) cors: Option<Cors>,
    pub(crate) edits: ApiEdits,
    /// What the access log says about it.
    pub(crate) log_fields: Box<[u8]>,
}

/// What the endpoints can bear, and what they were given.
#[derive(Debug)]
struct HardLimits {
    production: Option<Limit>,
    sandbox: Option<Limit>,
    used: Arc<UsedOfEndpoints>,
}

#[derive(Debug, Default)]
struct UsedOfEndpoints {
    production: Used,
    sandbox: Used,
}

impl Api {
    /// `known` is the API as it was before: what was used of its limits stays used. `policy` knows a policy by its name.
    pub(crate) fn compile(
        entry: Arc<ApiEntry>,
        known: Option<&Self>,
        origins: &Origins,
        policy: &mut impl FnMut(&str) -> PolicyReference,
    ) -> Self {
        let mut allowance = |name: Option<&String>, usage: Option<&Allowance>| {
            Some(Allowance {
                policy: policy(name?),
                usage: usage.map_or_else(Arc::default, |known| Arc::clone(&known.usage)),
            })
        };
        let api_allowance = allowance(
            entry.api_throttling_policy.as_ref(),
            known.and_then(|api| api.allowance.as_ref()),
        );
        let resources = ResourceTree::compile(&entry.operations, |operation| {
            let known = known.into_iter().flat_map(|api| api.resources.resources());
            let known = known.into_iter().find(|resource| {
                resource.verb == operation.verb && resource.target == operation.target
            });
            allowance(
                operation.throttling_policy.as_ref(),
                known.and_then(|resource| resource.allowance.as_ref()),
            )
        });
        Self {
            resources,
            allowance: api_allowance,
            hard_limits: HardLimits {
                production: entry.max_tps.production.map(Limit::from),
                sandbox: entry.max_tps.sandbox.map(Limit::from),
                used: known.map_or_else(Arc::default, |api| Arc::clone(&api.hard_limits.used)),
            },
            production: upstreams(&entry.endpoints.production, origins),
            sandbox: upstreams(&entry.endpoints.sandbox, origins),
            turn: AtomicUsize::new(0),
            base_path: format!("{}/{}", entry.context, entry.version).into(),
            // What is no name for a header is refused when it is saved.
            credential_header: HeaderName::from_bytes(entry.authorization_header.as_bytes())
                .unwrap_or(AUTHORIZATION),
            cors: entry.cors.as_ref().map(Cors::compile),
            edits: ApiEdits::compile(&entry),
            log_fields: access_log::fields(|line| {
                line.text("api.name", &entry.name);
                line.text("api.version", &entry.version);
            }),
            entry,
        }
    }

    /// Context and version: the path that it is served under.
    pub(crate) fn base_path(&self) -> &str {
        &self.base_path
    }

    pub(crate) fn shared_base_path(&self) -> Arc<str> {
        Arc::clone(&self.base_path)
    }

    /// Where requests with keys of this type go; empty when they go nowhere.
    pub(crate) fn upstreams(&self, key_type: KeyType) -> &[Arc<Upstream>] {
        match key_type {
            KeyType::Production => &self.production,
            KeyType::Sandbox => &self.sandbox,
        }
    }

    /// What the endpoints for keys of this type can bear, if they were said to bear so much only.
    pub(crate) fn hard_limit(&self, key_type: KeyType) -> Option<(&Limit, &Used)> {
        let HardLimits {
            production,
            sandbox,
            used,
        } = &self.hard_limits;
        match key_type {
            KeyType::Production => Some((production.as_ref()?, &used.production)),
            KeyType::Sandbox => Some((sandbox.as_ref()?, &used.sandbox)),
        }
    }

    /// Which of `count` endpoints is next; 0 where there is no choice.
    pub(crate) fn next_turn(&self, count: usize) -> usize {
        if count < 2 {
            return 0;
        }
        self.turn.fetch_add(1, Ordering::Relaxed) % count
    }

    pub(crate) fn accepts(&self, key_manager: &KeyManager) -> bool {
        match &self.entry.key_managers {
            KeyManagerSelection::All => true,
            only @ KeyManagerSelection::Only(_) => only.includes(key_manager.name()),
        }
    }
}

fn upstreams(urls: &[url::Url], origins: &Origins) -> Vec<Arc<Upstream>> {
    urls.iter()
        .filter_map(|url| Upstream::from_url(url, origins))
        .collect()
}
