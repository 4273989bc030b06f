//! The proxy: threads that each accept, serve and forward on their own.
//!
//! Owns listeners and threads. What happens to one connection is [`connection`]'s business, to one request
//! [`forward`]'s.

mod access_log;
mod admitted_headers;
mod body;
mod candidates;
pub(crate) mod client_address;
pub(crate) mod connection;
mod date;
mod deadline;
mod forward;
pub(crate) mod headers;
pub(crate) mod http1;
mod pool;
mod request_head;
mod request_trace;
mod stream;
mod tls;
mod tunnel;
mod turn;
pub(crate) mod verdict;
mod via;
mod write_timeout;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use arc_swap::ArcSwapOption;
use hyper::rt::Executor;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_local;

use crate::config::{ClientCertificates, TlsIdentity, UpstreamTls};
use crate::engine::Engine;

use tls::SharedUpstreamTls;
pub use tls::TlsError;

/// Connections that the system may keep before they are accepted, a worker.
const BACKLOG: i32 = 4_096;

pub(crate) struct Proxy {
    local_addr: SocketAddr,
    tls: Arc<ArcSwapOption<ServerConfig>>,
    upstream_tls: Arc<SharedUpstreamTls>,
    via: Arc<via::Via>,
    stopping: watch::Sender<bool>,
    /// Empty once they were told to stop.
    workers: Mutex<Vec<WorkerThread>>,
}

struct WorkerThread {
    ended: oneshot::Receiver<()>,
    thread: thread::JoinHandle<()>,
}

#[derive(Debug)]
pub(crate) enum ProxyError {
    Listen(SocketAddr, io::Error),
    Tls(TlsError),
    UpstreamTls(TlsError),
    Thread(io::Error),
}

/// What a worker's connections share.
pub(crate) struct Worker {
    pub(crate) engine: Arc<Engine>,
    pub(crate) pool: pool::Pool,
    pub(crate) tls: Arc<ArcSwapOption<ServerConfig>>,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) request_ids: access_log::RequestIds,
    pub(crate) trace_ids: request_trace::TraceIds,
    pub(crate) date: date::Date,
    pub(crate) via: Arc<via::Via>,
}

/// Spawns on the worker's own thread.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future + 'static> Executor<F> for Here {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

impl Proxy {
    pub(crate) fn start(engine: &Arc<Engine>) -> Result<Self, ProxyError> {
        let config = &engine.config;
        let clients = &config.client_certificates;
        let identity = config.tls.as_ref();
        let identity = identity
            .map(|identity| tls::server_config(identity, clients))
            .transpose();
        let tls = Arc::new(ArcSwapOption::new(identity.map_err(ProxyError::Tls)?));
        let upstream_tls =
            tls::upstream_clients(&config.upstream_tls).map_err(ProxyError::UpstreamTls)?;
        let upstream_tls = Arc::new(SharedUpstreamTls::new(upstream_tls));

        let count = config
            .workers
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let refused = |error| ProxyError::Listen(config.listen, error);
        let first = bind(config.listen).map_err(refused)?;
        let local_addr = first.local_addr().map_err(refused)?;
        let mut listeners = vec![first];
        while listeners.len() < count.clamp(1, 256) {
            listeners.push(bind(local_addr).map_err(refused)?);
        }

        let (stopping, _) = watch::channel(false);
        let proxy = Self {
            local_addr,
            tls,
            upstream_tls,
            via: Arc::new(via::Via::new(engine.clock.now(), local_addr)),
            stopping,
            workers: Mutex::default(),
        };
        for (index, listener) in listeners.into_iter().enumerate() {
            let worker = proxy.spawn(engine, index, listener);
            proxy.workers().push(worker.map_err(ProxyError::Thread)?);
        }
        Ok(proxy)
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(crate) fn reload_tls(
        &self,
        identity: &TlsIdentity,
        clients: &ClientCertificates,
    ) -> Result<(), TlsError> {
        if self.tls.load().is_none() {
            return Err(TlsError::NotServed);
        }
        let config = tls::server_config(identity, clients)?;
        self.tls.store(Some(config));
        Ok(())
    }

    pub(crate) fn reload_upstream_tls(&self, settings: &UpstreamTls) -> Result<(), TlsError> {
        self.upstream_tls.store(tls::upstream_clients(settings)?);
        Ok(())
    }

    pub(crate) async fn stop(&self) {
        self.stopping.send_replace(true);
        let workers = std::mem::take(&mut *self.workers());
        for worker in workers {
            let _ = worker.ended.await;
            let _ = tokio::task::spawn_blocking(move || worker.thread.join()).await;
        }
    }

    fn workers(&self) -> MutexGuard<'_, Vec<WorkerThread>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(
        &self,
        engine: &Arc<Engine>,
        index: usize,
        listener: TcpListener,
    ) -> io::Result<WorkerThread> {
        let engine = Arc::clone(engine);
        let upstream_tls = Arc::clone(&self.upstream_tls);
        let tls = Arc::clone(&self.tls);
        let via = Arc::clone(&self.via);
        let stopping = self.stopping.subscribe();
        let (end, ended) = oneshot::channel();
        let (begin, begun) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name(format!("gateway-{index}"))
            .spawn(move || {
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .build_local(LocalOptions::default());
                let runtime = match runtime {
                    Ok(runtime) => runtime,
                    Err(error) => {
                        let _ = begin.send(Err(error));
                        return;
                    }
                };
                let _ = begin.send(Ok(()));
                let worker = Rc::new(Worker {
                    pool: pool::Pool::new(&engine.config, upstream_tls),
                    request_ids: access_log::RequestIds::new(engine.clock.now(), index),
                    trace_ids: request_trace::TraceIds::new(),
                    date: date::Date::default(),
                    via,
                    engine,
                    tls,
                    stopping,
                });
                runtime.block_on(connection::accept(worker, listener));
                let _ = end.send(());
            })?;
        let silent = || Err(io::Error::other("a gateway thread ended at its start"));
        begun.recv().unwrap_or_else(|_| silent())?;
        Ok(WorkerThread { ended, thread })
    }
}

/// Every worker listens on the same port of its own accord (SO_REUSEPORT): the system spreads the connections.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
