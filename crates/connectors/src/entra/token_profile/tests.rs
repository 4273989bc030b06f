use domain::key_manager::KeyManagerSettings;
use domain::token_profile::{AudienceRule, SignatureAlgorithm};
use serde_json::json;

use super::{tenant_issuer, token_profile};
use crate::test_support::settings;

const TENANT: &str = "5f0b7c1e-0000-4000-8000-000000000001";

fn version_1() -> String {
    format!("https://sts.windows.net/{TENANT}/")
}

fn version_2() -> String {
    format!("https://login.microsoftonline.com/{TENANT}/v2.0")
}

fn with_issuer(issuer: &str) -> KeyManagerSettings {
    let mut settings = settings("AzureAD");
    settings.issuer = issuer.to_owned();
    settings
}

fn accepting_both(issuer: &str, cloud: &str) -> KeyManagerSettings {
    let mut settings = with_issuer(issuer);
    for (name, value) in [
        ("azure_ad_accepted_token_versions", "v1_v2"),
        ("azure_ad_cloud", cloud),
    ] {
        settings.configuration.insert(name.to_owned(), json!(value));
    }
    settings
}

#[test]
fn by_default_exactly_the_configured_issuer_is_accepted() {
    let profile = token_profile(&with_issuer(&version_2())).unwrap();
    assert_eq!(profile.issuers, [version_2()]);
    assert_eq!(profile.algorithms, [SignatureAlgorithm::RS256]);
    assert_eq!(profile.audience, AudienceRule::OwnClient);
}

#[test]
fn azp_and_appid_are_the_same_claim_whichever_was_entered() {
    for (issuer, claim) in [
        (version_2(), ""),
        (version_2(), "azp"),
        (version_2(), "appid"),
        (version_1(), "appid"),
        (version_1(), ""),
    ] {
        let mut settings = with_issuer(&issuer);
        settings.consumer_key_claim = claim.to_owned();
        let profile = token_profile(&settings).unwrap();
        assert_eq!(profile.issuers, [issuer]);
        assert_eq!(profile.consumer_key_claims, ["azp", "appid"]);
    }
}

#[test]
fn a_claim_of_another_name_is_taken_at_its_word() {
    let mut settings = with_issuer(&version_2());
    settings.consumer_key_claim = "client_ref".to_owned();
    assert_eq!(
        token_profile(&settings).unwrap().consumer_key_claims,
        ["client_ref"]
    );
}

#[test]
fn one_key_manager_accepts_both_versions_from_either_issuer() {
    for issuer in [version_1(), version_2()] {
        let mut profile = token_profile(&accepting_both(&issuer, "global")).unwrap();
        assert_eq!(profile.consumer_key_claims, ["azp", "appid"]);
        assert_eq!(profile.issuers[0], issuer);
        profile.issuers.sort();
        assert_eq!(profile.issuers, [version_2(), version_1()]);
    }
}

#[test]
fn national_clouds_have_issuers_of_their_own() {
    let us = format!("https://login.microsoftonline.us/{TENANT}/v2.0");
    let profile = token_profile(&accepting_both(&us, "us_government")).unwrap();
    assert_eq!(profile.issuers, [us, version_1()]);

    let china = format!("https://sts.chinacloudapi.cn/{TENANT}/");
    let profile = token_profile(&accepting_both(&china, "china")).unwrap();
    let other = format!("https://login.partner.microsoftonline.cn/{TENANT}/v2.0");
    assert_eq!(profile.issuers, [china, other]);
}

#[test]
fn both_versions_need_a_tenants_issuer() {
    for issuer in [
        "https://login.example.com/",
        "https://example.com/common/v2.0",
        "nonsense",
    ] {
        let invalid = token_profile(&accepting_both(issuer, "global")).unwrap_err();
        assert_eq!(invalid.0[0].field, "issuer", "{issuer}");
    }
}

#[test]
fn without_an_issuer_no_token_is_recognised() {
    assert_eq!(
        token_profile(&with_issuer("")).unwrap_err().0[0].field,
        "issuer"
    );
}

#[test]
fn issuers_are_read_by_their_documented_forms_only() {
    assert_eq!(
        tenant_issuer(&version_1()).map(|issuer| issuer.version),
        Some(1)
    );
    assert_eq!(
        tenant_issuer(&version_2()).map(|issuer| issuer.version),
        Some(2)
    );
    for other in ["/v3.0", "/v2.0/more", "/v2.0//"] {
        let issuer = format!("https://login.microsoftonline.com/{TENANT}{other}");
        assert_eq!(tenant_issuer(&issuer), None, "{issuer}");
    }
}
