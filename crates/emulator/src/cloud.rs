//! What differs between the clouds that a tenant can live in: issuers, hosts and names.
//!
//! Values: Microsoft's *National clouds*. Which cloud a tenant lives in is the directory's affair.

use uuid::Uuid;

use crate::directory::CloudProfile;

/// Every host under which some cloud's Microsoft Graph is addressed as a resource.
const GRAPH_HOSTS: [&str; 5] = [
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
    "canary.graph.microsoft.com",
];

impl CloudProfile {
    /// The host of sign-in and token endpoints.
    pub(crate) fn login_host(self, tenant: Uuid) -> String {
        match self {
            Self::Global => "login.microsoftonline.com".to_owned(),
            Self::UnitedStates => "login.microsoftonline.us".to_owned(),
            Self::China => "login.partner.microsoftonline.cn".to_owned(),
            Self::ExternalId => format!("{tenant}.ciamlogin.com"),
        }
    }

    /// The `iss` of V2 tokens.
    pub(crate) fn v2_issuer(self, tenant: Uuid) -> String {
        format!("https://{}/{tenant}/v2.0", self.login_host(tenant))
    }

    /// The `iss` of V1 tokens.
    pub(crate) fn v1_issuer(self, tenant: Uuid) -> String {
        match self {
            Self::China => format!("https://sts.chinacloudapi.cn/{tenant}/"),
            Self::Global | Self::UnitedStates | Self::ExternalId => {
                format!("https://sts.windows.net/{tenant}/")
            }
        }
    }

    /// The host of Microsoft Graph, which is also the audience of its tokens.
    pub(crate) fn graph_host(self) -> &'static str {
        match self {
            Self::Global | Self::ExternalId => "graph.microsoft.com",
            Self::UnitedStates => "graph.microsoft.us",
            Self::China => "microsoftgraph.chinacloudapi.cn",
        }
    }

    /// `cloud_instance_name` of the discovery documents.
    pub(crate) fn instance_name(self) -> &'static str {
        match self {
            Self::Global | Self::ExternalId => "microsoftonline.com",
            Self::UnitedStates => "microsoftonline.us",
            Self::China => "partner.microsoftonline.cn",
        }
    }

    /// `cloud_graph_host_name` of the discovery documents: the retired Azure AD Graph.
    pub(crate) fn retired_graph_host(self) -> &'static str {
        match self {
            Self::China => "graph.chinacloudapi.cn",
            Self::Global | Self::UnitedStates | Self::ExternalId => "graph.windows.net",
        }
    }
}

/// Whether `host` is Microsoft Graph in some cloud.
pub(crate) fn is_graph_host(host: &str) -> bool {
    GRAPH_HOSTS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(host))
}
