//! What every step has at hand: addresses, credentials, and a way to send a request.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connectors::http::OutboundHttp;
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::publication::PublishedApi;
use super::{Cast, Places};

const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// The parties, who acts, and the bearer tokens of those who act.
pub(crate) struct Script {
    pub(super) http: OutboundHttp,
    pub(super) places: Places,
    pub(super) cast: Cast,
    pub(super) sessions: Sessions,
}

/// Bearer tokens of the three REST APIs; empty until signed in.
#[derive(Default)]
pub(super) struct Sessions {
    pub(super) administrator: Option<SecretString>,
    pub(super) publisher: Option<SecretString>,
    pub(super) developer: Option<SecretString>,
}

/// Which REST API is called, and so by whom.
#[derive(Clone, Copy)]
pub(super) enum Portal {
    Admin,
    Publisher,
    Developer,
}

/// An answer, read whole.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) json: Value,
    pub(super) headers: reqwest::header::HeaderMap,
}

impl Script {
    pub(super) fn new(http: OutboundHttp, places: Places, cast: Cast) -> Self {
        Self {
            http,
            places,
            cast,
            sessions: Sessions::default(),
        }
    }

    pub(super) fn token_endpoint(&self) -> String {
        format!(
            "{}/{}/oauth2/v2.0/token",
            self.places.entra, self.places.tenant_id
        )
    }

    pub(super) fn issuer_v1(&self) -> String {
        format!("https://sts.windows.net/{}/", self.places.tenant_id)
    }

    pub(super) fn issuer_v2(&self) -> String {
        format!(
            "https://login.microsoftonline.com/{}/v2.0",
            self.places.tenant_id
        )
    }

    pub(super) fn api_url(&self, api: &PublishedApi, path: &str) -> String {
        format!(
            "{}{}/{}{path}",
            self.places.gateway, api.context, api.version
        )
    }

    /// A request to one of Claviger's REST APIs with the right person's token.
    pub(super) async fn call(
        &self,
        portal: Portal,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        let mut request = self.request(portal, method.clone(), path)?;
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }

    /// Like [`Self::call`], to be completed by the caller (multipart, for example).
    pub(super) fn request(
        &self,
        portal: Portal,
        method: Method,
        path: &str,
    ) -> Result<RequestBuilder, String> {
        let (base, session) = match portal {
            Portal::Admin => ("/api/am/admin/v4", &self.sessions.administrator),
            Portal::Publisher => ("/api/am/publisher/v4", &self.sessions.publisher),
            Portal::Developer => ("/api/am/devportal/v3", &self.sessions.developer),
        };
        let url = parse(&format!("{}{base}{path}", self.places.control))?;
        let session = session.as_ref().ok_or("nobody has signed in yet")?;
        Ok(self
            .http
            .request(method, &url)
            .bearer_auth(session.expose_secret()))
    }

    /// A request to Microsoft Graph as the tenant's administrator.
    pub(super) async fn graph(
        &self,
        token: &SecretString,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        let url = parse(&format!("{}/v1.0{path}", self.places.entra))?;
        let mut request = self
            .http
            .request(method, &url)
            .bearer_auth(token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }

    pub(super) async fn get(
        &self,
        url: &str,
        token: Option<&SecretString>,
    ) -> Result<Reply, String> {
        let mut request = self.http.request(Method::GET, &parse(url)?);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        self.send(request).await
    }

    pub(super) async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Reply, String> {
        self.send(self.http.request(Method::POST, &parse(url)?).form(form))
            .await
    }

    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Reply, String> {
        let answer = self
            .http
            .send(request, MAX_ANSWER)
            .await
            .map_err(|error| format!("no answer: {error}"))?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Reply {
            status: answer.status.as_u16(),
            text,
            json,
            headers: answer.headers,
        })
    }
}

impl Reply {
    /// This status, or the reason why the step fails.
    pub(super) fn expect(self, status: u16, doing: &str) -> Result<Self, String> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!(
            "{doing}: expected {status}, got {}: {}",
            self.status,
            self.text.chars().take(600).collect::<String>()
        ))
    }

    /// A text at a JSON pointer (RFC 6901).
    pub(super) fn text_at(&self, pointer: &str) -> Result<String, String> {
        self.json
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| {
                format!(
                    "the answer has no text at {pointer}: {}",
                    self.text.chars().take(300).collect::<String>()
                )
            })
    }

    /// A list at a JSON pointer.
    pub(super) fn list_at(&self, pointer: &str) -> Result<&[Value], String> {
        self.json
            .pointer(pointer)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .ok_or_else(|| format!("the answer has no list at {pointer}"))
    }
}

pub(super) fn parse(url: &str) -> Result<Url, String> {
    Url::parse(url).map_err(|error| format!("{url}: {error}"))
}

/// `Err` with the sentence unless it holds.
pub(super) fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// The payload of a JWT, unverified: for telling, not for deciding.
pub(super) fn claims_of(token: &SecretString) -> Result<Value, String> {
    let payload = token.expose_secret().split('.').nth(1).ok_or("not a JWT")?;
    let bytes = URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}
