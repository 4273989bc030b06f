//! One endpoint of an API, taken apart once: where to connect, and what the request line begins with.

use std::sync::Arc;

use http::HeaderValue;
use http::uri::Authority;
use url::Url;

use crate::origin::{Origin, Origins};

#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) origin: Arc<Origin>,
    /// What the `Host` header says.
    pub(crate) host_header: HeaderValue,
    /// The same for HTTP/2.
    pub(crate) authority: Authority,
    /// Without a slash at its end.
    pub(crate) base_path: String,
}

impl Upstream {
    /// `None` for what is no http or https address; the control plane saves none.
    pub(crate) fn from_url(url: &Url, origins: &Origins) -> Option<Arc<Self>> {
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        Some(Arc::new(Self {
            origin: origins.of(url)?,
            host_header: HeaderValue::from_str(&authority).ok()?,
            authority: authority.parse().ok()?,
            base_path: url.path().trim_end_matches('/').to_owned(),
        }))
    }
}
