//! TLS on both sides: the gateway's own certificate, and whom it believes as an upstream.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use secrecy::ExposeSecret as _;

use crate::config::TlsIdentity;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("no PEM certificate in the chain")]
    Chain,
    #[error("no PEM private key")]
    PrivateKey,
    #[error("certificate and key do not fit")]
    Identity(#[source] rustls::Error),
    #[error("a certificate authority is no PEM certificate")]
    Authority,
    #[error("TLS cannot be set up")]
    Provider(#[source] rustls::Error),
    #[error("the gateway serves plain HTTP")]
    NotServed,
}

pub(super) fn server_config(identity: &TlsIdentity) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&identity.certificate_chain).ok_or(TlsError::Chain)?;
    let key = PrivateKeyDer::from_pem_slice(identity.private_key.expose_secret().as_bytes())
        .map_err(|_| TlsError::PrivateKey)?;
    let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The system's certificate authorities and `more`. An unreadable system store is no reason not to start: the
/// upstreams that need it answer 502, and the log says why.
pub(super) fn client_config(more: Option<&str>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a certificate authority of the system cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    for certificate in more
        .map_or(Some(Vec::new()), certificates)
        .ok_or(TlsError::Authority)?
    {
        roots.add(certificate).map_err(|_| TlsError::Authority)?;
    }
    let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok().filter(|certificates| !certificates.is_empty())
}
