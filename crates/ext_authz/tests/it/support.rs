//! A gateway with the code table's snapshot, its gRPC server, and a client that speaks to it frame by frame.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use code_table::http::{full, send};
use code_table::surroundings::Surroundings;
use domain::id::KeyManagerId;
use domain::{Clock, SecretString};
use ext_authz::{Health, Serving};
use gateway::{
    Gateway, GatewayConfig, GatewayDependencies, KeySetSource, KeySetSourceError,
    TokenIntrospector, TokenIntrospectorError,
};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use url::Url;

pub(crate) const NOW: i64 = 1_790_000_000;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).expect("a sane time")
    }
}

struct OverHttp;

#[async_trait::async_trait]
impl KeySetSource for OverHttp {
    async fn fetch(&self, url: &Url) -> Result<Vec<u8>, KeySetSourceError> {
        let failed = |reason: String| KeySetSourceError(reason);
        let host = url.host_str().unwrap_or_default();
        let address: SocketAddr = format!("{host}:{}", url.port().unwrap_or(80))
            .parse()
            .map_err(|_| failed("not a loopback address".to_owned()))?;
        let request = Request::get(url.path())
            .header("host", host)
            .body(full(""))
            .expect("a request");
        let answer = send(address, request)
            .await
            .map_err(|error| failed(error.to_string()))?;
        if answer.status != StatusCode::OK {
            return Err(failed(format!("status {}", answer.status)));
        }
        Ok(answer.body.to_vec())
    }
}

/// No key manager can be asked about tokens.
struct NoIntrospection;

#[async_trait::async_trait]
impl TokenIntrospector for NoIntrospection {
    async fn introspect(
        &self,
        _key_manager: KeyManagerId,
        _token: &SecretString,
    ) -> Result<Vec<u8>, TokenIntrospectorError> {
        Err(TokenIntrospectorError::Unsupported)
    }
}

pub(crate) struct Service {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) health: Health,
    pub(crate) address: SocketAddr,
    pub(crate) surroundings: Surroundings,
    server: AbortHandle,
}

impl Service {
    /// With the table's snapshot, and serving.
    pub(crate) async fn start() -> Self {
        Self::start_with(GatewayConfig::default()).await
    }

    /// Without a snapshot.
    pub(crate) async fn start_empty() -> Self {
        Self::start_empty_with(GatewayConfig::default()).await
    }

    /// With the table's snapshot, and serving.
    pub(crate) async fn start_with(config: GatewayConfig) -> Self {
        let service = Self::start_empty_with(config).await;
        let snapshot = service.surroundings.snapshot();
        service.gateway.apply(snapshot).expect("a whole snapshot");
        service.health.set(Serving::Yes);
        service
    }

    async fn start_empty_with(config: GatewayConfig) -> Self {
        let surroundings = Surroundings::start().await;
        let config = GatewayConfig {
            listen: "127.0.0.1:0".parse().expect("an address"),
            workers: Some(1),
            ..config
        };
        let dependencies = GatewayDependencies {
            clock: Arc::new(FixedClock),
            key_set_source: Arc::new(OverHttp),
            token_introspector: Arc::new(NoIntrospection),
            access_log: Box::new(std::io::sink()),
            tracing: None,
        };
        let gateway = Arc::new(Gateway::start(config, dependencies).expect("the gateway starts"));
        let health = Health::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = ext_authz::router(&gateway, &health);
        let server = tokio::spawn(async move {
            // Ends with the server: so do its connections.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(router.clone());
                connections.spawn(async move {
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            gateway,
            health,
            address,
            surroundings,
            server: server.abort_handle(),
        }
    }

    /// As if the process had died.
    pub(crate) fn dies(&self) {
        self.server.abort();
    }

    pub(crate) async fn ask<M: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Reply<M> {
        self.call(method, message.encode_to_vec(), &[]).await
    }

    /// Sends a message as it is given; `metadata` beside the usual.
    pub(crate) async fn call<M: Message + Default>(
        &self,
        method: &str,
        message: Vec<u8>,
        metadata: &[(&str, &str)],
    ) -> Reply<M> {
        let stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("HTTP/2");
        tokio::spawn(connection);
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).expect("a length"));
        frame.put_slice(&message);
        let mut request = Request::post(format!("http://{}{method}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in metadata {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(frame.freeze())).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole body");
        let trailers = body.trailers().cloned().unwrap_or_default();
        let status = head
            .headers
            .get("grpc-status")
            .or_else(|| trailers.get("grpc-status"))
            .and_then(|code| code.to_str().ok()?.parse().ok())
            .expect("a gRPC status");
        Reply {
            status,
            messages: messages(body.to_bytes()),
        }
    }
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Reply<M> {
    /// gRPC's code.
    pub(crate) status: i32,
    pub(crate) messages: Vec<M>,
}

fn messages<M: Message + Default>(mut bytes: Bytes) -> Vec<M> {
    let mut messages = Vec::new();
    while bytes.len() >= 5 {
        let head = bytes.split_to(5);
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let message = bytes.split_to(usize::try_from(length).expect("a length"));
        messages.push(M::decode(message).expect("a message"));
    }
    messages
}

/// Waits for something that another process brings about.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..3_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}
