//! `oidc-provider` as a process of its own, and what a client asks of it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use connectors::discovery::{DiscoveredKeyManager, discover};
use connectors::http::{OutboundHttp, OutboundHttpConfig, PrivateTargets};
use http::Method;
use serde_json::{Value, json};
use url::Url;

/// The client whose tokens are presented to the gateway.
pub(crate) const CALLER: (&str, &str) = ("caller", "caller-secret");
/// The client by which the gateway asks about tokens. Everything that a form must encode is in it.
pub(crate) const GATEWAY: (&str, &str) = ("gate:way +1", "s&cret %25 +=/:~");

/// Where the suite has installed it.
const MODULES: &str = "INTEROP_NODE_MODULES";

/// Ended when dropped.
pub(crate) struct Provider {
    child: Child,
    pub(crate) http: OutboundHttp,
    pub(crate) discovered: DiscoveredKeyManager,
    /// Its time at the start, in seconds since 1970.
    pub(crate) now: i64,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/provider.mjs");
        let client = |(id, secret): (&str, &str)| json!([id, secret]).to_string();
        let mut child = Command::new("node")
            .arg(script)
            .env("CALLER", client(CALLER))
            .env("GATEWAY", client(GATEWAY))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node runs");
        let mut line = String::new();
        let output = child.stdout.take().expect("piped");
        let length = BufReader::new(output)
            .read_line(&mut line)
            .expect("readable output");
        assert!(
            length > 0,
            "oidc-provider did not start; `cargo xtask test interop` installs it and sets {MODULES}"
        );
        let ready: Value = serde_json::from_str(&line).expect("a line of JSON");
        let issuer = ready["issuer"].as_str().expect("an issuer");
        let http = OutboundHttp::new(OutboundHttpConfig {
            allow_private_targets: PrivateTargets::Allowed,
            ..OutboundHttpConfig::default()
        })
        .expect("a client");
        let well_known = format!("{issuer}/.well-known/openid-configuration");
        let well_known = well_known.parse().expect("a URL");
        let discovered = discover(&http, &well_known).await.expect("its document");
        assert_eq!(discovered.issuer, issuer);
        Self {
            child,
            http,
            discovered,
            now: ready["now"].as_i64().expect("seconds"),
        }
    }

    /// An opaque token of the caller.
    pub(crate) async fn opaque_token(&self) -> String {
        self.token(&[("grant_type", "client_credentials")]).await
    }

    /// A JWT of the caller for this resource, whose last segment is the algorithm.
    pub(crate) async fn jwt(&self, resource: &str) -> String {
        self.token(&[
            ("grant_type", "client_credentials"),
            ("resource", resource),
            ("scope", "orders.read"),
        ])
        .await
    }

    /// RFC 7009.
    pub(crate) async fn revoke(&self, token: &str) {
        let endpoint = self.discovered.endpoints.revoke.as_ref();
        let form = [("token", token), ("token_type_hint", "access_token")];
        self.post(endpoint.expect("a revocation endpoint"), &form)
            .await;
    }

    async fn token(&self, form: &[(&str, &str)]) -> String {
        let endpoint = self.discovered.endpoints.token.as_ref();
        let body = self.post(endpoint.expect("a token endpoint"), form).await;
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    async fn post(&self, url: &Url, form: &[(&str, &str)]) -> Vec<u8> {
        let (id, secret) = CALLER;
        let request = self
            .http
            .request(Method::POST, url)
            .basic_auth(id, Some(secret))
            .form(form);
        let answer = self.http.send(request, 64 * 1024).await.expect("an answer");
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.body
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
