//! The form of type `AzureAD`: WSO2's fields first, in its order and words, so that its configurations paste in;
//! then our additions. Documented difference: new clients get version 2 tokens unless configured otherwise.

use domain::connector_descriptor::{ConfigurationField, ConnectorDescriptor, FieldKind};

use super::cloud;

pub(super) const GRAPH_ENDPOINT: &str = "microsoft_graph_api_endpoint";
pub(super) const GRAPH_VERSION: &str = "microsoft_graph_api_endpoint_version";
pub(super) const TOKEN_VERSION: &str = "azure_ad_requested_access_token_version";
pub(super) const CLIENT_ID: &str = "azure_ad_client_id";
pub(super) const CLIENT_SECRET: &str = "azure_ad_client_secret";
pub(super) const POLLING_INITIAL_DELAY: &str = "polling_initial_delay_ms";
pub(super) const POLLING_MAXIMUM_WAIT: &str = "polling_max_wait_time_ms";
pub(super) const POLLING_BUDGET: &str = "polling_budget_ms";
pub(super) const CLOUD: &str = "azure_ad_cloud";
pub(super) const SECRET_LIFETIME: &str = "azure_ad_client_secret_lifetime_days";
pub(super) const ACCEPTED_VERSIONS: &str = "azure_ad_accepted_token_versions";
pub(super) const PURGE_DELETED: &str = "azure_ad_purge_deleted";

/// Values of [`ACCEPTED_VERSIONS`].
pub(super) const ACCEPT_ISSUER: &str = "issuer";
pub(super) const ACCEPT_BOTH: &str = "v1_v2";

pub(super) fn descriptor() -> ConnectorDescriptor {
    ConnectorDescriptor {
        connector_type: "AzureAD",
        display_name: "Azure AD",
        default_consumer_key_claim: "azp",
        default_scopes_claim: "",
        configurations: configurations(),
        endpoint_configurations: endpoints(),
        application_configurations: Vec::new(),
    }
}

fn configurations() -> Vec<ConfigurationField> {
    let input = ConfigurationField::input;
    vec![
        input(
            GRAPH_ENDPOINT,
            "Microsoft Graph API Endpoint",
            "Microsoft's Graph API Endpoint",
        )
        .with_default(cloud::GLOBAL_GRAPH)
        .required(),
        input(
            GRAPH_VERSION,
            "Microsoft Graph API Endpoint Version",
            "Microsoft's Graph API Endpoint Version",
        )
        .choice(FieldKind::Select, &["v1.0"])
        .with_default("v1.0")
        .required(),
        input(
            TOKEN_VERSION,
            "Requested Access Token Version",
            "Select the requested access token version",
        )
        .choice(FieldKind::Options, &["v1.0", "v2.0"])
        .with_default("v2.0")
        .immutable(),
        input(CLIENT_ID, "Client ID", "Azure AD App Client ID").required(),
        input(CLIENT_SECRET, "Client Secret", "Azure AD App Client Secret")
            .required()
            .masked(),
        input(
            POLLING_INITIAL_DELAY,
            "Initial Delay (in ms) for Application Polling",
            "The initial time to wait before starting polling for Azure Application creation",
        )
        .with_default("500"),
        input(
            POLLING_MAXIMUM_WAIT,
            "Maximum Waiting Time (in ms) for Application Polling",
            "The maximum time to wait for Azure Application creation",
        )
        .with_default("5000"),
        input(
            POLLING_BUDGET,
            "Total Time (in ms) for One Operation",
            "When waiting for Azure's synchronization ends, over all attempts of one operation",
        )
        .with_default("120000"),
        input(CLOUD, "Cloud", "The Microsoft cloud that holds the tenant")
            .choice(FieldKind::Dropdown, &cloud::CHOICES)
            .with_default("global"),
        input(
            ACCEPTED_VERSIONS,
            "Accepted Tokens",
            "issuer: exactly the configured issuer; v1_v2: V1 and V2 tokens of the tenant",
        )
        .choice(FieldKind::Options, &[ACCEPT_ISSUER, ACCEPT_BOTH])
        .with_default(ACCEPT_ISSUER),
        input(
            SECRET_LIFETIME,
            "Client Secret Lifetime (in days)",
            "How long the secrets of new clients are valid, 1 to 730 days",
        )
        .with_default("180"),
        input(
            PURGE_DELETED,
            "Purge Deleted Clients",
            "Remove deleted clients from Azure's deleted items too, where they would stay for 30 days",
        )
        .choice(FieldKind::Checkbox, &[])
        .with_default(true),
    ]
}

/// Only the token endpoint is needed. Entra has no introspection and no revocation; registration is Microsoft Graph's.
fn endpoints() -> Vec<ConfigurationField> {
    let input = ConfigurationField::input;
    vec![
        input(
            "client_registration_endpoint",
            "Client Registration Endpoint",
            "The Microsoft Graph API endpoint",
        ),
        input(
            "introspection_endpoint",
            "Introspection Endpoint",
            "Azure AD has none",
        ),
        input(
            "token_endpoint",
            "Token Endpoint",
            "The OAuth 2.0 token endpoint (v2.0) of the tenant",
        )
        .required(),
        input("revoke_endpoint", "Revoke Endpoint", "Azure AD has none"),
        input(
            "userinfo_endpoint",
            "UserInfo Endpoint",
            "For example https://graph.microsoft.com/oidc/userinfo",
        ),
        input(
            "authorize_endpoint",
            "Authorize Endpoint",
            "The OAuth 2.0 authorization endpoint (v2.0) of the tenant",
        ),
        input(
            "display_token_endpoint",
            "Display Token Endpoint",
            "Shown to developers instead of the token endpoint",
        ),
        input(
            "display_revoke_endpoint",
            "Display Revoke Endpoint",
            "Shown to developers instead of the revoke endpoint",
        ),
    ]
}
