//! Which ports the demonstration takes: the usual ones, or any free ones, remembered in its folder, because key
//! managers and APIs of an earlier start name them in their addresses.

use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use url::Url;

const FILE_NAME: &str = "ports.json";

/// 0 means any free one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) control: u16,
    pub(super) gateway: u16,
    pub(super) entra: u16,
    pub(super) sample_api: u16,
}

impl Ports {
    pub(super) const USUAL: Self = Self {
        control: 9080,
        gateway: 8280,
        entra: 8443,
        sample_api: 9180,
    };

    /// The ones that an earlier start over this folder took; any free ones at the first.
    pub(super) fn remembered(folder: &Path) -> Self {
        std::fs::read_to_string(folder.join(FILE_NAME))
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    pub(super) fn remember(self, folder: &Path) -> Result<(), String> {
        let file = folder.join(FILE_NAME);
        let text = serde_json::to_string(&self).map_err(|error| error.to_string())?;
        std::fs::write(&file, text)
            .map_err(|error| format!("cannot write {}: {error}", file.display()))
    }
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The port of an address that something listens on.
pub(super) fn port_of(url: &str) -> u16 {
    Url::parse(url)
        .ok()
        .and_then(|url| url.port_or_known_default())
        .unwrap_or_default()
}
