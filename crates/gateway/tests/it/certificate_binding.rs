//! Tokens that are bound to a client certificate (RFC 8705 section 3), over real TLS.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use gateway::{ClientCertificates, GatewayConfig, TlsIdentity};
use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::http::full;
use crate::support::signer::{FIRST, encode};
use crate::support::world::{World, claims, signed, test_config, token, with};

type Sender = hyper::client::conn::http1::SendRequest<crate::support::http::Body>;

/// A client's certificate and its key.
struct Client {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Client {
    fn self_signed() -> Self {
        let made =
            rcgen::generate_simple_self_signed(vec!["client".to_owned()]).expect("a certificate");
        Self {
            certificate: made.cert.der().clone(),
            key: made.signing_key.into(),
        }
    }

    fn thumbprint(&self) -> String {
        encode(digest(&SHA256, &self.certificate))
    }
}

struct Secured {
    world: World,
    own: CertificateDer<'static>,
}

impl Secured {
    async fn start(client_certificates: ClientCertificates) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .expect("a certificate");
        let config = GatewayConfig {
            tls: Some(TlsIdentity {
                certificate_chain: made.cert.pem(),
                private_key: made.signing_key.serialize_pem().into(),
            }),
            client_certificates,
            ..test_config()
        };
        Self {
            world: World::start_with(config, &[FIRST.jwk()]).await,
            own: made.cert.der().clone(),
        }
    }

    async fn connect(&self, client: Option<&Client>) -> Result<Sender, String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.own.clone()).expect("a certificate");
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let config = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some(client) => config
                .with_client_auth_cert(vec![client.certificate.clone()], client.key.clone_key())
                .expect("a certificate with its key"),
        };
        let stream = TcpStream::connect(self.world.gateway.local_addr())
            .await
            .expect("a connection");
        let name = "localhost".try_into().expect("a name");
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .map_err(|error| error.to_string())?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Status of a call over a new connection; none where the gateway ends the connection.
    async fn status(&self, client: Option<&Client>, token: &str) -> Option<u16> {
        let mut sender = self.connect(client).await.ok()?;
        let request = Request::get("/exampleapi/1.0.0/items")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .body(full(""))
            .expect("a request");
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await.ok()?;
        Some(status)
    }
}

fn bound_to(confirmation: Value) -> String {
    signed(&FIRST, &with(claims(), "cnf", confirmation))
}

fn bound_to_certificate(client: &Client) -> String {
    bound_to(json!({"x5t#S256": client.thumbprint()}))
}

#[tokio::test]
async fn a_bound_token_passes_with_its_own_certificate_only() {
    let gateway = Secured::start(ClientCertificates::Any).await;
    let (own, other) = (Client::self_signed(), Client::self_signed());
    let bound = bound_to_certificate(&own);
    // In both orders, so that neither rests on what is remembered of the token.
    assert_eq!(gateway.status(None, &bound).await, Some(401));
    assert_eq!(gateway.status(Some(&own), &bound).await, Some(200));
    assert_eq!(gateway.status(Some(&own), &bound).await, Some(200));
    assert_eq!(gateway.status(Some(&other), &bound).await, Some(401));
    assert_eq!(gateway.status(None, &bound).await, Some(401));
    // Tokens that are bound to nothing pass as ever.
    assert_eq!(gateway.status(None, &token()).await, Some(200));
    assert_eq!(gateway.status(Some(&other), &token()).await, Some(200));
    // A proof of another kind is met by nobody.
    let unknown = bound_to(json!({"jkt": own.thumbprint()}));
    assert_eq!(gateway.status(Some(&own), &unknown).await, Some(401));
}

#[tokio::test]
async fn a_gateway_that_does_not_ask_sees_no_certificate() {
    let gateway = Secured::start(ClientCertificates::Off).await;
    let own = Client::self_signed();
    let bound = bound_to_certificate(&own);
    assert_eq!(gateway.status(Some(&own), &bound).await, Some(401));
    assert_eq!(gateway.status(Some(&own), &token()).await, Some(200));
}

#[tokio::test]
async fn a_certificate_that_the_named_authority_did_not_sign_ends_the_connection() {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let authority = parameters
        .self_signed(&authority_key)
        .expect("a certificate");
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(vec!["client".to_owned()])
        .expect("parameters")
        .signed_by(&key, &issuer)
        .expect("a certificate");
    let own = Client {
        certificate: certificate.der().clone(),
        key: key.into(),
    };
    let gateway = Secured::start(ClientCertificates::SignedBy(authority.pem())).await;
    let stranger = Client::self_signed();
    let bound = bound_to_certificate(&own);
    assert_eq!(gateway.status(Some(&own), &bound).await, Some(200));
    assert_eq!(gateway.status(Some(&stranger), &token()).await, None);
    assert_eq!(gateway.status(None, &token()).await, Some(200));
    assert_eq!(gateway.status(None, &bound).await, Some(401));
}

#[tokio::test]
async fn an_explanation_names_the_certificate_that_a_token_demands() {
    let world = World::start().await;
    let own = Client::self_signed();
    let bound = bound_to_certificate(&own);
    assert_eq!(world.refusal(&bound).await, (401, "900901".to_owned()));
    let explanation = world.explain(&bound).await;
    assert_eq!(explanation.reason.as_deref(), Some("certificate_missing"));
    let check = explanation
        .checks
        .iter()
        .find(|check| check.name == "certificate")
        .expect("the check");
    let expected = check.expected.as_deref().unwrap_or_default();
    assert!(expected.contains(&own.thumbprint()), "{expected}");
    for nonsense in [json!(null), json!([]), json!("x"), json!({"x5t#S256": 1})] {
        assert_eq!(
            world.reason(&bound_to(nonsense)).await,
            "confirmation_unknown"
        );
    }
}
