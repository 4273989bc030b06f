//! A gateway that is asked without a network, and what it is asked.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use gateway::{Gateway, GatewayConfig, KeySetConfig};
use http::{HeaderMap, HeaderValue, Method};

use crate::node::{start, wait_for_keys};
use crate::prepare::now;
use crate::token::{KEYS, Signer};
use crate::world::World;

/// Where requests come from.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a client sends.
pub struct Request {
    pub(crate) path: String,
    headers: HeaderMap,
}

impl Request {
    pub(crate) fn new(path: String, token: &str) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "gateway.example"), ("accept", "application/json")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let value =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| error.to_string())?;
        headers.insert("authorization", value);
        Ok(Self { path, headers })
    }

    pub(crate) fn passes(&self, gateway: &Gateway) -> bool {
        gateway.permits(CLIENT, &Method::GET, &self.path, &self.headers)
    }
}

/// The world of the comparison behind one gateway, and somebody who signs tokens for it.
pub struct Decisions {
    gateway: Gateway,
    signer: Signer,
    now: i64,
}

impl Decisions {
    /// Keys are kept in `folder`, which is made if there is none.
    pub fn prepare(folder: &Path) -> Result<Self, String> {
        let signer = Signer::publish(folder)?;
        let gateway = start(folder, None, undisturbed())?;
        let update = World::STANDARD.whole("http://127.0.0.1:9", "http://127.0.0.1:9/keys")?;
        gateway.apply(update).map_err(|error| error.to_string())?;
        wait_for_keys(&gateway)?;
        Ok(Self {
            gateway,
            signer,
            now: now()?,
        })
    }

    /// A request with the token of this number, which no other number has: of the client whose turn it is, to an API
    /// that it is subscribed to.
    pub fn request(&self, number: usize) -> Result<Request, String> {
        let world = World::STANDARD;
        let token = self.signer.token(world, number, self.now)?;
        Request::new(world.path_of(number % world.clients), &token)
    }

    /// The same with the signature of another token, by the same key: any less of a signature is refused sooner.
    pub fn forged_request(&self, number: usize) -> Result<Request, String> {
        let world = World::STANDARD;
        let token = self.signer.token(world, number, self.now)?;
        let other = self.signer.token(world, number + KEYS, self.now)?;
        let (signed, _) = token.rsplit_once('.').ok_or("a token without signature")?;
        let (_, signature) = other.rsplit_once('.').ok_or("a token without signature")?;
        let path = world.path_of(number % world.clients);
        Request::new(path, &format!("{signed}.{signature}"))
    }

    /// Whether the gateway lets it through.
    pub fn permit(&self, request: &Request) -> bool {
        request.passes(&self.gateway)
    }
}

/// Nothing but decisions runs.
pub(crate) fn undisturbed() -> GatewayConfig {
    let mut config = GatewayConfig {
        key_sets: KeySetConfig {
            check_every: Duration::from_hours(1),
            ..KeySetConfig::default()
        },
        ..GatewayConfig::default()
    };
    config.listen.set_port(0);
    config
}
