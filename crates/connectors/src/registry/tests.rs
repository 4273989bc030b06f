use domain::SecretString;
use domain::key_manager::KeyManagerSettings;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::Registry;
use crate::test_support::settings;

fn azure(configuration: &[(&str, Value)]) -> KeyManagerSettings {
    let mut settings = settings("AzureAD");
    settings.endpoints.token = Some("https://login.example/token".parse().unwrap());
    for (name, value) in configuration {
        settings
            .configuration
            .insert((*name).to_owned(), value.clone());
    }
    settings
}

fn least() -> Vec<(&'static str, Value)> {
    vec![
        ("azure_ad_client_id", json!("id")),
        ("azure_ad_client_secret", json!("s3cret")),
    ]
}

fn fields(settings: KeyManagerSettings) -> Vec<String> {
    let invalid = Registry::standard()
        .validate_configuration(settings)
        .unwrap_err();
    invalid.0.into_iter().map(|error| error.field).collect()
}

#[test]
fn wsos_azure_form_comes_first_and_in_its_order() {
    let registry = Registry::standard();
    let azure = registry.get("AzureAD").unwrap().descriptor();
    let names: Vec<&str> = azure
        .configurations
        .iter()
        .map(|field| field.name)
        .collect();
    assert_eq!(
        names[..7],
        [
            "microsoft_graph_api_endpoint",
            "microsoft_graph_api_endpoint_version",
            "azure_ad_requested_access_token_version",
            "azure_ad_client_id",
            "azure_ad_client_secret",
            "polling_initial_delay_ms",
            "polling_max_wait_time_ms",
        ]
    );
    let json = serde_json::to_value(azure).unwrap();
    assert_eq!(json["type"], "AzureAD");
    assert_eq!(json["displayName"], "Azure AD");
    assert_eq!(json["defaultConsumerKeyClaim"], "azp");
    let secret = &json["configurations"][4];
    assert_eq!(
        (&secret["mask"], &secret["required"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(json["configurations"][2]["updateDisabled"], true);
}

#[test]
fn defaults_fill_gaps_and_count_as_given() {
    let settings = Registry::standard()
        .validate_configuration(azure(&least()))
        .unwrap();
    assert_eq!(
        settings.configuration["microsoft_graph_api_endpoint"],
        "https://graph.microsoft.com"
    );
    assert_eq!(
        settings.configuration["microsoft_graph_api_endpoint_version"],
        "v1.0"
    );
    assert_eq!(settings.configuration["polling_initial_delay_ms"], "500");
    assert_eq!(settings.configuration["azure_ad_purge_deleted"], true);
}

#[test]
fn secrets_leave_the_configuration() {
    let settings = Registry::standard()
        .validate_configuration(azure(&least()))
        .unwrap();
    assert!(
        !settings
            .configuration
            .contains_key("azure_ad_client_secret")
    );
    assert_eq!(
        settings.secrets["azure_ad_client_secret"].expose_secret(),
        "s3cret"
    );
}

#[test]
fn a_masked_value_keeps_the_stored_secret_and_is_never_stored_itself() {
    let masked = [
        ("azure_ad_client_id", json!("id")),
        ("azure_ad_client_secret", json!("*****")),
    ];
    let mut stored = azure(&masked);
    stored.secrets.insert(
        "azure_ad_client_secret".to_owned(),
        SecretString::from("old"),
    );
    let settings = Registry::standard().validate_configuration(stored).unwrap();
    assert_eq!(
        settings.secrets["azure_ad_client_secret"].expose_secret(),
        "old"
    );

    assert_eq!(
        fields(azure(&masked)),
        ["additionalProperties.azure_ad_client_secret"]
    );
}

#[test]
fn all_errors_are_told_at_once() {
    let mut settings = azure(&[
        ("azure_ad_cloud", json!("mars")),
        ("azure_ad_client_secret", json!(["x"])),
    ]);
    settings.endpoints.token = None;
    assert_eq!(
        fields(settings),
        [
            "additionalProperties.azure_ad_client_id",
            "additionalProperties.azure_ad_client_secret",
            "additionalProperties.azure_ad_client_secret",
            "additionalProperties.azure_ad_cloud",
            "tokenEndpoint",
        ]
    );
}

#[test]
fn values_arrive_in_the_shapes_that_wsos_clients_send() {
    let mut given = least();
    given.push(("microsoft_graph_api_endpoint_version", json!(["v1.0"])));
    given.push(("polling_initial_delay_ms", json!(250)));
    given.push(("azure_ad_purge_deleted", json!("false")));
    given.push(("something_else", json!({ "kept": true })));
    given[0].1 = json!("  id  ");
    let settings = Registry::standard()
        .validate_configuration(azure(&given))
        .unwrap();
    assert_eq!(
        settings.configuration["microsoft_graph_api_endpoint_version"],
        "v1.0"
    );
    assert_eq!(settings.configuration["polling_initial_delay_ms"], "250");
    assert_eq!(settings.configuration["azure_ad_client_id"], "id");
    assert_eq!(settings.configuration["azure_ad_purge_deleted"], "false");
    assert_eq!(
        settings.configuration["something_else"],
        json!({ "kept": true })
    );
}

#[test]
fn an_unknown_type_is_an_error_of_the_type() {
    assert_eq!(fields(settings("Nonsense")), ["type"]);
}
