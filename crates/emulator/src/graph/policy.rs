//! `/policies/defaultAppManagementPolicy`: what credentials applications may have (Microsoft: *tenantAppManagementPolicy resource type*).

use http::Method;
use serde_json::{Map, Value, json};

use super::{
    error::GraphError,
    path::Segment,
    permission::Action,
    request::{Answer, Outcome, Request, object, owned},
    schema::shorten,
};
use crate::directory::{AppManagementPolicy, Tenant};

/// Serves `/policies/…`.
pub(super) fn serve(request: &Request<'_>, rest: &[Segment]) -> Outcome {
    match rest {
        [policy] if policy.name == "defaultAppManagementPolicy" => match request.method {
            Method::GET => get(request),
            Method::PATCH => update(request),
            _ => Err(GraphError::method_not_allowed()),
        },
        [segment, ..] => Err(GraphError::unknown_segment(&shorten(&segment.name))),
        [] => Err(GraphError::unknown_segment("policies")),
    }
}

fn get(request: &Request<'_>) -> Outcome {
    request.caller.require(Action::ReadPolicy)?;
    let tenant = request
        .directory()
        .tenant_by_id(request.caller.tenant_id)
        .ok_or_else(GraphError::unknown_caller)?;
    let mut shown = represent(&tenant);
    let context = format!(
        "{}/$metadata#policies/defaultAppManagementPolicy/$entity",
        request.base
    );
    shown.insert("@odata.context".to_owned(), json!(context));
    Ok(Answer::ok(Value::Object(shown)))
}

fn update(request: &Request<'_>) -> Outcome {
    request.caller.require(Action::WritePolicy)?;
    let body = request.object_body()?;
    let ((), effects) = request.write(|transaction| {
        let tenant = transaction
            .newest::<Tenant>(request.caller.tenant_id)
            .ok_or_else(GraphError::unknown_caller)?;
        let mut tenant = owned(&tenant);
        let id_rule = apply(&mut tenant.policies.app_management, &body)?;
        if let Some(is_on) = id_rule {
            tenant.policies.identifier_uri_rule = Some(is_on);
        }
        transaction.put(tenant);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

/// Takes over the restrictions that the emulator enforces. Returns the state of the rule on
/// identifier URIs when the body has one.
fn apply(
    policy: &mut AppManagementPolicy,
    body: &Map<String, Value>,
) -> Result<Option<bool>, GraphError> {
    const RESOURCE: &str = "TenantAppManagementPolicy";
    if let Some(name) = body.keys().find(|name| {
        !name.contains('@')
            && ![
                "id",
                "displayName",
                "description",
                "isEnabled",
                "applicationRestrictions",
                "servicePrincipalRestrictions",
            ]
            .contains(&name.as_str())
    }) {
        return Err(GraphError::unknown_property(&shorten(name)));
    }
    if let Some(is_enabled) = body.get("isEnabled") {
        policy.is_enabled = is_enabled
            .as_bool()
            .ok_or_else(|| GraphError::invalid_value("isEnabled", RESOURCE))?;
    }
    if let Some(restrictions) = body.get("servicePrincipalRestrictions") {
        policy.service_principal_restrictions = Some(restrictions.clone());
    }
    let Some(restrictions) = body.get("applicationRestrictions") else {
        return Ok(None);
    };
    if let Some(passwords) = restrictions
        .get("passwordCredentials")
        .and_then(Value::as_array)
    {
        policy.password_addition_blocked = false;
        policy.password_lifetime_days = None;
        for one in passwords {
            let is_on = one.get("state").and_then(Value::as_str) != Some("disabled");
            match one.get("restrictionType").and_then(Value::as_str) {
                Some("passwordAddition") => policy.password_addition_blocked = is_on,
                Some("passwordLifetime") if is_on => {
                    policy.password_lifetime_days = Some(days(one)?);
                }
                Some(
                    "passwordLifetime"
                    | "customPasswordAddition"
                    | "symmetricKeyAddition"
                    | "symmetricKeyLifetime",
                ) => {}
                _ => return Err(GraphError::invalid_value("restrictionType", RESOURCE)),
            }
        }
    }
    Ok(restrictions
        .pointer("/identifierUris/uriAdditionWithoutUniqueTenantIdentifier/state")
        .and_then(Value::as_str)
        .map(|state| state != "disabled"))
}

/// Whole days of an ISO 8601 duration such as `P180D`.
fn days(restriction: &Value) -> Result<u32, GraphError> {
    let invalid = || GraphError::invalid_value("maxLifetime", "PasswordCredentialConfiguration");
    let span: jiff::Span = restriction
        .get("maxLifetime")
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .ok_or_else(invalid)?;
    let hours = span
        .total(jiff::SpanTotal::from(jiff::Unit::Day).days_are_24_hours())
        .map_err(|_| invalid())?;
    if !(1.0..=36_500.0).contains(&hours) {
        return Err(invalid());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was just checked, and part of a day does not count"
    )]
    Ok(hours as u32)
}

fn represent(tenant: &Tenant) -> Map<String, Value> {
    let policy = &tenant.policies.app_management;
    let state = |is_on: bool| if is_on { "enabled" } else { "disabled" };
    let mut passwords = vec![json!({
        "restrictionType": "passwordAddition",
        "state": state(policy.password_addition_blocked),
        "maxLifetime": null,
        "restrictForAppsCreatedAfterDateTime": null,
    })];
    if let Some(days) = policy.password_lifetime_days {
        passwords.push(json!({
            "restrictionType": "passwordLifetime",
            "state": "enabled",
            "maxLifetime": format!("P{days}D"),
            "restrictForAppsCreatedAfterDateTime": null,
        }));
    }
    let shown = json!({
        "id": "00000000-0000-0000-0000-000000000000",
        "displayName": "Default app management tenant policy",
        "description": "Default tenant policy that enforces app management restrictions on applications and service principals. To apply policy to targeted resources, create a new policy under appManagementPolicies collection.",
        "isEnabled": policy.is_enabled,
        "applicationRestrictions": {
            "passwordCredentials": passwords,
            "keyCredentials": [],
            "identifierUris": {
                "nonDefaultUriAddition": null,
                "uriAdditionWithoutUniqueTenantIdentifier": {
                    "state": state(tenant.policies.identifier_uri_rule != Some(false)),
                    "isStateSetByMicrosoft": tenant.policies.identifier_uri_rule.is_none(),
                    "excludeAppsReceivingV2Tokens": true,
                    "excludeSaml": true,
                    "restrictForAppsCreatedAfterDateTime": null,
                },
            },
        },
        "servicePrincipalRestrictions": policy.service_principal_restrictions,
    });
    object(shown)
}
