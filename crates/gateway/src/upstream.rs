//! One endpoint of an API, taken apart once: where to connect, and what the request line begins with.

use std::sync::Arc;

use http::HeaderValue;
use url::{Host, Url};

#[derive(Debug)]
pub(crate) struct Upstream {
    /// Scheme, host and port: endpoints of one origin share connections.
    pub(crate) origin: Arc<str>,
    /// Name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
    /// What the `Host` header says.
    pub(crate) authority: HeaderValue,
    /// Without a slash at its end.
    pub(crate) base_path: String,
}

impl Upstream {
    /// `None` for what is no http or https address; the control plane saves none.
    pub(crate) fn from_url(url: &Url) -> Option<Arc<Self>> {
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default()?;
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        Some(Arc::new(Self {
            origin: format!("{}://{host}|{port}", url.scheme()).into(),
            host,
            port,
            is_tls,
            authority: HeaderValue::from_str(&authority).ok()?,
            base_path: url.path().trim_end_matches('/').to_owned(),
        }))
    }
}
