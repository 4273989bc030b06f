//! A fixed number of decisions. The count of instructions is the difference between two runs of different length,
//! so that the start does not matter.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gateway::{GatewayConfig, KeySetConfig};
use http::{HeaderMap, HeaderValue, Method};

use crate::node::{start, wait_for_keys};
use crate::world::World;

#[derive(Args)]
pub(crate) struct Instructions {
    /// Where `prepare` wrote.
    folder: PathBuf,
    what: Decision,
    count: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Decision {
    /// The token is in the cache.
    Hit,
    /// There is no cache: the signature is verified every time.
    Miss,
}

impl Instructions {
    pub(crate) fn run(&self) -> Result<(), String> {
        let mut config = GatewayConfig {
            key_sets: KeySetConfig {
                // Nothing but decisions may run.
                check_every: Duration::from_hours(1),
                ..KeySetConfig::default()
            },
            ..GatewayConfig::default()
        };
        config.listen.set_port(0);
        if self.what == Decision::Miss {
            config.token_cache_bytes = 0;
        }
        let gateway = start(&self.folder, None, config)?;
        let world = World::of(20, 200);
        let update = world.whole("http://127.0.0.1:9", "http://127.0.0.1:9/keys")?;
        gateway.apply(update).map_err(|error| error.to_string())?;
        wait_for_keys(&gateway)?;

        let text = std::fs::read_to_string(self.folder.join("tokens"))
            .map_err(|error| format!("tokens: {error}"))?;
        // The first token is client 0's, whose first API is the first.
        let (_, token) = text
            .lines()
            .next()
            .and_then(|line| line.split_once(' '))
            .ok_or("no token")?;
        let headers = headers(token)?;
        let path = world.path_of(0);
        for _ in 0..self.count {
            if !gateway.permits(CLIENT, &Method::GET, &path, &headers) {
                return Err("a decision was a refusal".to_owned());
            }
        }
        Ok(())
    }
}

/// Where requests come from.
pub(crate) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a client sends.
pub(crate) fn headers(token: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in [("host", "gateway.example"), ("accept", "application/json")] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let value =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| error.to_string())?;
    headers.insert("authorization", value);
    Ok(headers)
}
