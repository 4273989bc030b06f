use axum::body::{Body, to_bytes};
use axum::http::Request;
use gateway::{GatewayConfig, GatewayDependencies, KeySetSource, KeySetSourceError};
use store::{SealingKey, StoreConfig, StoreError, Tx};
use tower::ServiceExt;
use url::Url;

use super::*;
use crate::node::token_introspector::ControlIntrospector;
use crate::system::{SystemClock, SystemRandom};

/// A gateway without key managers never asks it.
struct NoKeySets;

#[async_trait::async_trait]
impl KeySetSource for NoKeySets {
    async fn fetch(&self, _url: &Url) -> Result<Vec<u8>, KeySetSourceError> {
        Err(KeySetSourceError("nobody asks".to_owned()))
    }
}

/// A database that has gone away while the node runs.
struct Gone;

fn gone() -> StoreError {
    StoreError::Unavailable("connection refused by db-7.internal".into())
}

#[async_trait::async_trait]
impl Store for Gone {
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError> {
        Err(gone())
    }

    async fn read(&self) -> Result<Box<dyn Tx>, StoreError> {
        Err(gone())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Err(gone())
    }
}

async fn sqlite(folder: &tempfile::TempDir) -> Arc<dyn Store> {
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let key = SealingKey::from_bytes([7; 32]);
    store::open(&StoreConfig::new(url), key, Arc::new(SystemRandom::new()))
        .await
        .expect("a database")
}

fn gateway() -> Arc<Gateway> {
    let config = GatewayConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        workers: Some(1),
        ..GatewayConfig::default()
    };
    let dependencies = GatewayDependencies {
        clock: Arc::new(SystemClock),
        key_set_source: Arc::new(NoKeySets),
        token_introspector: Arc::new(ControlIntrospector::new()),
        access_log: Box::new(std::io::sink()),
        tracing: None,
    };
    Arc::new(Gateway::start(config, dependencies).expect("a gateway"))
}

async fn ask(monitored: &Monitored, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let response = router(monitored.clone())
        .oneshot(request)
        .await
        .expect("an answer");
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20)
        .await
        .expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn a_node_is_ready_once_its_gateway_has_a_snapshot() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gateway = gateway();
    let monitored = Monitored {
        store: Some(sqlite(&folder).await),
        gateway: Arc::downgrade(&gateway),
        has_snapshot: Arc::default(),
        is_ending: Arc::default(),
    };
    let (status, body) = ask(&monitored, "/health/ready").await;
    assert_eq!(status, 503);
    assert_eq!(body, r#"{"notReady":["gateway"],"status":"not ready"}"#);

    monitored.has_snapshot.store(true, Ordering::Release);
    assert_eq!(ask(&monitored, "/health/ready").await.0, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_lost_database_is_named_without_its_own_words_and_the_node_still_lives() {
    let gateway = gateway();
    let monitored = Monitored {
        store: Some(Arc::new(Gone)),
        gateway: Arc::downgrade(&gateway),
        has_snapshot: Arc::new(AtomicBool::new(true)),
        is_ending: Arc::default(),
    };
    let (status, body) = ask(&monitored, "/health/ready").await;
    assert_eq!(status, 503);
    assert_eq!(body, r#"{"notReady":["store"],"status":"not ready"}"#);
    assert_eq!(ask(&monitored, "/health/live").await.0, 200);
    assert_eq!(ask(&monitored, "/metrics").await.0, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn a_gateway_that_has_ended_has_no_figures() {
    let monitored = Monitored {
        store: Some(Arc::new(Gone)),
        gateway: Weak::new(),
        has_snapshot: Arc::new(AtomicBool::new(true)),
        is_ending: Arc::default(),
    };
    assert_eq!(ask(&monitored, "/metrics").await.0, 503);
    let (_, body) = ask(&monitored, "/health/ready").await;
    assert!(body.contains(r#"["store","gateway"]"#), "{body}");
}

#[tokio::test]
async fn a_gateway_of_its_own_is_ready_by_its_snapshot_alone() {
    let gateway = gateway();
    let monitored = Monitored {
        store: None,
        gateway: Arc::downgrade(&gateway),
        has_snapshot: Arc::default(),
        is_ending: Arc::default(),
    };
    assert_eq!(ask(&monitored, "/health/ready").await.0, 503);
    monitored.has_snapshot.store(true, Ordering::Release);
    assert_eq!(ask(&monitored, "/health/ready").await.0, 200);
    gateway.stop().await;
}
