use std::net::SocketAddr;

use gateway::{GatewayConfig, GatewayDependencies};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::node::{key_set_source::OutboundKeySets, token_introspector::ControlIntrospector};

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        Self {
            pem,
            issuer: Issuer::new(parameters, key),
        }
    }

    /// PEM of a certificate and of its key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .and_then(|parameters| parameters.signed_by(&key, &self.issuer))
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}

/// Whether the gateway answers a client with this certificate at all.
async fn is_answered(
    address: SocketAddr,
    trusted: &Authority,
    (certificate, key): &(String, String),
) -> bool {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.pem.as_bytes()).expect("PEM"))
        .expect("a certificate");
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .expect("a certificate with its key");
    let stream = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(Arc::new(client));
    let Ok(mut stream) = connector.connect(name, stream).await else {
        return false;
    };
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // With TLS 1.3 the client learns what became of its certificate when it reads.
    stream.write_all(request).await.is_ok() && stream.read_u8().await.is_ok()
}

fn start(settings: &GatewaySettings) -> (Gateway, GatewayTlsWatch) {
    let (tls, watch) = GatewayTls::load(settings).expect("readable");
    let config = GatewayConfig {
        listen: ([127, 0, 0, 1], 0).into(),
        workers: Some(1),
        tls: tls.identity,
        client_certificates: tls.clients,
        upstream_tls: tls.upstream,
        ..GatewayConfig::default()
    };
    let http = connectors::http::OutboundHttp::new(connectors::http::OutboundHttpConfig::default());
    let dependencies = GatewayDependencies {
        clock: Arc::new(crate::system::SystemClock),
        key_set_source: Arc::new(OutboundKeySets(http.expect("a client"))),
        token_introspector: Arc::new(ControlIntrospector::new()),
        access_log: Box::new(std::io::sink()),
        tracing: None,
    };
    (Gateway::start(config, dependencies).expect("usable"), watch)
}

#[tokio::test]
async fn authorities_of_clients_that_change_alone_count_from_the_next_handshake() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let put = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("writable");
        file
    };
    let (servers, first, second) = (Authority::new(), Authority::new(), Authority::new());
    let (certificate, key) = servers.issue("localhost");
    let settings = GatewaySettings {
        tls_certificate_file: put("tls.crt", &certificate),
        tls_key_file: put("tls.key", &key),
        client_certificates: ClientCertificatesSetting::Ask,
        client_certificate_authorities_file: put("clients.pem", &first.pem),
        ..GatewaySettings::default()
    };
    let (gateway, watch) = start(&settings);
    let mut watch = watch.listener.expect("files are named");
    let address = gateway.local_addr();
    let (old, new) = (first.issue("client"), second.issue("client"));
    assert!(is_answered(address, &servers, &old).await);
    assert!(!is_answered(address, &servers, &new).await);

    // What cannot be used leaves the old ones.
    put("clients.pem", "no PEM");
    watch.look(|| reload_listener(&gateway, &settings));
    assert!(is_answered(address, &servers, &old).await);

    put("clients.pem", &second.pem);
    watch.look(|| reload_listener(&gateway, &settings));
    assert!(is_answered(address, &servers, &new).await);
    assert!(!is_answered(address, &servers, &old).await);
    gateway.stop().await;
}

#[tokio::test]
async fn authorities_of_upstreams_that_change_alone_are_taken_up_without_a_client_certificate() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("authorities.pem");
    std::fs::write(&file, Authority::new().pem).expect("writable");
    let settings = GatewaySettings {
        upstream_authorities_file: file.clone(),
        ..GatewaySettings::default()
    };
    let (gateway, watch) = start(&settings);
    assert!(watch.listener.is_none());
    let mut watch = watch.upstream.expect("a file is named");
    watch.look(|| panic!("nothing is new"));

    let new = Authority::new().pem;
    std::fs::write(&file, &new).expect("writable");
    let outcome = std::cell::RefCell::new(None);
    watch.look(|| {
        let result = reload_upstreams(&gateway, &settings);
        outcome.replace(Some(result.clone()));
        result
    });
    assert_eq!(outcome.take(), Some(Ok(())));
    let read = upstream_tls(&settings).expect("readable").authorities;
    assert_eq!(read.as_deref(), Some(new.as_str()));

    std::fs::write(&file, "no PEM").expect("writable");
    watch.look(|| {
        let result = reload_upstreams(&gateway, &settings);
        outcome.replace(Some(result.clone()));
        result
    });
    assert!(outcome.take().is_some_and(|result| result.is_err()));
    gateway.stop().await;
}

#[test]
fn nothing_is_watched_where_no_file_is_named_or_clients_are_not_asked() {
    let watch = GatewayTlsWatch::new(&GatewaySettings::default());
    assert!(watch.listener.is_none() && watch.upstream.is_none());
    let unasked = GatewaySettings {
        tls_certificate_file: "c.pem".into(),
        tls_key_file: "k.pem".into(),
        client_certificate_authorities_file: "a.pem".into(),
        ..GatewaySettings::default()
    };
    assert_eq!(
        listener_files(&unasked),
        [PathBuf::from("c.pem"), PathBuf::from("k.pem")]
    );
}
