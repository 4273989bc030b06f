//! Where endpoints are: one scheme, host and port, and what the gateway has learnt about it.
//!
//! Endpoints of one origin share connections and health, across APIs, workers and changes of the snapshot.

mod health;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use url::{Host, Url};

pub(crate) use health::{Failure, Health};

use crate::config::{EndpointHealth, GatewayConfig};

#[derive(Debug)]
pub(crate) struct Origin {
    /// Scheme, host and port.
    pub(crate) name: Arc<str>,
    /// Name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) protocol: OriginProtocol,
    pub(crate) health: Health,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginProtocol {
    /// HTTP/1.1 over TCP.
    Plain,
    /// HTTP/2 over TCP, by prior knowledge (RFC 9113 section 3.3).
    PlainHttp2,
    /// What TLS negotiates (ALPN).
    Tls,
}

/// Every origin that a snapshot still names.
#[derive(Debug)]
pub(crate) struct Origins {
    known: Mutex<HashMap<Arc<str>, Weak<Origin>>>,
    speaking_http2: Vec<String>,
    health: EndpointHealth,
}

impl Origins {
    pub(crate) fn new(config: &GatewayConfig) -> Self {
        Self {
            known: Mutex::default(),
            speaking_http2: config.http2_upstreams.iter().filter_map(name_of).collect(),
            health: config.endpoint_health.clone(),
        }
    }

    /// `None` for what is no http or https address; the control plane saves none.
    pub(crate) fn of(&self, url: &Url) -> Option<Arc<Origin>> {
        let is_tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let name = name_of(url)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(origin) = known.get(name.as_str()).and_then(Weak::upgrade) {
            return Some(origin);
        }
        // Origins come seldom: the time to forget those that no API names any more.
        known.retain(|_, origin| origin.strong_count() > 0);
        let protocol = if is_tls {
            OriginProtocol::Tls
        } else if self.speaking_http2.contains(&name) {
            OriginProtocol::PlainHttp2
        } else {
            OriginProtocol::Plain
        };
        let origin = Arc::new(Origin {
            host: host_of(url)?,
            port: url.port_or_known_default()?,
            name: name.into(),
            protocol,
            health: Health::new(self.health.clone()),
        });
        known.insert(Arc::clone(&origin.name), Arc::downgrade(&origin));
        Some(origin)
    }

    /// Those that a snapshot names, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Origin>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.values().filter_map(Weak::upgrade).collect();
        drop(known);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }
}

/// Always with the port, so that `https://a` and `https://a:443` are one.
fn name_of(url: &Url) -> Option<String> {
    let (host, port) = (url.host()?, url.port_or_known_default()?);
    Some(format!("{}://{host}:{port}", url.scheme()))
}

fn host_of(url: &Url) -> Option<String> {
    Some(match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    })
}
