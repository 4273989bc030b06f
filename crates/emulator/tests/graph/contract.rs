//! Responses against the property lists of Microsoft's *application* and *servicePrincipal resource type*: every property is there, of its type,
//! null or empty where nothing was set, and none besides.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::laboratory::{Laboratory, Reply};

/// What a property may hold.
#[derive(Clone, Copy)]
enum Type {
    Guid,
    Text,
    Time,
    Bool,
    Int,
    /// Null, or this.
    Null(&'static Type),
    /// Null here, whatever it may be elsewhere.
    Unset,
    List(&'static Type),
    Object(&'static [(&'static str, Type)]),
}

use Type::{Bool, Guid, Int, List, Null, Object, Text, Time, Unset};

const TEXT: Type = Null(&Text);
const TEXTS: Type = List(&Text);

const PASSWORD_CREDENTIAL: &[(&str, Type)] = &[
    ("customKeyIdentifier", Unset),
    ("displayName", TEXT),
    ("endDateTime", Time),
    ("hint", Text),
    ("keyId", Guid),
    ("secretText", TEXT),
    ("startDateTime", Time),
];
const SCOPE: &[(&str, Type)] = &[
    ("adminConsentDescription", TEXT),
    ("adminConsentDisplayName", TEXT),
    ("id", Guid),
    ("isEnabled", Bool),
    ("origin", TEXT),
    ("type", TEXT),
    ("userConsentDescription", TEXT),
    ("userConsentDisplayName", TEXT),
    ("value", TEXT),
];
const ROLE: &[(&str, Type)] = &[
    ("allowedMemberTypes", TEXTS),
    ("description", TEXT),
    ("displayName", TEXT),
    ("id", Guid),
    ("isEnabled", Bool),
    ("origin", TEXT),
    ("value", TEXT),
];
const VERIFIED_PUBLISHER: &[(&str, Type)] = &[
    ("displayName", Unset),
    ("verifiedPublisherId", Unset),
    ("addedDateTime", Unset),
];
const APPLICATION: &[(&str, Type)] = &[
    ("id", Guid),
    ("deletedDateTime", Null(&Time)),
    ("appId", Guid),
    ("applicationTemplateId", Unset),
    ("disabledByMicrosoftStatus", Unset),
    ("createdByAppId", Null(&Guid)),
    ("createdDateTime", Time),
    ("displayName", Text),
    ("description", TEXT),
    ("groupMembershipClaims", TEXT),
    ("identifierUris", TEXTS),
    ("isDeviceOnlyAuthSupported", Null(&Bool)),
    ("isDisabled", Null(&Bool)),
    ("isFallbackPublicClient", Null(&Bool)),
    ("nativeAuthenticationApisEnabled", Unset),
    ("notes", TEXT),
    ("publisherDomain", Text),
    ("serviceManagementReference", TEXT),
    ("signInAudience", Text),
    ("tags", TEXTS),
    ("tokenEncryptionKeyId", Null(&Guid)),
    ("uniqueName", TEXT),
    ("samlMetadataUrl", TEXT),
    ("defaultRedirectUri", TEXT),
    ("certification", Unset),
    ("optionalClaims", Unset),
    ("requestSignatureVerification", Unset),
    ("servicePrincipalLockConfiguration", Unset),
    ("addIns", List(&Unset)),
    (
        "api",
        Object(&[
            ("acceptMappedClaims", Null(&Bool)),
            ("knownClientApplications", List(&Guid)),
            ("requestedAccessTokenVersion", Null(&Int)),
            ("oauth2PermissionScopes", List(&Object(SCOPE))),
            ("preAuthorizedApplications", List(&Unset)),
        ]),
    ),
    ("appRoles", List(&Object(ROLE))),
    (
        "info",
        Object(&[
            ("logoUrl", TEXT),
            ("marketingUrl", TEXT),
            ("privacyStatementUrl", TEXT),
            ("supportUrl", TEXT),
            ("termsOfServiceUrl", TEXT),
        ]),
    ),
    ("keyCredentials", List(&Unset)),
    (
        "parentalControlSettings",
        Object(&[
            ("countriesBlockedForMinors", TEXTS),
            ("legalAgeGroupRule", Text),
        ]),
    ),
    ("passwordCredentials", List(&Object(PASSWORD_CREDENTIAL))),
    ("publicClient", Object(&[("redirectUris", TEXTS)])),
    ("requiredResourceAccess", List(&Unset)),
    ("spa", Object(&[("redirectUris", TEXTS)])),
    ("verifiedPublisher", Object(VERIFIED_PUBLISHER)),
    (
        "web",
        Object(&[
            ("homePageUrl", TEXT),
            ("logoutUrl", TEXT),
            ("redirectUris", TEXTS),
            ("redirectUriSettings", List(&Unset)),
            (
                "implicitGrantSettings",
                Object(&[
                    ("enableAccessTokenIssuance", Null(&Bool)),
                    ("enableIdTokenIssuance", Null(&Bool)),
                ]),
            ),
        ]),
    ),
];
const SERVICE_PRINCIPAL: &[(&str, Type)] = &[
    ("id", Guid),
    ("deletedDateTime", Null(&Time)),
    ("accountEnabled", Bool),
    ("addIns", List(&Unset)),
    ("alternativeNames", TEXTS),
    ("appDescription", TEXT),
    ("appDisplayName", Text),
    ("appId", Guid),
    ("applicationTemplateId", Unset),
    ("appOwnerOrganizationId", Guid),
    ("appRoleAssignmentRequired", Bool),
    ("appRoles", List(&Object(ROLE))),
    ("createdDateTime", Time),
    ("customSecurityAttributes", Unset),
    ("description", TEXT),
    ("disabledByMicrosoftStatus", Unset),
    ("displayName", Text),
    ("homepage", TEXT),
    ("info", Unset),
    ("keyCredentials", List(&Unset)),
    ("loginUrl", TEXT),
    ("logoutUrl", TEXT),
    ("notes", TEXT),
    ("notificationEmailAddresses", TEXTS),
    ("oauth2PermissionScopes", List(&Object(SCOPE))),
    ("passwordCredentials", List(&Object(PASSWORD_CREDENTIAL))),
    ("preferredSingleSignOnMode", TEXT),
    ("preferredTokenSigningKeyThumbprint", Unset),
    ("replyUrls", TEXTS),
    ("resourceSpecificApplicationPermissions", List(&Unset)),
    ("samlSingleSignOnSettings", Unset),
    ("servicePrincipalNames", TEXTS),
    ("servicePrincipalType", Text),
    ("signInAudience", Text),
    ("tags", TEXTS),
    ("tokenEncryptionKeyId", Unset),
    ("verifiedPublisher", Object(VERIFIED_PUBLISHER)),
];
const APP_ROLE_ASSIGNMENT: &[(&str, Type)] = &[
    ("id", Text),
    ("deletedDateTime", Unset),
    ("appRoleId", Guid),
    ("createdDateTime", Time),
    ("principalDisplayName", Text),
    ("principalId", Guid),
    ("principalType", Text),
    ("resourceDisplayName", Text),
    ("resourceId", Guid),
];
const FEDERATED_IDENTITY_CREDENTIAL: &[(&str, Type)] = &[
    ("id", Guid),
    ("name", Text),
    ("issuer", Text),
    ("subject", Text),
    ("audiences", TEXTS),
    ("description", TEXT),
];

#[track_caller]
fn check(value: &Value, wanted: Type, path: &str) {
    let fits = match wanted {
        Guid => value
            .as_str()
            .is_some_and(|text| Uuid::try_parse(text).is_ok()),
        Text => value.is_string(),
        Time => value
            .as_str()
            .is_some_and(|text| text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()),
        Bool => value.is_boolean(),
        Int => value.is_i64(),
        Unset => value.is_null(),
        Null(_) if value.is_null() => true,
        Null(inner) => return check(value, *inner, path),
        List(inner) => {
            let Some(list) = value.as_array() else {
                panic!("{path} is no list: {value}");
            };
            for (index, one) in list.iter().enumerate() {
                check(one, *inner, &format!("{path}[{index}]"));
            }
            true
        }
        Object(properties) => return check_object(value, properties, path),
    };
    assert!(fits, "{path}: {value}");
}

#[track_caller]
fn check_object(value: &Value, properties: &[(&str, Type)], path: &str) {
    let Some(object) = value.as_object() else {
        panic!("{path} is no object: {value}");
    };
    for (name, wanted) in properties {
        let value = object
            .get(*name)
            .unwrap_or_else(|| panic!("{path}/{name} is missing"));
        check(value, *wanted, &format!("{path}/{name}"));
    }
    for name in object.keys().filter(|name| !name.starts_with("@odata.")) {
        assert!(
            properties.iter().any(|(known, _)| known == name),
            "{path}/{name} is unknown"
        );
    }
}

#[track_caller]
fn is_entity(reply: &Reply, context: &str, properties: &[(&str, Type)]) {
    assert!(
        reply
            .text("/@odata.context")
            .ends_with(&format!("/v1.0/$metadata#{context}")),
        "{}",
        reply.body
    );
    check_object(&reply.body, properties, context);
}

#[tokio::test]
async fn applications_are_complete_wherever_they_are_shown() {
    let laboratory = Laboratory::start().await;
    let role = json!({ "id": Uuid::from_u128(7), "allowedMemberTypes": ["Application"],
        "displayName": "Read", "description": "Read", "value": "Read", "isEnabled": true });
    let body = json!({ "displayName": "whole", "passwordCredentials": [{}], "appRoles": [role],
        "description": "d", "notes": "n", "tags": ["t"] });
    let created = laboratory.post("/applications", body).await.expect(201);
    is_entity(&created, "applications/$entity", APPLICATION);
    let bare = laboratory
        .upsert(
            "/applications(uniqueName='bare')",
            json!({ "displayName": "bare" }),
        )
        .await
        .expect(201);
    is_entity(&bare, "applications/$entity", APPLICATION);
    let id = created.text("/id");
    let target = format!("/applications/{id}");
    let read = laboratory.get(&target).await.expect(200);
    is_entity(&read, "applications/$entity", APPLICATION);
    for list in [
        "/applications",
        "/applications?$filter=startswith(displayName,'whole')",
    ] {
        let listed = laboratory.get(list).await.expect(200);
        let values = listed.body["value"].as_array().unwrap();
        assert!(!values.is_empty());
        for one in values {
            check_object(one, APPLICATION, list);
        }
    }
    let selected = laboratory
        .get(&format!("{target}?$select=id,authenticationBehaviors"))
        .await
        .expect(200);
    let only = [("id", Guid), ("authenticationBehaviors", Unset)];
    check_object(&selected.body, &only, "$select");
    laboratory.delete(&target).await.expect(204);
    let item = format!("/directory/deletedItems/{id}");
    let deleted = laboratory.get(&item).await.expect(200);
    check_object(&deleted.body, APPLICATION, "deleted");
    check(&deleted.body["deletedDateTime"], Time, "deletedDateTime");
    let restored = laboratory
        .post(&format!("{item}/restore"), json!({}))
        .await
        .expect(200);
    check_object(&restored.body, APPLICATION, "restored");
    check(&restored.body["deletedDateTime"], Unset, "deletedDateTime");
}

#[tokio::test]
async fn service_principals_and_what_belongs_to_them_are_complete() {
    let laboratory = Laboratory::start().await;
    let application = laboratory.application("client").await;
    let body = json!({ "appId": application["appId"] });
    let created = laboratory
        .post("/servicePrincipals", body)
        .await
        .expect(201);
    is_entity(&created, "servicePrincipals/$entity", SERVICE_PRINCIPAL);
    let listed = laboratory.get("/servicePrincipals").await.expect(200);
    for one in listed.body["value"].as_array().unwrap() {
        check_object(one, SERVICE_PRINCIPAL, "/servicePrincipals");
    }
    let graph = laboratory.graph_principal().await;
    let grants = format!(
        "/servicePrincipals/{}/appRoleAssignedTo",
        graph["id"].as_str().unwrap()
    );
    let body = json!({ "principalId": created.text("/id"), "resourceId": graph["id"],
        "appRoleId": graph["appRoles"][0]["id"] });
    let granted = laboratory.post(&grants, body).await.expect(201);
    check_object(&granted.body, APP_ROLE_ASSIGNMENT, "granted");
    let listed = laboratory.get(&grants).await.expect(200);
    for one in listed.body["value"].as_array().unwrap() {
        check_object(one, APP_ROLE_ASSIGNMENT, "appRoleAssignedTo");
    }
    let target = format!("/applications/{}", application["id"].as_str().unwrap());
    let secret = laboratory
        .post(&format!("{target}/addPassword"), json!({}))
        .await
        .expect(200);
    check_object(&secret.body, PASSWORD_CREDENTIAL, "addPassword");
    check(&secret.body["secretText"], Text, "secretText");
    let body = json!({ "name": "ci-job", "issuer": "https://issuer.example", "subject": "job",
        "audiences": ["api://AzureADTokenExchange"] });
    let federated = laboratory
        .post(&format!("{target}/federatedIdentityCredentials"), body)
        .await
        .expect(201);
    check_object(&federated.body, FEDERATED_IDENTITY_CREDENTIAL, "federated");
}

#[tokio::test]
async fn answers_and_errors_carry_graphs_headers() {
    let laboratory = Laboratory::start().await;
    let id = "11111111-1111-4111-8111-111111111111";
    let headers = [
        ("client-request-id", id),
        ("return-client-request-id", "true"),
    ];
    let caller = &laboratory.administrator;
    for (target, status) in [
        ("/applications".to_owned(), 200),
        (format!("/applications/{id}"), 404),
    ] {
        let reply = laboratory
            .call_with(caller, Method::GET, &target, &headers, None)
            .await
            .expect(status);
        assert_eq!(reply.headers["client-request-id"], id);
        assert_eq!(reply.headers["odata-version"], "4.0");
        assert_eq!(reply.headers["cache-control"], "no-cache");
        assert!(reply.headers.contains_key("x-ms-ags-diagnostic"));
        assert!(reply.headers.contains_key("x-ms-resource-unit"));
        assert!(reply.headers.contains_key("date"));
        let content_type = reply.headers["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("application/json;odata.metadata=minimal"));
        if status == 404 {
            let inner = &reply.body["error"]["innerError"];
            assert_eq!(inner["client-request-id"], id);
            assert_eq!(
                inner["request-id"],
                reply.headers["request-id"].to_str().unwrap()
            );
        }
    }
}
