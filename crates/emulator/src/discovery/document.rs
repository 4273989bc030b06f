//! The OpenID Connect metadata of a tenant or of a shared authority, in both versions.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::directory::{CloudProfile, Tenant};
use crate::state::State;
use crate::token_service::{Refusal, find_tenant};

/// The tenant of personal Microsoft accounts.
const CONSUMERS: Uuid = Uuid::from_u128(0x9188_040d_6c67_4c5b_b112_36a3_04b6_6dad);
/// What the issuer of a shared authority has in place of a tenant id.
const TEMPLATE: &str = "{tenantid}";

/// What a document is about.
pub(super) enum Subject {
    Tenant(Arc<Tenant>),
    Consumers,
    /// `common` or `organizations`.
    Shared(&'static str),
}

impl Subject {
    /// What the first segment of a path names.
    pub(super) fn find(state: &State, segment: &str) -> Result<Self, Refusal> {
        match segment.to_ascii_lowercase().as_str() {
            "common" => Ok(Self::Shared("common")),
            "organizations" => Ok(Self::Shared("organizations")),
            "consumers" => Ok(Self::Consumers),
            _ => find_tenant(&state.directory(), segment).map(Self::Tenant),
        }
    }

    /// The V2 document; `base` is this emulator's address.
    pub(super) fn metadata_v2(&self, base: &str) -> Value {
        let segment = self.segment();
        let mut document = self.common_members();
        let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
        set("issuer", json!(self.v2_issuer()));
        set(
            "token_endpoint",
            json!(format!("{base}/{segment}/oauth2/v2.0/token")),
        );
        set(
            "jwks_uri",
            json!(format!("{base}/{segment}/discovery/v2.0/keys")),
        );
        set(
            "authorization_endpoint",
            json!(format!("{base}/{segment}/oauth2/v2.0/authorize")),
        );
        set(
            "device_authorization_endpoint",
            json!(format!("{base}/{segment}/oauth2/v2.0/devicecode")),
        );
        set(
            "end_session_endpoint",
            json!(format!("{base}/{segment}/oauth2/v2.0/logout")),
        );
        set("userinfo_endpoint", json!(format!("{base}/oidc/userinfo")));
        set(
            "scopes_supported",
            json!(["openid", "profile", "email", "offline_access"]),
        );
        set("response_types_supported", json!(["code"]));
        set("request_uri_parameter_supported", json!(false));
        set(
            "claims_supported",
            json!([
                "sub",
                "iss",
                "cloud_instance_name",
                "cloud_instance_host_name",
                "cloud_graph_host_name",
                "msgraph_host",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "acr",
                "nonce",
                "preferred_username",
                "name",
                "tid",
                "ver",
                "at_hash",
                "c_hash",
                "email"
            ]),
        );
        Value::Object(document)
    }

    /// The V1 document; `base` is this emulator's address.
    pub(super) fn metadata_v1(&self, base: &str) -> Value {
        let segment = self.segment();
        let mut document = self.common_members();
        let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
        set("issuer", json!(self.v1_issuer()));
        set(
            "token_endpoint",
            json!(format!("{base}/{segment}/oauth2/token")),
        );
        set(
            "jwks_uri",
            json!(format!("{base}/{segment}/discovery/keys")),
        );
        set(
            "authorization_endpoint",
            json!(format!("{base}/{segment}/oauth2/authorize")),
        );
        set(
            "device_authorization_endpoint",
            json!(format!("{base}/{segment}/oauth2/devicecode")),
        );
        set(
            "end_session_endpoint",
            json!(format!("{base}/{segment}/oauth2/logout")),
        );
        set(
            "userinfo_endpoint",
            json!(format!("{base}/{segment}/openid/userinfo")),
        );
        set("scopes_supported", json!(["openid"]));
        set("response_types_supported", json!(["code"]));
        set("microsoft_multi_refresh_token", json!(true));
        set(
            "claims_supported",
            json!([
                "sub",
                "iss",
                "cloud_instance_name",
                "cloud_instance_host_name",
                "cloud_graph_host_name",
                "msgraph_host",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "acr",
                "amr",
                "nonce",
                "email",
                "given_name",
                "family_name",
                "nickname"
            ]),
        );
        Value::Object(document)
    }

    /// The `issuer` member of the keys of this key set. Entra keeps the template in all of them.
    pub(super) fn key_issuer(&self) -> String {
        match self {
            Self::Tenant(tenant) if tenant.profile == CloudProfile::ExternalId => self.v2_issuer(),
            Self::Tenant(tenant) => {
                format!(
                    "https://{}/{TEMPLATE}/v2.0",
                    tenant.profile.login_host(tenant.id)
                )
            }
            Self::Consumers | Self::Shared(_) => template_issuer(),
        }
    }

    fn common_members(&self) -> Map<String, Value> {
        let profile = self.profile();
        let Value::Object(mut members) = json!({
            "token_endpoint_auth_methods_supported": [
                "client_secret_post", "private_key_jwt", "client_secret_basic",
                "self_signed_tls_client_auth"
            ],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "http_logout_supported": true,
            "frontchannel_logout_supported": true,
            "tenant_region_scope": null,
            "cloud_instance_name": profile.instance_name(),
            "cloud_graph_host_name": profile.retired_graph_host(),
            "msgraph_host": profile.graph_host(),
            "rbac_url": "https://pas.windows.net",
        }) else {
            return Map::new();
        };
        if matches!(self, Self::Tenant(_)) {
            members.insert("tenant_region_scope".to_owned(), json!("EU"));
        }
        members
    }

    fn segment(&self) -> String {
        match self {
            // Whatever name was used, the document shows the id.
            Self::Tenant(tenant) => tenant.id.to_string(),
            Self::Consumers => "consumers".to_owned(),
            Self::Shared(name) => (*name).to_owned(),
        }
    }

    fn v2_issuer(&self) -> String {
        match self {
            Self::Tenant(tenant) => tenant.profile.v2_issuer(tenant.id),
            Self::Consumers => CloudProfile::Global.v2_issuer(CONSUMERS),
            Self::Shared(_) => template_issuer(),
        }
    }

    fn v1_issuer(&self) -> String {
        match self {
            Self::Tenant(tenant) => tenant.profile.v1_issuer(tenant.id),
            Self::Consumers => CloudProfile::Global.v1_issuer(CONSUMERS),
            Self::Shared(_) => format!("https://sts.windows.net/{TEMPLATE}/"),
        }
    }

    fn profile(&self) -> CloudProfile {
        match self {
            Self::Tenant(tenant) => tenant.profile,
            Self::Consumers | Self::Shared(_) => CloudProfile::Global,
        }
    }
}

fn template_issuer() -> String {
    format!("https://login.microsoftonline.com/{TEMPLATE}/v2.0")
}
