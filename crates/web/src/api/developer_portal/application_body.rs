//! WSO2's `Application` (developer portal API) and its translation to and from [`ApplicationSettings`].

use std::collections::BTreeMap;

use control::application::ApplicationView;
use domain::application::{Application, ApplicationSettings, ApplicationStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A consumer's application. Portals send back what they read, so read-only fields are accepted and ignored.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Application)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationBody {
    #[schema(read_only)]
    pub application_id: Option<String>,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Name of an application-level throttling policy.
    #[schema(min_length = 1, example = "Unlimited")]
    pub throttling_policy: String,
    #[schema(max_length = 512)]
    pub description: Option<String>,
    /// `JWT` or `OAUTH`.
    #[schema(example = "JWT")]
    pub token_type: Option<String>,
    #[schema(read_only)]
    pub status: Option<String>,
    pub groups: Option<Vec<String>>,
    #[schema(read_only)]
    pub subscription_count: Option<u64>,
    /// Always empty: read `oauth-keys`.
    #[schema(read_only, value_type = Option<Vec<Object>>)]
    pub keys: Option<Vec<Value>>,
    #[schema(value_type = Option<Object>)]
    pub attributes: Option<BTreeMap<String, String>>,
    /// Always empty.
    #[schema(value_type = Option<Vec<Object>>)]
    pub subscription_scopes: Option<Vec<Value>>,
    #[schema(read_only)]
    pub owner: Option<String>,
    #[schema(read_only)]
    pub hash_enabled: Option<bool>,
    /// Milliseconds since 1970.
    #[schema(read_only)]
    pub created_time: Option<String>,
    /// Milliseconds since 1970.
    #[schema(read_only)]
    pub updated_time: Option<String>,
    /// `PRIVATE` or `SHARED_WITH_ORG`.
    #[schema(example = "PRIVATE")]
    pub visibility: Option<String>,
}

/// An application in a list or beside a subscription.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationInfo {
    application_id: String,
    name: String,
    throttling_policy: String,
    description: String,
    status: String,
    groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_count: Option<u64>,
    #[schema(value_type = Object)]
    attributes: BTreeMap<String, String>,
    owner: String,
    token_type: String,
    /// Milliseconds since 1970.
    created_time: String,
    /// Milliseconds since 1970.
    updated_time: String,
}

impl From<ApplicationBody> for ApplicationSettings {
    fn from(body: ApplicationBody) -> Self {
        Self {
            name: body.name,
            throttling_policy: body.throttling_policy,
            description: body.description.unwrap_or_default(),
            token_type: body.token_type.unwrap_or_else(|| "JWT".to_owned()),
            attributes: body.attributes.unwrap_or_default(),
            groups: body.groups.unwrap_or_default(),
            visibility: body.visibility.unwrap_or_else(|| "PRIVATE".to_owned()),
        }
    }
}

impl From<ApplicationView> for ApplicationBody {
    fn from(view: ApplicationView) -> Self {
        let application = view.application;
        Self {
            application_id: Some(application.id.to_string()),
            name: application.settings.name,
            throttling_policy: application.settings.throttling_policy,
            description: Some(application.settings.description),
            token_type: Some(application.settings.token_type),
            status: Some(status(application.status).to_owned()),
            groups: Some(application.settings.groups),
            subscription_count: Some(view.subscription_count),
            keys: Some(Vec::new()),
            attributes: Some(application.settings.attributes),
            subscription_scopes: Some(Vec::new()),
            owner: Some(application.owner),
            hash_enabled: Some(false),
            created_time: Some(application.created_at.as_millisecond().to_string()),
            updated_time: Some(application.updated_at.as_millisecond().to_string()),
            visibility: Some(application.settings.visibility),
        }
    }
}

impl From<ApplicationView> for ApplicationInfo {
    fn from(view: ApplicationView) -> Self {
        Self {
            subscription_count: Some(view.subscription_count),
            ..Self::from(view.application)
        }
    }
}

impl From<Application> for ApplicationInfo {
    fn from(application: Application) -> Self {
        Self {
            application_id: application.id.to_string(),
            name: application.settings.name,
            throttling_policy: application.settings.throttling_policy,
            description: application.settings.description,
            status: status(application.status).to_owned(),
            groups: application.settings.groups,
            subscription_count: None,
            attributes: application.settings.attributes,
            owner: application.owner,
            token_type: application.settings.token_type,
            created_time: application.created_at.as_millisecond().to_string(),
            updated_time: application.updated_at.as_millisecond().to_string(),
        }
    }
}

const fn status(status: ApplicationStatus) -> &'static str {
    match status {
        ApplicationStatus::Approved => "APPROVED",
        ApplicationStatus::DeletePending => "DELETE_PENDING",
    }
}
