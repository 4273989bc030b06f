//! How a soak's clients come to the gateway: what they speak, and over what.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// HTTP/1.1 as it is.
    Plain,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS.
    Http2,
}

impl Front {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::Http2];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "HTTP/1.1",
            Self::Tls => "HTTP/1.1 over TLS",
            Self::Http2 => "HTTP/2 over TLS",
        }
    }

    pub(super) fn is_secure(self) -> bool {
        self != Self::Plain
    }

    /// Tenths of all requests.
    pub(super) fn share(self) -> u64 {
        match self {
            Self::Plain => 4,
            Self::Tls | Self::Http2 => 3,
        }
    }

    /// Connections, and requests at once on each.
    pub(super) fn width(self) -> (usize, u64) {
        match self {
            Self::Plain | Self::Tls => (32, 1),
            Self::Http2 => (4, 8),
        }
    }
}

/// The way to one gateway.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) front: Front,
    pub(super) address: SocketAddr,
    connector: TlsConnector,
}

/// A connection, whatever it is made of.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Way {
    /// Believes the certificate that `prepare` wrote, and no other.
    pub(super) fn new(front: Front, address: SocketAddr, folder: &Path) -> Result<Self, String> {
        let file = folder.join("tls.pem");
        let pem = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let describe = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|error| describe(&error))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(|error| describe(&error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| describe(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        if front == Front::Http2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        Ok(Self {
            front,
            address,
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    pub(super) async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        if !self.front.is_secure() {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        Ok(Box::new(self.connector.connect(name, stream).await?))
    }
}
