//! Clients that prove themselves with a certificate or with a token of an external issuer.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use super::{Answer, BASE, TestClient, World};
use crate::directory::{FederatedIdentityCredential, KeyCredential};
use crate::keys::{KeyRing, sha1};
use crate::replica::{Delay, ReplicationDelays, TokenServiceDelays};

struct Certificate {
    key: RsaKeyPair,
    der: Vec<u8>,
}

impl Certificate {
    fn new() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let der = CertificateParams::default()
            .self_signed(&pair)
            .unwrap()
            .der()
            .to_vec();
        Self {
            key: RsaKeyPair::from_pkcs8(pair.serialized_der()).unwrap(),
            der,
        }
    }

    fn x5t_s256(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.der))
    }

    fn sign(&self, header: &Value, claims: &Value, padding: &'static dyn RsaEncoding) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                padding,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A client with a certificate and the claims of a good assertion.
struct Assertor {
    world: World,
    client: TestClient,
    certificate: Certificate,
}

impl Assertor {
    fn new() -> Self {
        let world = World::new();
        let client = world.client("orders");
        let certificate = Certificate::new();
        let credential = KeyCredential {
            key_id: world.state.random.uuid(),
            display_name: None,
            r#type: "AsymmetricX509Cert".into(),
            usage: "Verify".into(),
            key: STANDARD.encode(&certificate.der),
            custom_key_identifier: None,
            start_date_time: world.now(),
            end_date_time: world
                .now()
                .checked_add(SignedDuration::from_hours(24))
                .unwrap(),
        };
        world.change_application(client.application, |application| {
            application.key_credentials.push(credential);
        });
        Self {
            world,
            client,
            certificate,
        }
    }

    fn claims(&self) -> Value {
        let now = self.world.now().as_second();
        json!({
            "aud": format!("{BASE}{}", self.world.v2_endpoint()),
            "iss": self.client.app_id, "sub": self.client.app_id,
            "jti": "1", "nbf": now, "iat": now, "exp": now + 600,
        })
    }

    fn ps256(&self, claims: &Value) -> String {
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.certificate.x5t_s256()});
        self.certificate.sign(&header, claims, &RSA_PSS_SHA256)
    }

    async fn present(&self, assertion: &str) -> Answer {
        present(&self.world, &self.client, assertion).await
    }
}

async fn present(world: &World, client: &TestClient, assertion: &str) -> Answer {
    let (id, scope) = (
        client.app_id.to_string(),
        format!("{}/.default", client.app_id),
    );
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion),
        ("scope", scope.as_str()),
    ];
    world.post(&world.v2_endpoint(), &form).await
}

#[tokio::test]
async fn a_certificate_is_accepted_by_either_algorithm_and_thumbprint() {
    let assertor = Assertor::new();
    let answer = assertor.present(&assertor.ps256(&assertor.claims())).await;
    assert_eq!(answer.claims(&assertor.world)["azpacr"], "2");

    let legacy = sha1(&assertor.certificate.der);
    let base64url = URL_SAFE_NO_PAD.encode(legacy);
    let hex = format!("{legacy:?}"); // "SHA1:hex"
    let hex = hex.rsplit(':').next().unwrap();
    for header in [
        json!({"alg": "RS256", "typ": "JWT", "x5t": base64url}),
        json!({"alg": "RS256", "typ": "JWT", "kid": hex}),
    ] {
        let assertion = assertor
            .certificate
            .sign(&header, &assertor.claims(), &RSA_PKCS1_SHA256);
        assert_eq!(assertor.present(&assertion).await.status, 200, "{header}");
    }
}

#[tokio::test]
async fn an_assertion_must_be_signed_with_a_certificate_of_the_application() {
    let assertor = Assertor::new();
    let stranger = Certificate::new();
    let own = json!({"alg": "PS256", "x5t#S256": assertor.certificate.x5t_s256()});
    let foreign = json!({"alg": "PS256", "x5t#S256": stranger.x5t_s256()});
    for header in [own, foreign] {
        let assertion = stranger.sign(&header, &assertor.claims(), &RSA_PSS_SHA256);
        assertor
            .present(&assertion)
            .await
            .assert_refused(401, "invalid_client", 700_027);
    }
    let confused = json!({"alg": "none", "x5t#S256": assertor.certificate.x5t_s256()});
    let assertion = assertor
        .certificate
        .sign(&confused, &assertor.claims(), &RSA_PSS_SHA256);
    assertor
        .present(&assertion)
        .await
        .assert_refused(401, "invalid_client", 700_027);
}

#[tokio::test]
async fn the_claims_of_an_assertion_are_checked() {
    let assertor = Assertor::new();
    let now = assertor.world.now().as_second();
    let cases = [
        ("aud", json!("https://evil.example/token"), 700_023),
        ("aud", json!(null), 700_023),
        ("sub", json!("somebody"), 700_021),
        ("exp", json!(now - 301), 700_024),
        ("exp", json!(null), 700_024),
        ("nbf", json!(now + 301), 700_024),
    ];
    for (claim, value, code) in cases {
        let mut claims = assertor.claims();
        claims[claim] = value;
        let answer = assertor.present(&assertor.ps256(&claims)).await;
        answer.assert_refused(401, "invalid_client", code);
    }
    let mut claims = assertor.claims();
    let v2_issuer = format!(
        "https://login.microsoftonline.com/{}/v2.0",
        assertor.world.tenant
    );
    claims["aud"] = json!(v2_issuer);
    assert_eq!(assertor.present(&assertor.ps256(&claims)).await.status, 200);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let assertor = Assertor::new();
    assertor.world.advance(SignedDuration::from_hours(25));
    let answer = assertor.present(&assertor.ps256(&assertor.claims())).await;
    answer.assert_refused(401, "invalid_client", 700_027);
}

#[tokio::test]
async fn malformed_assertions_are_entras_error() {
    let assertor = Assertor::new();
    let long = "a".repeat(100_000);
    for nonsense in ["x", "a.b.c", "e30.e30.", "....", long.as_str()] {
        let answer = assertor.present(nonsense).await;
        answer.assert_refused(400, "invalid_request", 50_027);
    }
}

/// An external issuer that really serves its documents.
struct Issuer {
    address: String,
    keys: KeyRing,
}

impl Issuer {
    async fn start(world: &World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let keys = KeyRing::generate(world.now()).unwrap();
        let metadata = json!({"issuer": address, "jwks_uri": format!("{address}/keys")});
        let key_set = keys.to_jwks(&address);
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(|| async { axum::Json(metadata) }),
            )
            .route("/keys", get(|| async { axum::Json(key_set) }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, keys }
    }

    fn token(&self, world: &World, subject: &str, audience: &str) -> String {
        let key = self.keys.signing_key();
        let header = crate::keys::JoseHeader {
            typ: "JWT".into(),
            nonce: None,
            alg: "RS256".into(),
            x5t: None,
            kid: key.kid().to_owned(),
        };
        let now = world.now().as_second();
        let claims = json!({
            "iss": self.address, "sub": subject, "aud": audience, "iat": now, "exp": now + 600,
        });
        key.sign(&header, &claims).unwrap()
    }

    fn trust(&self, world: &World, client: &TestClient) {
        world.change_application(client.application, |application| {
            application
                .federated_identity_credentials
                .push(FederatedIdentityCredential {
                    id: world.state.random.uuid(),
                    name: "ci".into(),
                    issuer: self.address.clone(),
                    subject: "repo:main".into(),
                    audiences: vec!["api://AzureADTokenExchange".into()],
                    description: None,
                });
        });
    }
}

const AUDIENCE: &str = "api://AzureADTokenExchange";

#[tokio::test]
async fn a_token_of_a_trusted_external_issuer_is_a_client_credential() {
    let world = World::new();
    let client = world.client("orders");
    let issuer = Issuer::start(&world).await;
    let good = issuer.token(&world, "repo:main", AUDIENCE);
    present(&world, &client, &good)
        .await
        .assert_refused(401, "invalid_client", 700_211);

    issuer.trust(&world, &client);
    assert_eq!(
        present(&world, &client, &good).await.claims(&world)["azpacr"],
        "2"
    );
    let other_subject = issuer.token(&world, "Repo:Main", AUDIENCE);
    present(&world, &client, &other_subject)
        .await
        .assert_refused(401, "invalid_client", 700_213);
    let other_audience = issuer.token(&world, "repo:main", "api://other");
    present(&world, &client, &other_audience)
        .await
        .assert_refused(401, "invalid_client", 700_212);

    let impostor = Issuer {
        keys: KeyRing::generate(world.now()).unwrap(),
        ..issuer
    };
    let forged = impostor.token(&world, "repo:main", AUDIENCE);
    present(&world, &client, &forged)
        .await
        .assert_refused(401, "invalid_client", 700_027);
    world.advance(SignedDuration::from_hours(1));
    present(&world, &client, &good)
        .await
        .assert_refused(401, "invalid_client", 700_024);
}

#[tokio::test]
async fn an_external_issuer_that_cannot_be_reached_is_said_so() {
    let world = World::new();
    let client = world.client("orders");
    let mut issuer = Issuer::start(&world).await;
    issuer.address.push_str("/elsewhere");
    issuer.trust(&world, &client);
    let token = issuer.token(&world, "repo:main", AUDIENCE);
    present(&world, &client, &token)
        .await
        .assert_refused(400, "invalid_request", 501_661);
}

#[tokio::test]
async fn a_new_federated_credential_is_a_subject_mismatch_for_a_while() {
    let world = World::new();
    let client = world.client("orders");
    let issuer = Issuer::start(&world).await;
    world.state.set_delays(ReplicationDelays {
        token_service: TokenServiceDelays {
            credential: Delay::fixed(10_000),
            ..TokenServiceDelays::default()
        },
        ..ReplicationDelays::default()
    });
    issuer.trust(&world, &client);
    let token = issuer.token(&world, "repo:main", AUDIENCE);
    present(&world, &client, &token)
        .await
        .assert_refused(401, "invalid_client", 700_213);
    world.advance(SignedDuration::from_secs(11));
    assert_eq!(present(&world, &client, &token).await.status, 200);
}
