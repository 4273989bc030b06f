//! The connector against a scripted tenant over real HTTP. The clock of the waiting is real but its delays are a
//! few milliseconds; what counts are the tenant's contents and the requests it saw.

mod check;
mod create;
mod delete;
mod secrets;
mod tenant;
mod token;

use std::sync::Arc;

use domain::SecretString;
use domain::id::KeyMappingId;
use domain::key_manager::KeyManagerSettings;
use domain::key_mapping::KeyType;
use domain::provider_failure::ProviderFailure;
use serde_json::{Map, json};
use uuid::Uuid;

use super::AzureAd;
use crate::contract::{
    ClientReference, ClientSpecification, Connector, ConnectorError, ConnectorType as _,
    ProvisionedClient,
};
use crate::registry::validate_configuration;
use crate::test_support::{environment, settings};
use tenant::{MANAGEMENT_CLIENT, MANAGEMENT_SECRET, TENANT, Tenant};

/// A key manager for the tenant with short delays: 1 ms doubling to 1 s, a minute at most.
fn key_manager(tenant: &Tenant) -> KeyManagerSettings {
    let mut settings = settings("AzureAD");
    settings.issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    settings.endpoints.token = Some(tenant.token_endpoint());
    for (name, value) in [
        ("microsoft_graph_api_endpoint", json!(tenant.url)),
        ("azure_ad_client_id", json!(MANAGEMENT_CLIENT)),
        ("azure_ad_client_secret", json!(MANAGEMENT_SECRET)),
        ("polling_initial_delay_ms", json!("1")),
        ("polling_max_wait_time_ms", json!("1000")),
        ("polling_budget_ms", json!("60000")),
    ] {
        settings.configuration.insert(name.to_owned(), value);
    }
    settings
}

fn open(settings: KeyManagerSettings) -> Arc<dyn Connector> {
    let connector_type = AzureAd::new();
    let settings =
        validate_configuration(connector_type.descriptor(), settings).expect("valid settings");
    connector_type
        .open(&settings, &environment())
        .expect("settings that open")
}

fn connect(tenant: &Tenant) -> Arc<dyn Connector> {
    open(key_manager(tenant))
}

fn wanted() -> ClientSpecification {
    ClientSpecification {
        key_mapping_id: KeyMappingId::from_uuid(Uuid::from_u128(7)),
        display_name: "alice_weather_PRODUCTION".to_owned(),
        application_name: "weather".to_owned(),
        owner: "alice".to_owned(),
        key_type: KeyType::Production,
        grant_types: vec!["client_credentials".to_owned()],
        callback_url: None,
        additional_properties: Map::new(),
    }
}

fn reference(client: &ProvisionedClient) -> ClientReference {
    ClientReference {
        key_mapping_id: wanted().key_mapping_id,
        consumer_key: client.consumer_key.clone(),
        provider_reference: client.provider_reference.clone(),
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// The provider's failure, which is what the operation must have ended with.
fn failure<T>(outcome: Result<T, ConnectorError>) -> ProviderFailure {
    match outcome {
        Err(ConnectorError::Provider(failure)) => failure,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it succeeded"),
    }
}
