//! Starting and stopping an emulator inside another program.

use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::StatusCode;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::{
    clock::Clock,
    config::EmulatorConfig,
    control_api, discovery, graph, middleware, pages,
    seed::{AdministratorCredentials, PersonCredentials},
    state::State,
    tls::{DevelopmentAuthority, Server, server_config},
    token_service,
};

/// The emulator; see [`Emulator::start`].
#[derive(Clone, Copy, Debug)]
pub struct Emulator;

/// An emulator that serves. Dropping it stops it without waiting for open requests.
pub struct RunningEmulator {
    state: Arc<State>,
    server: Server,
    ca_pem: String,
}

/// Why an emulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The data folder cannot be read or written.
    #[error("cannot use the emulator's data folder: {0}")]
    Data(#[source] io::Error),
    /// Keys or certificates cannot be made.
    #[error("cannot set up TLS: {0}")]
    Tls(#[source] io::Error),
    /// No tenant is configured, or a data folder holds none that we made.
    #[error("there is no tenant with an administrator application")]
    NoTenant,
}

impl Emulator {
    /// Opens or makes the data, and serves until it is stopped.
    ///
    /// # Errors
    /// When the address is taken, the data folder cannot be used, or no tenant is configured.
    pub async fn start(config: EmulatorConfig) -> Result<RunningEmulator, StartError> {
        let listener =
            TcpListener::bind(config.listen)
                .await
                .map_err(|source| StartError::Listen {
                    address: config.listen,
                    source,
                })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen {
            address: config.listen,
            source,
        })?;
        let base_url = format!("https://localhost:{}", address.port());
        let state = Arc::new(State::open(&config, base_url).map_err(StartError::Data)?);
        if state.administrators().is_empty() {
            return Err(StartError::NoTenant);
        }
        // TLS lives in the world of its clients, whose clock is the system's.
        let now = Clock::system().now();
        let authority = match &config.data_folder {
            Some(folder) => DevelopmentAuthority::open(folder, now),
            None => DevelopmentAuthority::generate(now),
        }
        .map_err(StartError::Tls)?;
        let certificate = authority.server_certificate(now).map_err(StartError::Tls)?;
        let tls = server_config(certificate).map_err(StartError::Tls)?;
        let server =
            Server::start(listener, tls, router(Arc::clone(&state))).map_err(StartError::Tls)?;
        Ok(RunningEmulator {
            state,
            server,
            ca_pem: authority.certificate_pem().to_owned(),
        })
    }
}

impl RunningEmulator {
    /// `https://localhost:PORT`, without a trailing slash.
    pub fn base_url(&self) -> &str {
        self.state.base_url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The development CA that clients must trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The first tenant.
    pub fn tenant_id(&self) -> Uuid {
        self.administrator().tenant_id
    }

    /// The first tenant's administrator application.
    pub fn administrator(&self) -> &AdministratorCredentials {
        self.state
            .administrators()
            .first()
            .expect("a start without a tenant was refused")
    }

    /// The people of the configured tenants for whom the configuration gives no password.
    pub fn people(&self) -> &[PersonCredentials] {
        self.state.people()
    }

    /// The emulated time.
    pub fn clock(&self) -> &Clock {
        &self.state.clock
    }

    /// Accepts nothing more, lets open requests end, and returns.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// Everything that is served.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .merge(graph::router())
        .merge(token_service::router())
        .merge(discovery::router())
        .merge(control_api::router())
        .merge(pages::router(&state))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(from_fn_with_state(Arc::clone(&state), middleware::pass))
        .with_state(state)
}
