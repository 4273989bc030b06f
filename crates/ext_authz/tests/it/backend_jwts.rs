//! What the gateway tells upstreams of the caller, through another proxy.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::{BackendJwtAlgorithm, BackendJwtConfig, BackendJwtEncoding, GatewayConfig};
use serde_json::Value;

use crate::checking::{answered, ask, authorized, by_name, check, line, passed};
use crate::support::Service;

async fn service() -> Service {
    let key = rcgen::KeyPair::generate().expect("a key");
    let backend_jwts = BackendJwtConfig {
        header: "X-Caller".to_owned(),
        dialect: "http://wso2.org/claims".to_owned(),
        issuer: "wso2.org/products/am".to_owned(),
        algorithm: BackendJwtAlgorithm::ES256,
        lifetime: Duration::from_mins(15),
        encoding: BackendJwtEncoding::Base64Url,
        key: key.serialize_pem().into(),
        previous_key: None,
        cache_bytes: 1024 * 1024,
    };
    Service::start_with(GatewayConfig {
        backend_jwts: Some(backend_jwts),
        ..GatewayConfig::default()
    })
    .await
}

fn decoded(part: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn the_upstream_is_told_who_calls_and_not_what_a_client_says_there() {
    let service = service().await;
    let forged = line("x-caller", "forged");
    let response = ask(&service, &authorized("/orders/1.0.0/items", vec![forged])).await;
    let assertion = by_name(&passed(response).headers)["x-caller"].clone();
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, _] = parts[..] else {
        panic!("no JWT: {assertion}");
    };
    let claims = decoded(claims);
    assert_eq!(claims["http://wso2.org/claims/apicontext"], "/orders/1.0.0");

    let response = ask(&service, &check("/jwks", Vec::new())).await;
    let (status, body) = answered(response);
    let keys: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(status, 200);
    assert_eq!(keys["keys"][0]["kid"], decoded(header)["kid"]);
}

#[tokio::test]
async fn where_nobody_calls_the_clients_word_is_removed() {
    let service = service().await;
    let forged = vec![line("x-caller", "forged")];
    let response = ask(&service, &check("/orders/1.0.0/open", forged)).await;
    assert_eq!(passed(response).headers_to_remove, ["x-caller"]);
}
