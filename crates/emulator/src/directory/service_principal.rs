//! A service principal: an application's presence in a tenant, the `oid` and `sub` of its tokens.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use jiff::Timestamp;

use super::{
    AppRole, Application, Entity, Field, Kind, PermissionScope, application::uuid_text,
    user::administers_applications,
};

/// An application's presence in a tenant. Roles, scopes and names mirror the application.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "Microsoft Graph's property names"
)]
pub(crate) struct ServicePrincipal {
    pub(crate) id: Uuid,
    pub(crate) tenant_id: Uuid,
    pub(crate) app_id: Uuid,
    pub(crate) created_date_time: Option<Timestamp>,
    #[serde(default)]
    pub(crate) deleted_date_time: Option<Timestamp>,
    /// The application's home tenant.
    pub(crate) app_owner_organization_id: Uuid,
    pub(crate) app_display_name: String,
    pub(crate) display_name: String,
    #[serde(default = "enabled")]
    pub(crate) account_enabled: bool,
    #[serde(default)]
    pub(crate) app_role_assignment_required: bool,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) app_description: Option<String>,
    /// The client id and the App ID URIs.
    #[serde(default)]
    pub(crate) service_principal_names: Vec<String>,
    #[serde(default = "application_type")]
    pub(crate) service_principal_type: String,
    #[serde(default)]
    pub(crate) sign_in_audience: Option<String>,
    #[serde(default)]
    pub(crate) app_roles: Vec<AppRole>,
    #[serde(default)]
    pub(crate) oauth2_permission_scopes: Vec<PermissionScope>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) notes: Option<String>,
    #[serde(default)]
    pub(crate) alternative_names: Vec<String>,
    #[serde(default)]
    pub(crate) homepage: Option<String>,
    #[serde(default)]
    pub(crate) login_url: Option<String>,
    #[serde(default)]
    pub(crate) logout_url: Option<String>,
    #[serde(default)]
    pub(crate) notification_email_addresses: Vec<String>,
    #[serde(default)]
    pub(crate) preferred_single_sign_on_mode: Option<String>,
    #[serde(default)]
    pub(crate) reply_urls: Vec<String>,
    #[serde(default)]
    pub(crate) owners: Vec<Uuid>,
    /// The principal whose quota it counts against.
    #[serde(default)]
    pub(crate) created_by: Option<Uuid>,
    /// Directory roles by display name.
    #[serde(default)]
    pub(crate) directory_roles: Vec<String>,
}

impl ServicePrincipal {
    /// The presence of `application` in `tenant_id`.
    pub(crate) fn of(application: &Application, id: Uuid, tenant_id: Uuid) -> Self {
        let minimal = serde_json::json!({
            "id": id, "tenantId": tenant_id, "appId": application.app_id, "createdDateTime": null,
            "appOwnerOrganizationId": application.tenant_id,
            "appDisplayName": "", "displayName": application.display_name,
        });
        let mut principal: Self =
            serde_json::from_value(minimal).expect("every other property has a default");
        principal.mirror(application);
        principal
    }

    /// Whether a directory role lets it administer all applications, without an object quota.
    pub(crate) fn administers_applications(&self) -> bool {
        administers_applications(&self.directory_roles)
    }

    /// Takes over what a service principal shows of its application.
    pub(crate) fn mirror(&mut self, application: &Application) {
        if self.display_name == self.app_display_name {
            self.display_name.clone_from(&application.display_name);
        }
        self.app_display_name.clone_from(&application.display_name);
        self.app_description.clone_from(&application.description);
        self.sign_in_audience = Some(application.sign_in_audience.clone());
        self.app_roles.clone_from(&application.app_roles);
        self.oauth2_permission_scopes
            .clone_from(&application.api.oauth2_permission_scopes);
        self.homepage.clone_from(&application.web.home_page_url);
        self.logout_url.clone_from(&application.web.logout_url);
        self.reply_urls.clone_from(&application.web.redirect_uris);
        self.service_principal_names = std::iter::once(application.app_id.to_string())
            .chain(application.identifier_uris.iter().cloned())
            .collect();
    }
}

impl Entity for ServicePrincipal {
    const KIND: Kind = Kind::ServicePrincipal;

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
        for name in &self.service_principal_names {
            add(Field::Uri, name);
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

fn enabled() -> bool {
    true
}

fn application_type() -> String {
    "Application".to_owned()
}
