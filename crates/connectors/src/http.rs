//! Outbound HTTP, built in one place: time-outs, proxy, certificate authorities, redirects, sizes.
//!
//! Two ways out. *Trusted* requests go to endpoints that an administrator has saved. *Guarded* requests go to
//! an address that a person has merely typed: what only this machine can reach stays out of their reach
//! (server-side request forgery). What an answer means is the caller's business.

mod fetch_error;
mod target_policy;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Certificate, Method, NoProxy, Proxy, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use url::Url;

pub use fetch_error::FetchError;
pub use target_policy::PrivateTargets;

use target_policy::{FilteringResolver, RefusedTarget};

/// Redirects followed at most, for both ways out.
const REDIRECT_LIMIT: usize = 3;

/// How Claviger reaches out.
#[derive(Clone, Debug)]
pub struct OutboundHttpConfig {
    /// An http or https proxy for all requests.
    pub proxy: Option<Url>,
    /// Hosts, domains and networks that are reached without the proxy, as in `NO_PROXY`.
    pub no_proxy: Vec<String>,
    /// Certificate authorities beside the system's, each a PEM text of one or more certificates.
    pub extra_ca_pem: Vec<String>,
    pub connect_timeout: Duration,
    /// For a whole exchange: connecting, sending, and reading the answer.
    pub timeout: Duration,
    /// What guarded requests may reach. Trusted requests are not limited by it.
    pub allow_private_targets: PrivateTargets,
}

impl Default for OutboundHttpConfig {
    fn default() -> Self {
        Self {
            proxy: None,
            no_proxy: Vec::new(),
            extra_ca_pem: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            allow_private_targets: PrivateTargets::Refused,
        }
    }
}

/// The way out. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct OutboundHttp {
    trusted: reqwest::Client,
    guarded: reqwest::Client,
    targets: Arc<PrivateTargets>,
    proxied: bool,
}

/// An answer of any status with its whole body.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// The settings for outbound HTTP cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboundHttpError {
    #[error("extra certificate authority number {number} is not a PEM certificate")]
    CertificateAuthority {
        /// Counted from 1.
        number: usize,
        #[source]
        source: reqwest::Error,
    },
    #[error("the proxy's address cannot be used: it must be an http or https URL with a host")]
    Proxy,
    #[error("the outbound HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
}

impl OutboundHttp {
    pub fn new(config: OutboundHttpConfig) -> Result<Self, OutboundHttpError> {
        let targets = Arc::new(config.allow_private_targets.clone());
        let proxy = config.proxy.as_ref().map(checked_proxy).transpose()?;
        let trusted = builder(&config, proxy)?
            .redirect(Policy::custom(within_origin))
            .build()
            .map_err(OutboundHttpError::Client)?;
        let redirect_targets = Arc::clone(&targets);
        let guarded = builder(&config, proxy)?
            .redirect(Policy::custom(move |attempt| {
                to_permitted_target(attempt, &redirect_targets)
            }))
            .dns_resolver(FilteringResolver::new(
                Arc::clone(&targets),
                proxy.and_then(Url::host_str),
            ))
            .build()
            .map_err(OutboundHttpError::Client)?;
        Ok(Self {
            trusted,
            guarded,
            targets,
            proxied: proxy.is_some(),
        })
    }

    /// A guarded GET of a JSON document of at most `max_bytes`.
    pub async fn get_json_bounded(&self, url: &Url, max_bytes: usize) -> Result<Value, FetchError> {
        let body = self.get_bytes(url, max_bytes).await?;
        serde_json::from_slice(&body).map_err(|_| FetchError::NotJson)
    }

    /// A guarded GET: refuses loopback, private, link-local, metadata and other special addresses, written out
    /// or behind a name, here or after a redirect. Any status but success is an error.
    pub async fn get_bytes(&self, url: &Url, max_bytes: usize) -> Result<Vec<u8>, FetchError> {
        self.targets.check(url)?;
        if self.proxied {
            self.check_behind_proxy(url).await?;
        }
        successful(self.send(self.guarded.get(url.clone()), max_bytes).await?)
    }

    /// A GET of an address that an administrator has saved, for example a key set. Any status but success is an error.
    pub async fn get_trusted_bytes(
        &self,
        url: &Url,
        max_bytes: usize,
    ) -> Result<Vec<u8>, FetchError> {
        successful(self.send(self.request(Method::GET, url), max_bytes).await?)
    }

    /// Begins a request to an endpoint that an administrator has saved; [`Self::send`] sends it.
    pub fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        self.trusted.request(method, url.clone())
    }

    /// Sends a request and reads the whole answer, whatever its status, up to `max_bytes`.
    pub async fn send(
        &self,
        request: RequestBuilder,
        max_bytes: usize,
    ) -> Result<Answer, FetchError> {
        let response = request.send().await.map_err(FetchError::from_transport)?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read_bounded(response, max_bytes).await?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// A proxy resolves names itself. Where this machine knows the name too, what it knows counts;
    /// where it does not, the proxy's own rules decide.
    async fn check_behind_proxy(&self, url: &Url) -> Result<(), FetchError> {
        let Some(host) = url.domain() else {
            return Ok(());
        };
        let port = url.port_or_known_default().unwrap_or(443);
        let Ok(addresses) = tokio::net::lookup_host((host, port)).await else {
            return Ok(());
        };
        for address in addresses {
            if !self.targets.permit(address.ip()) {
                return Err(FetchError::RefusedTarget {
                    host: host.to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for OutboundHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundHttp")
            .field("targets", &self.targets)
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that builds outbound HTTP clients"
)]
fn builder(
    config: &OutboundHttpConfig,
    proxy: Option<&Url>,
) -> Result<reqwest::ClientBuilder, OutboundHttpError> {
    let mut authorities = Vec::new();
    for (index, pem) in config.extra_ca_pem.iter().enumerate() {
        let failed = |source| OutboundHttpError::CertificateAuthority {
            number: index + 1,
            source,
        };
        authorities.extend(Certificate::from_pem_bundle(pem.as_bytes()).map_err(failed)?);
    }
    // Only the settings name a proxy; the environment is not asked.
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(config.connect_timeout)
        .timeout(config.timeout)
        .user_agent(concat!("claviger/", env!("CARGO_PKG_VERSION")))
        .referer(false)
        .pool_max_idle_per_host(16)
        .tls_certs_merge(authorities);
    if let Some(proxy) = proxy {
        let exceptions = NoProxy::from_string(&config.no_proxy.join(","));
        let proxy = Proxy::all(proxy.clone()).map_err(|_| OutboundHttpError::Proxy)?;
        builder = builder.proxy(proxy.no_proxy(exceptions));
    }
    Ok(builder)
}

fn checked_proxy(proxy: &Url) -> Result<&Url, OutboundHttpError> {
    if matches!(proxy.scheme(), "http" | "https") && proxy.has_host() {
        Ok(proxy)
    } else {
        Err(OutboundHttpError::Proxy)
    }
}

/// A credential must not follow a redirect to somebody else.
fn within_origin(attempt: Attempt<'_>) -> Action {
    let [.., last] = attempt.previous() else {
        return attempt.stop();
    };
    if attempt.url().origin() != last.origin() || attempt.previous().len() > REDIRECT_LIMIT {
        return attempt.stop();
    }
    attempt.follow()
}

fn to_permitted_target(attempt: Attempt<'_>, targets: &PrivateTargets) -> Action {
    if attempt.previous().len() > REDIRECT_LIMIT {
        return attempt.stop();
    }
    if targets.check(attempt.url()).is_ok() {
        return attempt.follow();
    }
    let host = attempt.url().host_str().unwrap_or_default().to_owned();
    attempt.error(RefusedTarget { host })
}

fn successful(answer: Answer) -> Result<Vec<u8>, FetchError> {
    if answer.status.is_success() {
        Ok(answer.body)
    } else {
        Err(FetchError::Status(answer.status.as_u16()))
    }
}

async fn read_bounded(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, FetchError> {
    let too_large = FetchError::TooLarge { limit: max_bytes };
    if response
        .content_length()
        .is_some_and(|length| length > max_bytes as u64)
    {
        return Err(too_large);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(FetchError::from_transport)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
