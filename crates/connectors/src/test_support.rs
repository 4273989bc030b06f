//! What this crate's tests share: a clock that is set, randomness that repeats, a journal in memory, a local server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use axum::Router;
use domain::key_manager::{Capabilities, Endpoints, KeyManagerSettings, Permissions, TokenType};
use domain::{Clock, Random};
use jiff::Timestamp;
use serde_json::Value;

use crate::contract::{ConnectorEnvironment, ConnectorError, Journal};
use crate::http::{OutboundHttp, OutboundHttpConfig};

pub(crate) struct FixedClock(pub(crate) Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().expect("a timestamp")
}

/// Different bytes at each call, the same in each run.
#[derive(Default)]
pub(crate) struct CountingRandom(AtomicU64);

impl Random for CountingRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = number[index % number.len()];
        }
    }
}

/// Always zero: no jitter.
pub(crate) struct NoRandom;

impl Random for NoRandom {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

pub(crate) fn environment() -> ConnectorEnvironment {
    ConnectorEnvironment {
        http: OutboundHttp::new(OutboundHttpConfig::default()).expect("settings without surprises"),
        clock: Arc::new(FixedClock(now())),
        random: Arc::new(CountingRandom::default()),
    }
}

pub(crate) fn settings(connector_type: &str) -> KeyManagerSettings {
    KeyManagerSettings {
        name: "test".to_owned(),
        display_name: String::new(),
        connector_type: connector_type.to_owned(),
        description: String::new(),
        enabled: true,
        endpoints: Endpoints::default(),
        issuer: String::new(),
        alias: None,
        certificates: None,
        consumer_key_claim: String::new(),
        scopes_claim: String::new(),
        claim_mappings: Vec::new(),
        available_grant_types: Vec::new(),
        capabilities: Capabilities::default(),
        token_validation: Vec::new(),
        token_type: TokenType::Direct,
        permissions: Permissions::Public,
        allowed_organizations: Vec::new(),
        global: false,
        configuration: BTreeMap::new(),
        secrets: BTreeMap::new(),
    }
}

/// Serves `router` on a free port for as long as the test's runtime lives.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// When the process dies, seen from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    Never,
    /// The entry with this number, counted from 0, is not written.
    Before(usize),
    /// It is written, and nothing is done after it.
    After(usize),
}

/// A journal that survives its process.
#[derive(Debug)]
pub(crate) struct MemoryJournal {
    started: Vec<(&'static str, Value)>,
    finished: Vec<(&'static str, Value)>,
    pub(crate) steps: Vec<String>,
    pub(crate) crash: Crash,
}

impl MemoryJournal {
    pub(crate) fn new(crash: Crash) -> Self {
        Self {
            started: Vec::new(),
            finished: Vec::new(),
            steps: Vec::new(),
            crash,
        }
    }

    pub(crate) fn text(&self) -> String {
        format!("{:?} {:?}", self.started, self.finished)
    }

    fn dies_before_the_next_entry(&self) -> bool {
        self.crash == Crash::Before(self.steps.len())
    }

    fn dies_after_the_last_entry(&self) -> bool {
        self.crash == Crash::After(self.steps.len() - 1)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn started(&mut self, step: &'static str, intent: Value) -> Result<(), ConnectorError> {
        if self.dies_before_the_next_entry() {
            return Err(died());
        }
        self.started.push((step, intent));
        self.steps.push(format!("started {step}"));
        if self.dies_after_the_last_entry() {
            return Err(died());
        }
        Ok(())
    }

    async fn finished(&mut self, step: &'static str, facts: Value) -> Result<(), ConnectorError> {
        if self.dies_before_the_next_entry() {
            return Err(died());
        }
        self.finished.push((step, facts));
        self.steps.push(format!("finished {step}"));
        if self.dies_after_the_last_entry() {
            return Err(died());
        }
        Ok(())
    }

    fn intent(&self, step: &str) -> Option<Value> {
        newest(&self.started, step)
    }

    fn facts(&self, step: &str) -> Option<Value> {
        newest(&self.finished, step)
    }
}

fn newest(entries: &[(&'static str, Value)], step: &str) -> Option<Value> {
    let found = entries.iter().rev().find(|(name, _)| *name == step);
    found.map(|(_, value)| value.clone())
}

fn died() -> ConnectorError {
    ConnectorError::Journal("the process died".into())
}
