use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::certificate::Certificates;
use domain::connector_descriptor::ConfigurationField;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::*;

fn descriptors() -> Vec<ConnectorDescriptor> {
    vec![ConnectorDescriptor {
        connector_type: "AzureAD",
        display_name: "Azure AD",
        default_consumer_key_claim: "azp",
        default_scopes_claim: "",
        configurations: vec![
            ConfigurationField::input("azure_ad_client_secret", "", "")
                .required()
                .masked(),
        ],
        endpoint_configurations: Vec::new(),
        application_configurations: Vec::new(),
    }]
}

fn settings(body: Value) -> Result<KeyManagerSettings, Invalid> {
    serde_json::from_value::<KeyManagerBody>(body)
        .expect("a well-formed body")
        .into_settings(&descriptors())
}

#[test]
fn a_secret_goes_in_and_only_its_mask_comes_out() {
    let settings = settings(json!({
        "name": "Entra", "type": "AzureAD",
        "additionalProperties": {"azure_ad_client_secret": " s3cret ", "microsoft_graph_api_endpoint_version": ["v1.0"]}
    }))
    .expect("valid");
    assert_eq!(
        settings.secrets["azure_ad_client_secret"].expose_secret(),
        "s3cret"
    );
    let body = serde_json::to_value(KeyManagerBody::from(&settings)).expect("JSON");
    assert_eq!(
        body["additionalProperties"],
        json!({"azure_ad_client_secret": "*****", "microsoft_graph_api_endpoint_version": ["v1.0"]})
    );
}

#[test]
fn a_pem_certificate_travels_as_base64_of_its_text() {
    let pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----";
    let settings = settings(json!({
        "name": "Entra", "type": "AzureAD",
        "certificates": {"type": "PEM", "value": STANDARD.encode(pem)}
    }))
    .expect("valid");
    assert_eq!(
        settings.certificates,
        Some(Certificates::Pem(pem.to_owned()))
    );
    let body = KeyManagerBody::from(&settings);
    assert_eq!(
        body.certificates
            .and_then(|certificates| certificates.value),
        Some(STANDARD.encode(pem))
    );
}

#[test]
fn every_wrong_address_is_named() {
    let invalid = settings(json!({
        "name": "Entra", "type": "AzureAD",
        "tokenEndpoint": "not a url",
        "endpoints": [{"name": "revoke_endpoint", "value": "neither"}],
        "certificates": {"type": "JWKS", "value": "nor this"}
    }))
    .expect_err("three wrong addresses");
    let fields: Vec<_> = invalid.0.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        ["revokeEndpoint", "tokenEndpoint", "certificates.value"]
    );
}

#[test]
fn a_switched_off_token_handling_option_means_nothing() {
    let settings = settings(json!({
        "name": "Entra", "type": "AzureAD",
        "tokenValidation": [{"type": "REFERENCE", "value": {}, "enable": false}]
    }))
    .expect("valid");
    assert!(settings.token_validation.is_empty());
}
