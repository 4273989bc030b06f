//! TLS on both sides: the gateway's own certificate, and whom it believes as an upstream.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use secrecy::ExposeSecret as _;

use crate::config::{ClientCertificates, TlsIdentity, UpstreamTls};

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

pub(super) fn server_config(
    identity: &TlsIdentity,
    clients: &ClientCertificates,
) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = chain_and_key(identity)?;
    let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_client_cert_verifier(client_verifier(clients)?)
        .with_single_cert(chain, key)
        .map_err(TlsError::Identity)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn client_verifier(clients: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let provider = aws_lc_rs::default_provider();
    Ok(match clients {
        ClientCertificates::Off => WebPkiClientVerifier::no_client_auth(),
        ClientCertificates::Any => {
            Arc::new(PossessionOnly(provider.signature_verification_algorithms))
        }
        ClientCertificates::SignedBy(authorities) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(authorities).ok_or(TlsError::Authority)? {
                roots.add(certificate).map_err(|_| TlsError::Authority)?;
            }
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider.into())
                .allow_unauthenticated()
                .build()
                .map_err(|_| TlsError::Authority)?
        }
    })
}

/// Takes any client certificate whose key the client holds (RFC 8705 section 2.2: self-signed ones are as good):
/// tokens name a certificate by its digest, so nothing that it says about itself is believed.
#[derive(Debug)]
struct PossessionOnly(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for PossessionOnly {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// What connections to upstreams are made with; replaced as a whole.
pub(crate) type SharedUpstreamTls = ArcSwap<UpstreamClients>;

/// The same trust and certificate, twice: what is offered differs.
#[derive(Debug)]
pub(crate) struct UpstreamClients {
    /// HTTP/2 where the upstream chooses it, else HTTP/1.1.
    pub(super) any_version: Arc<ClientConfig>,
    pub(super) http1: Arc<ClientConfig>,
}

/// The system's certificate authorities and those of `settings`. An unreadable system store is no reason not
/// to start: the upstreams that need it answer 502, and the log says why.
pub(super) fn upstream_clients(settings: &UpstreamTls) -> Result<Arc<UpstreamClients>, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a certificate authority of the system cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    let more = settings.authorities.as_deref();
    for certificate in more
        .map_or(Some(Vec::new()), certificates)
        .ok_or(TlsError::Authority)?
    {
        roots.add(certificate).map_err(|_| TlsError::Authority)?;
    }
    let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Provider)?
        .with_root_certificates(roots);
    let mut http1 = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = chain_and_key(identity)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(TlsError::Identity)?
        }
    };
    let mut any_version = http1.clone();
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    any_version.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(UpstreamClients {
        any_version: Arc::new(any_version),
        http1: Arc::new(http1),
    }))
}

fn chain_and_key(
    identity: &TlsIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(&identity.certificate_chain).ok_or(TlsError::Chain)?;
    let key = PrivateKeyDer::from_pem_slice(identity.private_key.expose_secret().as_bytes())
        .map_err(|_| TlsError::PrivateKey)?;
    Ok((chain, key))
}

fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    all.ok().filter(|certificates| !certificates.is_empty())
}
