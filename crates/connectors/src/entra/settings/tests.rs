use domain::SecretString;
use domain::key_manager::KeyManagerSettings;
use serde_json::{Value, json};

use super::EntraSettings;
use crate::test_support::settings;

fn complete(configuration: &[(&str, Value)]) -> KeyManagerSettings {
    let mut settings = settings("AzureAD");
    settings.endpoints.token = Some("https://login.example/t/oauth2/v2.0/token".parse().unwrap());
    settings
        .secrets
        .insert("azure_ad_client_secret".to_owned(), SecretString::from("s"));
    settings
        .configuration
        .insert("azure_ad_client_id".to_owned(), json!("id"));
    for (name, value) in configuration {
        settings
            .configuration
            .insert((*name).to_owned(), value.clone());
    }
    settings
}

#[test]
fn wsos_defaults_hold_where_nothing_is_said() {
    let parsed = EntraSettings::parse(&complete(&[])).unwrap();
    assert_eq!(parsed.graph_base, "https://graph.microsoft.com/v1.0");
    assert_eq!(parsed.graph_scope, "https://graph.microsoft.com/.default");
    assert_eq!(parsed.polling.initial_delay.as_millis(), 500);
    assert_eq!(parsed.polling.maximum_delay.as_millis(), 5_000);
    assert_eq!(parsed.polling.budget.as_millis(), 120_000);
    assert_eq!(parsed.token_version, 2);
    assert_eq!(parsed.secret_lifetime.as_secs(), 180 * 86_400);
    assert!(parsed.purge_deleted);
}

#[test]
fn the_graph_endpoint_is_read_as_people_paste_it() {
    for given in [
        "https://graph.example",
        "https://graph.example/",
        "https://graph.example/v1.0/",
        " https://graph.example/v1.0",
    ] {
        let parsed =
            EntraSettings::parse(&complete(&[("microsoft_graph_api_endpoint", json!(given))]));
        assert_eq!(
            parsed.unwrap().graph_base,
            "https://graph.example/v1.0",
            "{given}"
        );
    }
}

#[test]
fn a_national_cloud_brings_its_graph() {
    let china = complete(&[("azure_ad_cloud", json!("china"))]);
    let parsed = EntraSettings::parse(&china).unwrap();
    assert_eq!(
        parsed.graph_scope,
        "https://microsoftgraph.chinacloudapi.cn/.default"
    );
}

#[test]
fn what_cannot_be_is_refused_field_by_field() {
    let cases = [
        ("microsoft_graph_api_endpoint", json!("graph.microsoft.com")),
        ("microsoft_graph_api_endpoint", json!("ftp://graph.example")),
        (
            "microsoft_graph_api_endpoint",
            json!("https://me:secret@graph.example"),
        ),
        ("polling_initial_delay_ms", json!("soon")),
        ("polling_initial_delay_ms", json!("0")),
        ("polling_initial_delay_ms", json!("-1")),
        ("polling_max_wait_time_ms", json!("100")),
        ("polling_budget_ms", json!("999999999")),
        ("azure_ad_client_secret_lifetime_days", json!("731")),
        ("azure_ad_client_id", json!(" ")),
    ];
    for (name, value) in cases {
        let invalid = EntraSettings::parse(&complete(&[(name, value.clone())])).unwrap_err();
        let field = format!("additionalProperties.{name}");
        assert_eq!(invalid.0[0].field, field, "{value}");
    }
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let invalid = EntraSettings::parse(&settings("AzureAD")).unwrap_err();
    let fields: Vec<&str> = invalid.0.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "additionalProperties.azure_ad_client_id",
            "additionalProperties.azure_ad_client_secret",
            "tokenEndpoint",
        ]
    );
}

#[test]
fn the_secret_is_never_printed() {
    let mut settings = complete(&[]);
    let secret = SecretString::from("very-secret");
    settings
        .secrets
        .insert("azure_ad_client_secret".to_owned(), secret);
    let parsed = EntraSettings::parse(&settings).unwrap();
    assert!(!format!("{parsed:?}").contains("very-secret"));
}
