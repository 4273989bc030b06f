//! Instance discovery: which hosts are authorities, asked by clients that are given one.

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::token_service::Refusal;

/// Hosts of one cloud: preferred network host, preferred cache host, aliases.
const CLOUDS: [(&str, &str, &[&str]); 3] = [
    (
        "login.microsoftonline.com",
        "login.windows.net",
        &[
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
        ],
    ),
    (
        "login.partner.microsoftonline.cn",
        "login.partner.microsoftonline.cn",
        &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    ),
    (
        "login.microsoftonline.us",
        "login.microsoftonline.us",
        &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    ),
];

/// The query of `GET /common/discovery/instance`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct InstanceQuery {
    #[serde(default)]
    authorization_endpoint: Option<String>,
    #[serde(default, rename = "api-version")]
    api_version: Option<String>,
}

/// The document; `base` is this emulator's address, which is an authority as well.
///
/// # Errors
/// AADSTS900144 without an endpoint, AADSTS50049 for a host that is no authority.
pub(super) fn document(base: &str, query: &InstanceQuery) -> Result<Value, Refusal> {
    let endpoint = query
        .authorization_endpoint
        .as_deref()
        .ok_or(Refusal::MissingParameter("authorization_endpoint"))?;
    let own = Url::parse(base).map_err(|_| Refusal::UnknownInstance)?;
    let asked = Url::parse(endpoint).map_err(|_| Refusal::UnknownInstance)?;
    let host = asked.host_str().unwrap_or_default();
    if !is_own_host(&own, host) && !is_cloud_host(host) {
        return Err(Refusal::UnknownInstance);
    }
    let tenant = asked
        .path_segments()
        .and_then(|mut segments| segments.next())
        .unwrap_or_default();
    let mut metadata: Vec<Value> = CLOUDS
        .iter()
        .map(|(network, cache, aliases)| {
            json!({ "preferred_network": network, "preferred_cache": cache, "aliases": aliases })
        })
        .collect();
    let authority = own.authority();
    metadata.push(json!({
        "preferred_network": authority,
        "preferred_cache": authority,
        "aliases": [authority, own.host_str().unwrap_or_default()],
    }));
    let version = query.api_version.as_deref().unwrap_or("1.0");
    Ok(json!({
        "tenant_discovery_endpoint": format!("{base}/{tenant}{}", metadata_path(&asked)),
        "api-version": if version == "1.1" { "1.1" } else { "1.0" },
        "metadata": metadata,
    }))
}

fn is_own_host(own: &Url, host: &str) -> bool {
    // Some clients leave the port out when they ask.
    own.host_str() == Some(host) || matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

fn is_cloud_host(host: &str) -> bool {
    host.ends_with(".ciamlogin.com") || CLOUDS.iter().any(|(_, _, aliases)| aliases.contains(&host))
}

fn metadata_path(authorization_endpoint: &Url) -> &'static str {
    if authorization_endpoint.path().contains("/v2.0/") {
        "/v2.0/.well-known/openid-configuration"
    } else {
        "/.well-known/openid-configuration"
    }
}
