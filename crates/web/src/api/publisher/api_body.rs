//! WSO2's `API` (publisher API) and its translation to and from [`ApiSettings`].

use control::api::ImportApi;
use domain::Invalid;
use domain::api::{
    Api, ApiEndpoints, ApiSettings, KeyManagerSelection, MaxTps, Operation, Visibility,
};
use domain::cors::CorsPolicy;
use domain::mediation::Mediation;
use domain::validation::Check;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::cors::CorsBody;
use super::endpoint_config;
use super::max_tps::MaxTpsBody;
use super::mediation::MediationBody;
use super::operation_body::{ApiScopeBody, OperationBody, UNUSED_IN_OPERATIONS};
use crate::json::from_value;
use crate::problem::Problem;

/// An API. Portals send back what they read: read-only fields are accepted and ignored.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = API)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ApiBody {
    #[schema(read_only)]
    pub id: Option<String>,
    #[schema(min_length = 1, max_length = 60, required)]
    pub name: Option<String>,
    #[schema(max_length = 32_766)]
    pub description: Option<String>,
    /// Path prefix without the version, for example `/orders`.
    #[schema(max_length = 232, required)]
    pub context: Option<String>,
    #[schema(min_length = 1, max_length = 30, required)]
    pub version: Option<String>,
    #[schema(read_only)]
    pub provider: Option<String>,
    #[schema(read_only)]
    pub life_cycle_status: Option<String>,
    pub is_default_version: Option<bool>,
    /// Always `HTTP`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Accepted `aud` values; `["all"]` or empty: any.
    pub audiences: Option<Vec<String>>,
    /// Business plans that may be subscribed to; empty: no subscription is needed.
    pub policies: Option<Vec<String>>,
    pub api_throttling_policy: Option<String>,
    /// What the endpoints can bear, over all callers together.
    pub max_tps: Option<MaxTpsBody>,
    /// Request header that carries the credential; `Authorization` when empty.
    pub authorization_header: Option<String>,
    pub visibility: Option<VisibilityKind>,
    /// The roles of `RESTRICTED`.
    pub visible_roles: Option<Vec<String>>,
    pub cors_configuration: Option<CorsBody>,
    /// For every operation; an operation's own policies come after these.
    pub api_policies: Option<MediationBody>,
    /// `{"endpoint_type": "http", "production_endpoints": {"url": …}, "sandbox_endpoints": {"url": …}}`.
    #[schema(value_type = Option<Object>)]
    pub endpoint_config: Option<Value>,
    pub scopes: Option<Vec<ApiScopeBody>>,
    /// Read from the OpenAPI document when absent or empty.
    pub operations: Option<Vec<OperationBody>>,
    /// `["all"]` or names of key managers.
    #[schema(value_type = Option<Vec<String>>)]
    pub key_managers: Option<Value>,
    /// Milliseconds since 1970.
    #[schema(read_only)]
    pub created_time: Option<String>,
    /// Milliseconds since 1970.
    #[schema(read_only)]
    pub last_updated_time: Option<String>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum VisibilityKind {
    Public,
    Private,
    Restricted,
}

/// Fields of WSO2's `API` that have no meaning here: accepted, not kept.
const UNUSED: &[&str] = &[
    "displayName",
    "wsdlInfo",
    "wsdlUrl",
    "responseCachingEnabled",
    "cacheTimeout",
    "hasThumbnail",
    "isRevision",
    "revisionedApiId",
    "revisionId",
    "enableSchemaValidation",
    "enableSubscriberVerification",
    "audience",
    "transport",
    "tags",
    "organizationPolicies",
    "apiKeyHeader",
    "securityScheme",
    "visibleTenants",
    "visibleOrganizations",
    "mediationPolicies",
    "apiHubPolicies",
    "subscriptionAvailability",
    "subscriptionAvailableTenants",
    "additionalProperties",
    "additionalPropertiesMap",
    "monetization",
    "accessControl",
    "accessControlRoles",
    "businessInformation",
    "websubSubscriptionConfiguration",
    "workflowStatus",
    "lastUpdatedTimestamp",
    "primaryProductionEndpointId",
    "primarySandboxEndpointId",
    "endpointImplementationType",
    "subtypeConfiguration",
    "threatProtectionPolicies",
    "categories",
    "serviceInfo",
    "advertiseInfo",
    "gatewayVendor",
    "gatewayType",
    "initiatedFromGateway",
    "asyncTransportProtocols",
    "egress",
];

/// What both ways of making an API take from the body.
struct Parts {
    endpoints: Option<ApiEndpoints>,
    key_managers: Option<KeyManagerSelection>,
    audiences: Option<Vec<String>>,
    visibility: Option<Visibility>,
    operations: Vec<Operation>,
    cors: Option<CorsPolicy>,
    mediation: Option<Mediation>,
    max_tps: Option<MaxTps>,
}

impl ApiBody {
    /// Reads a body of WSO2's schema; unknown properties are refused, meaningless ones dropped.
    pub(super) fn read(mut body: Value) -> Result<Self, Problem> {
        drop_unused(&mut body, UNUSED);
        for operation in body
            .get_mut("operations")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            drop_unused(operation, UNUSED_IN_OPERATIONS);
        }
        if body
            .get("keyManagers")
            .is_some_and(|value| !value.is_array() && !value.is_null())
        {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                903_203,
                "KeyManagers value needs to be an array",
                "keyManagers must be [\"all\"] or a list of key managers' names.",
            ));
        }
        from_value(body)
    }

    /// For making or replacing an API.
    pub(super) fn into_settings(mut self) -> Result<ApiSettings, Problem> {
        let parts = self.parts()?;
        Ok(ApiSettings {
            name: self.name.unwrap_or_default(),
            context: self.context.unwrap_or_default(),
            version: self.version.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            is_default_version: self.is_default_version.unwrap_or(false),
            endpoints: parts.endpoints.unwrap_or_default(),
            operations: parts.operations,
            scopes: self
                .scopes
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
            key_managers: parts.key_managers.unwrap_or_default(),
            audiences: parts.audiences.unwrap_or_default(),
            authorization_header: self.authorization_header.unwrap_or_default(),
            policies: self.policies.unwrap_or_default(),
            api_throttling_policy: self.api_throttling_policy.filter(|name| !name.is_empty()),
            max_tps: parts.max_tps.unwrap_or_default(),
            visibility: parts.visibility.unwrap_or_default(),
            cors: parts.cors,
            mediation: parts.mediation.unwrap_or_default(),
        })
    }

    /// For an import: what is absent is taken from the document.
    pub(super) fn into_import(mut self) -> Result<ImportApi, Problem> {
        let parts = self.parts()?;
        Ok(ImportApi {
            name: self.name,
            version: self.version,
            context: self.context,
            description: self.description,
            is_default_version: self.is_default_version,
            endpoints: parts.endpoints,
            key_managers: parts.key_managers,
            audiences: parts.audiences,
            authorization_header: self.authorization_header,
            policies: self.policies,
            api_throttling_policy: self.api_throttling_policy.filter(|name| !name.is_empty()),
            max_tps: parts.max_tps,
            visibility: parts.visibility,
            cors: parts.cors,
            mediation: parts.mediation,
            operations: parts.operations,
            scopes: self
                .scopes
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
        })
    }

    fn parts(&mut self) -> Result<Parts, Problem> {
        let mut check = Check::default();
        check.that(
            matches!(self.kind.as_deref(), None | Some("HTTP")),
            "type",
            "must be HTTP",
        );
        let endpoints = self
            .endpoint_config
            .take()
            .map(|config| endpoint_config::read(&config, &mut check));
        let operations = self.operations.take().unwrap_or_default();
        let operations = operations
            .into_iter()
            .filter_map(|operation| operation.into_operation(&mut check))
            .collect();
        let cors = self.cors_configuration.take();
        let cors = cors.and_then(|cors| cors.into_policy(&mut check));
        let policies = self.api_policies.take();
        let mediation = policies.map(|body| body.into_mediation("apiPolicies", &mut check));
        let max_tps = self.max_tps.take();
        let max_tps = max_tps.map(|body| body.into_max_tps(&mut check));
        check.finish()?;
        let roles = self.visible_roles.take().unwrap_or_default();
        Ok(Parts {
            endpoints,
            key_managers: self.key_managers.take().map(selection).transpose()?,
            audiences: self.audiences.take().map(|audiences| {
                if audiences.iter().any(|audience| audience == "all") {
                    Vec::new()
                } else {
                    audiences
                }
            }),
            visibility: self.visibility.map(|kind| match kind {
                VisibilityKind::Public => Visibility::Public,
                VisibilityKind::Private => Visibility::Private,
                VisibilityKind::Restricted => Visibility::Restricted(roles),
            }),
            operations,
            cors,
            mediation,
            max_tps,
        })
    }
}

impl From<&Api> for ApiBody {
    fn from(api: &Api) -> Self {
        let settings = &api.settings;
        let (visibility, roles) = match &settings.visibility {
            Visibility::Public => (VisibilityKind::Public, Vec::new()),
            Visibility::Private => (VisibilityKind::Private, Vec::new()),
            Visibility::Restricted(roles) => (VisibilityKind::Restricted, roles.clone()),
        };
        Self {
            id: Some(api.id.to_string()),
            name: Some(settings.name.clone()),
            description: Some(settings.description.clone()),
            context: Some(settings.context.clone()),
            version: Some(settings.version.clone()),
            provider: Some(api.provider.clone()),
            life_cycle_status: Some(api.lifecycle.as_str().to_owned()),
            is_default_version: Some(settings.is_default_version),
            kind: Some("HTTP".to_owned()),
            audiences: Some(if settings.audiences.is_empty() {
                vec!["all".to_owned()]
            } else {
                settings.audiences.clone()
            }),
            policies: Some(settings.policies.clone()),
            api_throttling_policy: settings.api_throttling_policy.clone(),
            max_tps: MaxTpsBody::of(settings.max_tps),
            authorization_header: Some(if settings.authorization_header.is_empty() {
                "Authorization".to_owned()
            } else {
                settings.authorization_header.clone()
            }),
            visibility: Some(visibility),
            visible_roles: Some(roles),
            cors_configuration: Some(CorsBody::from(settings.cors.as_ref())),
            api_policies: Some(MediationBody::from(&settings.mediation)),
            endpoint_config: Some(endpoint_config::write(&settings.endpoints)),
            scopes: Some(settings.scopes.iter().map(ApiScopeBody::from).collect()),
            operations: Some(
                settings
                    .operations
                    .iter()
                    .map(OperationBody::from)
                    .collect(),
            ),
            key_managers: Some(match &settings.key_managers {
                KeyManagerSelection::All => json!(["all"]),
                KeyManagerSelection::Only(names) => json!(names),
            }),
            created_time: Some(api.created_at.as_millisecond().to_string()),
            last_updated_time: Some(api.updated_at.as_millisecond().to_string()),
        }
    }
}

fn selection(value: Value) -> Result<KeyManagerSelection, Problem> {
    let names: Vec<String> = serde_json::from_value(value)
        .map_err(|_| Invalid::field("keyManagers", "must be [\"all\"] or names"))?;
    Ok(if names.iter().any(|name| name == "all") {
        KeyManagerSelection::All
    } else {
        KeyManagerSelection::Only(names)
    })
}

fn drop_unused(value: &mut Value, names: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !names.contains(&name.as_str()));
    }
}
