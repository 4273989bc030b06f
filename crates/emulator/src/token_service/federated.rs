//! Assertions of external issuers (workload identity federation): which credential matches, and
//! whether the issuer's published keys verify the signature.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::assertion::{AssertionRefusal, check_time};
use super::client::Client;
use crate::directory::{Application, FederatedIdentityCredential};
use crate::keys::jws::UnverifiedJws;
use crate::keys::{PublicKey, SignatureAlgorithm};
use crate::replica::{Aspect, Place};
use crate::state::State;

/// How long one document of an issuer may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest document of an issuer, in bytes.
const LONGEST_DOCUMENT: usize = 256 * 1024;
/// Most keys of an issuer that are looked at.
const MOST_KEYS: usize = 100;

/// Checks an assertion whose issuer is not the client itself.
pub(super) async fn check(
    state: &State,
    client: &Client,
    jws: &UnverifiedJws,
) -> Result<(), AssertionRefusal> {
    let issuer = jws.text("iss").ok_or(AssertionRefusal::Malformed)?;
    find_credential(state, client, jws, issuer)?;
    let refuse = |reason| AssertionRefusal::Signature {
        reason,
        thumbprint: jws.header.kid.clone().unwrap_or_default(),
    };
    // External issuers sign with RS256 only (Microsoft: *Workload identity federation considerations*).
    let algorithm = SignatureAlgorithm::from_jose(&jws.header.alg)
        .filter(|algorithm| *algorithm == SignatureAlgorithm::Rs256)
        .ok_or_else(|| refuse("The signature algorithm is not supported."))?;
    let keys = if is_own_issuer(state, issuer) {
        own_keys(state)
    } else {
        fetch_keys(issuer)
            .await
            .ok_or(AssertionRefusal::IssuerUnreachable)?
    };
    let key = keys
        .iter()
        .take(MOST_KEYS)
        .find(|key| key.kid.is_some() && key.kid == jws.header.kid)
        .and_then(JsonWebKey::public_key)
        .ok_or_else(|| refuse("The key was not found."))?;
    if !jws.is_signed_by(&key, algorithm) {
        return Err(refuse(
            "The provided signature value did not match the expected signature value.",
        ));
    }
    check_time(state, jws)
}

/// The credential that trusts this issuer, subject and audience; comparison is case-sensitive.
fn find_credential(
    state: &State,
    client: &Client,
    jws: &UnverifiedJws,
    issuer: &str,
) -> Result<(), AssertionRefusal> {
    let subject = jws.text("sub").unwrap_or_default();
    let directory = state.directory();
    let view = state.view(Place::TokenService(Aspect::Credentials));
    let known = directory.get::<Application>(client.application.id, view);
    let credentials = known
        .as_ref()
        .map_or(&[][..], |known| &known.federated_identity_credentials);
    let of_issuer: Vec<&FederatedIdentityCredential> = credentials
        .iter()
        .filter(|credential| credential.issuer == issuer)
        .collect();
    if of_issuer.is_empty() {
        let newest = directory
            .table::<Application>()
            .newest(client.application.id);
        let is_on_its_way = newest.is_some_and(|newest| {
            newest
                .federated_identity_credentials
                .iter()
                .any(|new| new.issuer == issuer)
        });
        // A credential that has not arrived shows as a subject that does not match.
        return Err(if is_on_its_way {
            AssertionRefusal::FederatedSubject(subject.to_owned())
        } else {
            AssertionRefusal::FederatedIssuer(issuer.to_owned())
        });
    }
    let of_subject: Vec<_> = of_issuer
        .into_iter()
        .filter(|credential| credential.subject == subject)
        .collect();
    if of_subject.is_empty() {
        return Err(AssertionRefusal::FederatedSubject(subject.to_owned()));
    }
    let audiences = audiences(jws);
    let is_meant = of_subject
        .iter()
        .flat_map(|credential| &credential.audiences)
        .any(|audience| audiences.contains(&audience.as_str()));
    if !is_meant {
        return Err(AssertionRefusal::FederatedAudience(audiences.join(",")));
    }
    Ok(())
}

fn audiences(jws: &UnverifiedJws) -> Vec<&str> {
    match jws.claims.get("aud") {
        Some(serde_json::Value::Array(several)) => several
            .iter()
            .filter_map(serde_json::Value::as_str)
            .collect(),
        Some(serde_json::Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    }
}

#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<JsonWebKey>,
}

#[derive(Debug, Deserialize)]
struct JsonWebKey {
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
}

impl JsonWebKey {
    fn public_key(&self) -> Option<PublicKey> {
        PublicKey::from_jwk(self.n.as_deref()?, self.e.as_deref()?)
    }
}

/// Whether a tenant of this emulator is the issuer, as with managed identities.
fn is_own_issuer(state: &State, issuer: &str) -> bool {
    state
        .directory()
        .tenants()
        .any(|tenant| issuer == tenant.profile.v2_issuer(tenant.id))
}

fn own_keys(state: &State) -> Vec<JsonWebKey> {
    serde_json::from_value::<KeySet>(state.keys.to_jwks(""))
        .map(|set| set.keys)
        .unwrap_or_default()
}

/// The keys that an issuer publishes (OpenID Connect Discovery 1.0 section 4).
async fn fetch_keys(issuer: &str) -> Option<Vec<JsonWebKey>> {
    let client = http_client()?;
    let address = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let metadata: Metadata = fetch(&client, &address).await?;
    if metadata.issuer != issuer {
        return None;
    }
    let set: KeySet = fetch(&client, &metadata.jwks_uri).await?;
    Some(set.keys)
}

async fn fetch<T: serde::de::DeserializeOwned>(
    client: &reqwest::Client,
    address: &str,
) -> Option<T> {
    let url = Url::parse(address).ok().filter(is_allowed)?;
    let mut response = client.get(url).send().await.ok()?.error_for_status().ok()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > LONGEST_DOCUMENT {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).ok()
}

/// HTTPS anywhere; plain HTTP only on this machine, for test issuers.
fn is_allowed(url: &Url) -> bool {
    let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this crate that calls out"
)]
fn http_client() -> Option<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(FETCH_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .ok()
}
