//! Microsoft's clouds: which hosts issue tokens and which one is Microsoft Graph. Data only.

/// One cloud's hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cloud {
    /// The setting's value.
    pub(super) name: &'static str,
    /// Issuer of version 2 tokens: `https://{login}/{tenant}/v2.0`.
    pub(super) login: &'static str,
    /// Issuer of version 1 tokens: `https://{version_1_issuer}/{tenant}/`.
    pub(super) version_1_issuer: &'static str,
    pub(super) graph: &'static str,
}

pub(super) const GLOBAL_GRAPH: &str = "https://graph.microsoft.com";

/// The choices of the setting `azure_ad_cloud`; `custom` stands for hosts that are none of these.
pub(super) const CHOICES: [&str; 4] = ["global", "us_government", "china", "custom"];

/// Microsoft's pages on national clouds.
const CLOUDS: [Cloud; 3] = [
    Cloud {
        name: "global",
        login: "login.microsoftonline.com",
        version_1_issuer: "sts.windows.net",
        graph: GLOBAL_GRAPH,
    },
    Cloud {
        name: "us_government",
        login: "login.microsoftonline.us",
        version_1_issuer: "sts.windows.net",
        graph: "https://graph.microsoft.us",
    },
    Cloud {
        name: "china",
        login: "login.partner.microsoftonline.cn",
        version_1_issuer: "sts.chinacloudapi.cn",
        graph: "https://microsoftgraph.chinacloudapi.cn",
    },
];

/// `None` for `custom`.
pub(super) fn by_name(name: &str) -> Option<&'static Cloud> {
    CLOUDS.iter().find(|cloud| cloud.name == name)
}
