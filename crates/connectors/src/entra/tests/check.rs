use serde_json::json;

use super::tenant::Tenant;
use super::{connect, key_manager, open};
use crate::contract::{ConnectionReport, FindingSeverity};

fn severity(report: &ConnectionReport, check: &str) -> Option<FindingSeverity> {
    let findings = report
        .findings
        .iter()
        .filter(|finding| finding.check == check);
    findings
        .map(|finding| finding.severity)
        .max_by_key(|severity| *severity as u8)
}

#[tokio::test]
async fn the_least_permission_is_enough() {
    let tenant = Tenant::start().await;
    let report = connect(&tenant).check().await.unwrap();
    assert_eq!(severity(&report, "credential"), Some(FindingSeverity::Good));
    assert_eq!(
        severity(&report, "permissions"),
        Some(FindingSeverity::Good)
    );
    assert_eq!(severity(&report, "issuer"), None);
}

#[tokio::test]
async fn a_missing_permission_is_a_problem_and_an_excessive_one_a_warning() {
    let tenant = Tenant::start().await;
    tenant.state().management_roles = vec!["User.Read.All"];
    let report = connect(&tenant).check().await.unwrap();
    assert_eq!(
        severity(&report, "permissions"),
        Some(FindingSeverity::Problem)
    );

    tenant.state().management_roles = vec!["Directory.ReadWrite.All"];
    let report = connect(&tenant).check().await.unwrap();
    assert_eq!(
        severity(&report, "permissions"),
        Some(FindingSeverity::Warning)
    );
}

#[tokio::test]
async fn a_wrong_secret_is_the_only_finding_that_is_needed() {
    let tenant = Tenant::start().await;
    let mut settings = key_manager(&tenant);
    let wrong = json!("wrong");
    settings
        .configuration
        .insert("azure_ad_client_secret".to_owned(), wrong);
    let report = open(settings).check().await.unwrap();
    assert_eq!(
        severity(&report, "credential"),
        Some(FindingSeverity::Problem)
    );
    assert!(report.findings[0].message.contains("AADSTS7000215"));
}

#[tokio::test]
async fn a_tenant_that_allows_shorter_secrets_only_is_told_before_the_first_client() {
    let tenant = Tenant::start().await;
    tenant.state().policy = Some(json!({ "isEnabled": true, "applicationRestrictions": {
        "passwordCredentials": [
            { "restrictionType": "passwordLifetime", "state": "enabled", "maxLifetime": "P90D" },
            { "restrictionType": "passwordAddition", "state": "disabled", "maxLifetime": null },
        ],
    }}));
    let report = connect(&tenant).check().await.unwrap();
    assert_eq!(severity(&report, "policy"), Some(FindingSeverity::Problem));
}

#[tokio::test]
async fn an_issuer_of_the_other_version_is_warned_about() {
    let tenant = Tenant::start().await;
    let mut settings = key_manager(&tenant);
    settings.issuer = format!("https://sts.windows.net/{}/", super::TENANT);
    let report = open(settings).check().await.unwrap();
    assert_eq!(severity(&report, "issuer"), Some(FindingSeverity::Warning));
}
