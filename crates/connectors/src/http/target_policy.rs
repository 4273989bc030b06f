//! Which addresses a guarded request may reach.
//!
//! The check is made on addresses written in a URL and again on what a name resolves to, in the resolver whose
//! answer the connection uses: a name that changes its address between two look-ups gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::FetchError;

/// What guarded requests may reach beside the public internet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PrivateTargets {
    #[default]
    Refused,
    Allowed,
    /// These networks only.
    AllowedNetworks(Vec<IpNet>),
}

/// A redirect or a name led to an address that is not permitted.
#[derive(Debug, thiserror::Error)]
#[error("{host} is an address that may only be reached from inside")]
pub(super) struct RefusedTarget {
    pub(super) host: String,
}

impl PrivateTargets {
    /// Refuses what a URL says by itself. Names are checked when they are resolved.
    pub(super) fn check(&self, url: &Url) -> Result<(), FetchError> {
        let usable = matches!(url.scheme(), "https" | "http")
            && url.username().is_empty()
            && url.password().is_none();
        let Some(host) = url.host().filter(|_| usable) else {
            return Err(FetchError::UnsupportedUrl);
        };
        let permitted = match host {
            Host::Ipv4(address) => self.permit(address.into()),
            Host::Ipv6(address) => self.permit(address.into()),
            Host::Domain(_) => true,
        };
        if permitted {
            Ok(())
        } else {
            Err(FetchError::RefusedTarget {
                host: host.to_string(),
            })
        }
    }

    pub(super) fn permit(&self, address: IpAddr) -> bool {
        let address = embedded_ipv4(address).map_or(address, IpAddr::V4);
        match self {
            Self::Allowed => true,
            Self::Refused => is_public(address),
            Self::AllowedNetworks(networks) => {
                is_public(address) || networks.iter().any(|network| network.contains(&address))
            }
        }
    }
}

/// Networks that are not the public internet: IANA's special-purpose registries for IPv4 and IPv6, and one cloud's
/// host service that sits on a public-looking address.
const SPECIAL_IPV4: [(Ipv4Addr, u8); 17] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Global unicast is the only public block; these lie within it.
const SPECIAL_IPV6: [(Ipv6Addr, u8); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_IPV4.iter().any(|&(network, length)| {
            let mask = u32::MAX << (32 - length);
            (address.to_bits() & mask) == network.to_bits()
        }),
        IpAddr::V6(address) => {
            let is_global_unicast = address.segments()[0] & 0xe000 == 0x2000;
            is_global_unicast
                && !SPECIAL_IPV6.iter().any(|&(network, length)| {
                    let mask = u128::MAX << (128 - length);
                    (address.to_bits() & mask) == network.to_bits()
                })
        }
    }
}

/// The IPv4 address that a packet to this IPv6 address ends at: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else {
        return None;
    };
    let joined = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(joined(high, low))
        }
        [0x2002, high, low, ..] => Some(joined(high, low)),
        _ => None,
    }
}

/// Resolves names by the system and drops addresses that are not permitted.
pub(super) struct FilteringResolver {
    targets: Arc<PrivateTargets>,
    /// The proxy was named by an administrator; it may stand anywhere.
    proxy_host: Option<String>,
}

impl FilteringResolver {
    pub(super) fn new(targets: Arc<PrivateTargets>, proxy_host: Option<&str>) -> Self {
        Self {
            targets,
            proxy_host: proxy_host.map(str::to_owned),
        }
    }
}

impl Resolve for FilteringResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let targets = Arc::clone(&self.targets);
        let is_proxy = self.proxy_host.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One private address among public ones is a trap as well: all must be permitted.
            if !is_proxy && found.iter().any(|address| !targets.permit(address.ip())) {
                return Err(RefusedTarget {
                    host: name.as_str().to_owned(),
                }
                .into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
