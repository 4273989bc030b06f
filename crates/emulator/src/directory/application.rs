//! An application registration: the Graph `application` resource plus what only the directory knows.
//!
//! The serde form uses Graph's property names; what Graph never shows (tenant, owners, federated
//! credentials, secret hashes, certificates) is taken out again by `graph::application`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    AppRole, Entity, FederatedIdentityCredential, Field, KeyCredential, Kind, PasswordCredential,
    PermissionScope,
};

/// An application registration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "Microsoft Graph's property names"
)]
pub(crate) struct Application {
    /// The object id: neither the client id nor the service principal's id.
    pub(crate) id: Uuid,
    /// The home tenant.
    pub(crate) tenant_id: Uuid,
    /// The client id.
    pub(crate) app_id: Uuid,
    pub(crate) created_date_time: Option<Timestamp>,
    #[serde(default)]
    pub(crate) deleted_date_time: Option<Timestamp>,
    /// The client id of the application that created it, if one did.
    #[serde(default)]
    pub(crate) created_by_app_id: Option<Uuid>,
    pub(crate) display_name: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) unique_name: Option<String>,
    #[serde(default = "single_tenant")]
    pub(crate) sign_in_audience: String,
    #[serde(default)]
    pub(crate) identifier_uris: Vec<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) notes: Option<String>,
    #[serde(default)]
    pub(crate) publisher_domain: Option<String>,
    #[serde(default)]
    pub(crate) disabled_by_microsoft_status: Option<String>,
    #[serde(default)]
    pub(crate) is_disabled: Option<bool>,
    #[serde(default)]
    pub(crate) group_membership_claims: Option<String>,
    #[serde(default)]
    pub(crate) is_device_only_auth_supported: Option<bool>,
    #[serde(default)]
    pub(crate) is_fallback_public_client: Option<bool>,
    #[serde(default)]
    pub(crate) service_management_reference: Option<String>,
    #[serde(default)]
    pub(crate) token_encryption_key_id: Option<Uuid>,
    #[serde(default)]
    pub(crate) saml_metadata_url: Option<String>,
    #[serde(default)]
    pub(crate) default_redirect_uri: Option<String>,
    #[serde(default)]
    pub(crate) application_template_id: Option<String>,
    #[serde(default)]
    pub(crate) api: ApiApplication,
    #[serde(default)]
    pub(crate) app_roles: Vec<AppRole>,
    #[serde(default)]
    pub(crate) required_resource_access: Vec<RequiredResourceAccess>,
    #[serde(default)]
    pub(crate) optional_claims: Option<OptionalClaims>,
    #[serde(default)]
    pub(crate) web: WebApplication,
    #[serde(default)]
    pub(crate) spa: RedirectUris,
    #[serde(default)]
    pub(crate) public_client: RedirectUris,
    #[serde(default)]
    pub(crate) info: InformationalUrl,
    #[serde(default)]
    pub(crate) password_credentials: Vec<PasswordCredential>,
    #[serde(default)]
    pub(crate) key_credentials: Vec<KeyCredential>,
    #[serde(default)]
    pub(crate) federated_identity_credentials: Vec<FederatedIdentityCredential>,
    /// Properties that nothing here interprets, kept as they were checked and written.
    #[serde(default)]
    pub(crate) add_ins: Vec<Value>,
    #[serde(default)]
    pub(crate) certification: Option<Value>,
    #[serde(default)]
    pub(crate) parental_control_settings: ParentalControlSettings,
    #[serde(default)]
    pub(crate) request_signature_verification: Option<Value>,
    #[serde(default)]
    pub(crate) service_principal_lock_configuration: Option<Value>,
    #[serde(default)]
    pub(crate) verified_publisher: VerifiedPublisher,
    #[serde(default)]
    pub(crate) authentication_behaviors: Option<Value>,
    /// Object ids of the users and service principals that own it.
    #[serde(default)]
    pub(crate) owners: Vec<Uuid>,
    /// The principal whose quota it counts against.
    #[serde(default)]
    pub(crate) created_by: Option<Uuid>,
}

/// `apiApplication`: the application as a resource.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ApiApplication {
    pub(crate) accept_mapped_claims: Option<bool>,
    pub(crate) known_client_applications: Vec<Uuid>,
    /// 1 or absent: the application's tokens are V1; 2: V2.
    pub(crate) requested_access_token_version: Option<i32>,
    pub(crate) oauth2_permission_scopes: Vec<PermissionScope>,
    pub(crate) pre_authorized_applications: Vec<PreAuthorizedApplication>,
}

/// A client that needs no consent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PreAuthorizedApplication {
    pub(crate) app_id: Uuid,
    #[serde(default)]
    pub(crate) delegated_permission_ids: Vec<Uuid>,
}

/// What the application asks for at another resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RequiredResourceAccess {
    pub(crate) resource_app_id: Uuid,
    #[serde(default)]
    pub(crate) resource_access: Vec<ResourceAccess>,
}

/// One requested role or scope.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResourceAccess {
    pub(crate) id: Uuid,
    /// `Role` or `Scope`.
    pub(crate) r#type: String,
}

/// Claims that are issued only on request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(
    clippy::struct_field_names,
    reason = "Microsoft Graph's property names"
)]
pub(crate) struct OptionalClaims {
    pub(crate) id_token: Vec<OptionalClaim>,
    pub(crate) access_token: Vec<OptionalClaim>,
    pub(crate) saml2_token: Vec<OptionalClaim>,
}

/// One claim that is issued only on request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OptionalClaim {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) source: Option<String>,
    #[serde(default)]
    pub(crate) essential: bool,
    #[serde(default)]
    pub(crate) additional_properties: Vec<String>,
}

/// `webApplication`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct WebApplication {
    pub(crate) home_page_url: Option<String>,
    pub(crate) logout_url: Option<String>,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) redirect_uri_settings: Vec<Value>,
    pub(crate) implicit_grant_settings: ImplicitGrantSettings,
}

/// `implicitGrantSettings`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ImplicitGrantSettings {
    pub(crate) enable_access_token_issuance: Option<bool>,
    pub(crate) enable_id_token_issuance: Option<bool>,
}

/// `spaApplication` and `publicClientApplication`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RedirectUris {
    pub(crate) redirect_uris: Vec<String>,
}

/// `informationalUrl`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(
    clippy::struct_field_names,
    reason = "Microsoft Graph's property names"
)]
pub(crate) struct InformationalUrl {
    pub(crate) logo_url: Option<String>,
    pub(crate) marketing_url: Option<String>,
    pub(crate) privacy_statement_url: Option<String>,
    pub(crate) support_url: Option<String>,
    pub(crate) terms_of_service_url: Option<String>,
}

/// `parentalControlSettings`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ParentalControlSettings {
    pub(crate) countries_blocked_for_minors: Vec<String>,
    pub(crate) legal_age_group_rule: String,
}

/// `verifiedPublisher`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(
    clippy::struct_field_names,
    reason = "Microsoft Graph's property names"
)]
pub(crate) struct VerifiedPublisher {
    pub(crate) display_name: Option<String>,
    pub(crate) verified_publisher_id: Option<String>,
    pub(crate) added_date_time: Option<Timestamp>,
}

impl Default for ParentalControlSettings {
    fn default() -> Self {
        Self {
            countries_blocked_for_minors: Vec::new(),
            legal_age_group_rule: "Allow".to_owned(),
        }
    }
}

impl Application {
    /// A new registration with Graph's defaults.
    pub(crate) fn new(id: Uuid, app_id: Uuid, tenant_id: Uuid, display_name: &str) -> Self {
        let minimal = serde_json::json!({
            "id": id, "appId": app_id, "tenantId": tenant_id,
            "displayName": display_name, "createdDateTime": null,
        });
        serde_json::from_value(minimal).expect("every other property has a default")
    }

    /// Whether its tokens are V2.
    pub(crate) fn wants_v2_tokens(&self) -> bool {
        self.api.requested_access_token_version == Some(2)
    }

    /// Whether personal Microsoft accounts may sign in, which brings the tighter limits.
    pub(crate) fn allows_personal_accounts(&self) -> bool {
        matches!(
            self.sign_in_audience.as_str(),
            "AzureADandPersonalMicrosoftAccount" | "PersonalMicrosoftAccount"
        )
    }

    /// Whether tenants other than the home tenant may use it.
    pub(crate) fn is_multi_tenant(&self) -> bool {
        self.sign_in_audience != "AzureADMyOrg"
    }
}

impl Entity for Application {
    const KIND: Kind = Kind::Application;

    fn id(&self) -> Uuid {
        self.id
    }

    fn tenant_id(&self) -> Uuid {
        self.tenant_id
    }

    fn keys(&self, add: &mut dyn FnMut(Field, &str)) {
        add(
            Field::AppId,
            uuid_text(self.app_id, &mut Uuid::encode_buffer()),
        );
        add(Field::DisplayName, &self.display_name);
        if let Some(name) = &self.unique_name {
            add(Field::UniqueName, name);
        }
        for uri in &self.identifier_uris {
            add(Field::Uri, uri);
        }
        for tag in &self.tags {
            add(Field::Tag, tag);
        }
        if let Some(creator) = self.created_by {
            add(
                Field::CreatedBy,
                uuid_text(creator, &mut Uuid::encode_buffer()),
            );
        }
        for owner in &self.owners {
            add(Field::Owner, uuid_text(*owner, &mut Uuid::encode_buffer()));
        }
    }
}

pub(super) fn uuid_text(id: Uuid, buffer: &mut [u8; 45]) -> &str {
    id.hyphenated().encode_lower(buffer)
}

fn single_tenant() -> String {
    "AzureADMyOrg".to_owned()
}
