//! WSO2's `ApplicationKey` and the requests that lead to one.

use std::collections::BTreeMap;

use control::IssuedToken;
use control::key_mapping::{GenerateKeys, MapKeys, UpdateKeys};
use domain::key_manager::KeyManager;
use domain::key_mapping::{CreateMode, KeyMapping, KeyMappingState, KeyType};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::describe;
use crate::secret::SecretText;

/// "Generate Keys".
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationKeyGenerateRequest {
    #[schema(value_type = String, example = "PRODUCTION")]
    key_type: KeyType,
    /// A key manager's name or id.
    key_manager: Option<String>,
    grant_types_to_be_supported: Vec<String>,
    callback_url: Option<String>,
    scopes: Option<Vec<String>>,
    /// Seconds, as a string or a number.
    #[serde(default, deserialize_with = "seconds")]
    #[schema(value_type = Option<String>, example = "3600")]
    validity_time: Option<u64>,
    /// Read-only in WSO2's contract: accepted and ignored.
    #[serde(rename = "clientId")]
    _client_id: Option<String>,
    /// Read-only in WSO2's contract: accepted and ignored.
    #[serde(rename = "clientSecret")]
    _client_secret: Option<String>,
    /// The connector's per-application fields.
    #[schema(value_type = Option<Object>)]
    additional_properties: Option<BTreeMap<String, Value>>,
}

/// "Provide Existing OAuth Keys".
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApplicationKeyMappingRequest {
    /// The existing client's id.
    consumer_key: String,
    /// Proven at the key manager and then forgotten; never shown again.
    #[schema(value_type = Option<String>)]
    consumer_secret: Option<SecretText>,
    /// A key manager's name or id.
    key_manager: Option<String>,
    #[schema(value_type = String, example = "PRODUCTION")]
    key_type: KeyType,
}

/// What can be changed about keys. Portals send the whole `ApplicationKey` back; the rest is ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "fields that portals send back are accepted and ignored"
)]
pub(crate) struct ApplicationKeyUpdateRequest {
    supported_grant_types: Option<Vec<String>>,
    callback_url: Option<String>,
    #[schema(value_type = Option<Object>)]
    additional_properties: Option<BTreeMap<String, Value>>,
    key_mapping_id: Option<String>,
    key_manager: Option<String>,
    consumer_key: Option<String>,
    #[schema(value_type = Option<String>)]
    consumer_secret: Option<SecretText>,
    #[schema(value_type = Option<Vec<Object>>)]
    consumer_secrets: Option<Vec<Value>>,
    key_state: Option<String>,
    key_type: Option<String>,
    mode: Option<String>,
    group_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    token: Option<Value>,
    failure: Option<String>,
}

/// An application's consumer key at one key manager.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationKey {
    pub key_mapping_id: String,
    /// As the client named it when it was generated, else the id.
    pub key_manager: String,
    pub consumer_key: Option<String>,
    /// Only in the answer that made it; null ever after.
    pub consumer_secret: Option<String>,
    #[schema(value_type = Vec<Object>)]
    pub consumer_secrets: Vec<Value>,
    pub supported_grant_types: Vec<String>,
    pub callback_url: Option<String>,
    /// `COMPLETED`; `CREATED` while a job is at work; `FAILED` with `failure` when it gave up.
    #[schema(value_type = String)]
    pub key_state: &'static str,
    #[schema(value_type = String)]
    pub key_type: KeyType,
    /// `CREATED` (the client was made here) or `MAPPED`.
    #[schema(value_type = String)]
    pub mode: CreateMode,
    pub group_id: Option<String>,
    pub token: Option<ApplicationToken>,
    #[schema(value_type = Object)]
    pub additional_properties: BTreeMap<String, Value>,
    /// The key manager's own words (an addition to WSO2's contract).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ApplicationKeyList {
    pub count: u64,
    pub list: Vec<ApplicationKey>,
}

/// An access token for trying an API.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationToken {
    access_token: String,
    token_scopes: Vec<String>,
    /// Seconds.
    validity_time: u64,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationKeyReGenerateResponse {
    pub consumer_key: Option<String>,
    /// The new secret, here and never again. The old one ends after the grace period.
    pub consumer_secret: String,
}

/// What WSO2 assumes when a client names no key manager.
const RESIDENT: &str = "Resident Key Manager";

impl From<ApplicationKeyGenerateRequest> for GenerateKeys {
    fn from(request: ApplicationKeyGenerateRequest) -> Self {
        Self {
            key_type: request.key_type,
            key_manager: named(request.key_manager),
            grant_types: request.grant_types_to_be_supported,
            callback_url: given(request.callback_url),
            scopes: request.scopes.unwrap_or_default(),
            validity_time: request.validity_time,
            additional_properties: request.additional_properties.unwrap_or_default(),
        }
    }
}

impl From<ApplicationKeyMappingRequest> for MapKeys {
    fn from(request: ApplicationKeyMappingRequest) -> Self {
        Self {
            key_type: request.key_type,
            key_manager: named(request.key_manager),
            consumer_key: request.consumer_key,
            consumer_secret: request.consumer_secret.and_then(SecretText::given),
        }
    }
}

impl From<ApplicationKeyUpdateRequest> for UpdateKeys {
    fn from(request: ApplicationKeyUpdateRequest) -> Self {
        Self {
            grant_types: request.supported_grant_types.unwrap_or_default(),
            callback_url: given(request.callback_url),
            additional_properties: request.additional_properties.unwrap_or_default(),
        }
    }
}

impl ApplicationKey {
    /// Without a secret: what every answer but the creating one carries.
    pub(crate) fn without_secret(mapping: KeyMapping, key_manager: &KeyManager) -> Self {
        let failure = match &mapping.state {
            KeyMappingState::Failed(failure) => Some(describe(failure)),
            _ => None,
        };
        Self {
            key_mapping_id: mapping.id.to_string(),
            key_manager: key_manager.id.to_string(),
            consumer_key: mapping.consumer_key,
            consumer_secret: None,
            consumer_secrets: Vec::new(),
            supported_grant_types: mapping.grant_types,
            callback_url: mapping.callback_url,
            key_state: match mapping.state {
                KeyMappingState::Provisioning => "CREATED",
                KeyMappingState::Completed => "COMPLETED",
                KeyMappingState::Failed(_) => "FAILED",
                KeyMappingState::Deprovisioning => "DELETE_PENDING",
            },
            key_type: mapping.key_type,
            mode: mapping.mode,
            group_id: None,
            token: None,
            additional_properties: mapping.additional_properties,
            failure,
        }
    }
}

impl From<IssuedToken> for ApplicationToken {
    /// The one place where a developer's access token leaves.
    fn from(token: IssuedToken) -> Self {
        Self {
            access_token: token.access_token.expose_secret().to_owned(),
            token_scopes: token.scopes,
            validity_time: token.expires_in.as_secs(),
        }
    }
}

fn named(key_manager: Option<String>) -> String {
    given(key_manager).unwrap_or_else(|| RESIDENT.to_owned())
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// The contract says string; portals and scripts send a number.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    use serde::de::Error as _;
    match Option::<Value>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => text
            .trim()
            .parse()
            .map(Some)
            .map_err(|_| D::Error::custom("must be a number of seconds")),
        Some(Value::Number(number)) => number
            .as_u64()
            .map(Some)
            .ok_or_else(|| D::Error::custom("must be a whole number of seconds")),
        Some(_) => Err(D::Error::custom("must be a number of seconds")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(validity_time: Value) -> Result<GenerateKeys, serde_json::Error> {
        serde_json::from_value::<ApplicationKeyGenerateRequest>(json!({
            "keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"],
            "validityTime": validity_time
        }))
        .map(GenerateKeys::from)
    }

    #[test]
    fn validity_time_is_taken_as_text_and_as_number() {
        assert_eq!(
            request(json!("3600")).expect("text").validity_time,
            Some(3600)
        );
        assert_eq!(
            request(json!(3600)).expect("number").validity_time,
            Some(3600)
        );
        assert_eq!(request(json!(null)).expect("null").validity_time, None);
        assert!(request(json!(-1)).is_err());
        assert!(request(json!(["3600"])).is_err());
    }

    #[test]
    fn who_names_no_key_manager_means_the_resident_one() {
        assert_eq!(request(json!(1)).expect("valid").key_manager, RESIDENT);
    }
}
