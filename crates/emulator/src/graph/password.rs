//! Secrets: issued once, never shown again (Microsoft: *application: addPassword*).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    application::{self, ApplicationKey},
    error::{Detail, GraphError},
    request::{Answer, Outcome, Request, object},
    schema, types,
};
use crate::{
    directory::{Application, PasswordCredential, Tenant},
    random::Random,
    seed,
};

const RESOURCE: &str = "PasswordCredential";
const MAXIMUM_WITH_PERSONAL_ACCOUNTS: usize = 2;

/// `addPassword`.
pub(super) fn add(request: &Request<'_>, key: &ApplicationKey) -> Outcome {
    require_post(request)?;
    let mut body = request.optional_body()?;
    let wanted = match body.remove("passwordCredential") {
        Some(Value::Object(wanted)) => schema::check(wanted, types::PASSWORD_CREDENTIAL, RESOURCE)?,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err(GraphError::invalid_value("passwordCredential", RESOURCE)),
    };
    if let Some(unknown) = body.keys().find(|name| !name.contains('@')) {
        return Err(GraphError::unknown_property(&schema::shorten(unknown)));
    }
    let (random, now) = (&request.state.random, request.state.now());
    let ((credential, secret), effects) = request.write(|transaction| {
        let mut application = application::find_writable(request, transaction, key)?;
        let tenant = transaction
            .directory()
            .tenant_by_id(application.tenant_id)
            .ok_or_else(GraphError::unknown_caller)?;
        let issued = issue(&application, &wanted, &tenant, random, now)?;
        application.password_credentials.push(issued.0.clone());
        super::application_rules::check(
            &application,
            Some(&application),
            &tenant,
            transaction.directory(),
        )?;
        application::put(transaction, application);
        Ok(issued)
    })?;
    let mut shown = represent(&credential, Some(&secret));
    let context = format!(
        "{}/$metadata#microsoft.graph.passwordCredential",
        request.base
    );
    shown.insert("@odata.context".to_owned(), json!(context));
    Ok(Answer::changed(Value::Object(shown), effects))
}

/// `removePassword`.
pub(super) fn remove(request: &Request<'_>, key: &ApplicationKey) -> Outcome {
    require_post(request)?;
    let key_id = key_id(request)?;
    let ((), effects) = request.write(|transaction| {
        let mut application = application::find_writable(request, transaction, key)?;
        let before = application.password_credentials.len();
        application
            .password_credentials
            .retain(|credential| credential.key_id != key_id);
        if application.password_credentials.len() == before {
            return Err(GraphError::bad_request(format!(
                "No password credential found with keyId '{key_id}'."
            )));
        }
        application::put(transaction, application);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

/// The `keyId` of a removal.
///
/// # Errors
/// 400 when it is missing or not a GUID.
pub(super) fn key_id(request: &Request<'_>) -> Result<Uuid, GraphError> {
    let body = request.object_body()?;
    let Some(key_id) = body.get("keyId") else {
        return Err(GraphError::missing_value("keyId", "KeyCredential"));
    };
    key_id
        .as_str()
        .and_then(|text| Uuid::try_parse(text).ok())
        .ok_or_else(|| GraphError::invalid_value("keyId", "KeyCredential"))
}

/// Issues the secrets that a creation asks for. Returns their texts in order.
///
/// # Errors
/// 400 when a limit or policy forbids one.
pub(super) fn issue_inline(
    application: &mut Application,
    wanted: Option<Value>,
    tenant: &Tenant,
    random: &Random,
    now: Timestamp,
) -> Result<Vec<String>, GraphError> {
    let Some(Value::Array(wanted)) = wanted else {
        return Ok(Vec::new());
    };
    let mut secrets = Vec::new();
    for one in wanted {
        let Value::Object(one) = one else {
            return Err(GraphError::invalid_value("passwordCredentials", RESOURCE));
        };
        let (credential, secret) = issue(application, &one, tenant, random, now)?;
        application.password_credentials.push(credential);
        secrets.push(secret);
    }
    Ok(secrets)
}

/// The credential as Graph shows it.
pub(super) fn represent(
    credential: &PasswordCredential,
    secret: Option<&str>,
) -> Map<String, Value> {
    let shown = json!({
        "customKeyIdentifier": null,
        "displayName": credential.display_name,
        "endDateTime": credential.end_date_time,
        "hint": credential.hint,
        "keyId": credential.key_id,
        "secretText": secret,
        "startDateTime": credential.start_date_time,
    });
    object(shown)
}

fn issue(
    application: &Application,
    wanted: &Map<String, Value>,
    tenant: &Tenant,
    random: &Random,
    now: Timestamp,
) -> Result<(PasswordCredential, String), GraphError> {
    if wanted.get("secretText").is_some_and(|text| !text.is_null()) {
        return Err(GraphError::bad_request(
            "Property 'secretText' is read-only and cannot be set.",
        ));
    }
    let time = |name: &str| {
        wanted
            .get(name)
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<Timestamp>().ok())
    };
    let start = time("startDateTime").unwrap_or(now);
    let end = match time("endDateTime") {
        Some(end) => end,
        None => two_years_after(start),
    };
    if end <= start {
        return Err(
            GraphError::bad_request("Credential end date must be after its start date.").detail(
                "InvalidKeyEndDate",
                "EndDate",
                "Key credential end date is invalid.",
            ),
        );
    }
    limit(application)?;
    policy(tenant, start, end)?;
    let secret = seed::new_secret(random);
    let credential = PasswordCredential {
        key_id: random.uuid(),
        display_name: wanted
            .get("displayName")
            .and_then(Value::as_str)
            .map(str::to_owned),
        hint: Some(secret.chars().take(3).collect()),
        start_date_time: start,
        end_date_time: end,
        secret_hash: PasswordCredential::hash_of(&secret),
    };
    Ok((credential, secret))
}

fn limit(application: &Application) -> Result<(), GraphError> {
    let wanted = application.password_credentials.len() + 1;
    if !application.allows_personal_accounts() || wanted <= MAXIMUM_WITH_PERSONAL_ACCOUNTS {
        return Ok(());
    }
    let message = format!(
        "Not allowed to add {wanted} passwords. You can only add a maximum of {MAXIMUM_WITH_PERSONAL_ACCOUNTS} passwords."
    );
    let mut error = GraphError::new(
        http::StatusCode::BAD_REQUEST,
        "TooManyAppPasswords",
        message.clone(),
    );
    error.details.push(Detail {
        code: "TooManyAppPasswords",
        message,
        target: "passwordCredentials".to_owned(),
    });
    Err(error)
}

fn policy(tenant: &Tenant, start: Timestamp, end: Timestamp) -> Result<(), GraphError> {
    let policy = &tenant.policies.app_management;
    if !policy.is_enabled {
        return Ok(());
    }
    let id = tenant.id;
    if policy.password_addition_blocked {
        return Err(GraphError::new(
            http::StatusCode::BAD_REQUEST,
            "CredentialTypeNotAllowedAsPerAppPolicy",
            format!("Credential type not allowed as per assigned policy '{id}'."),
        ));
    }
    let Some(days) = policy.password_lifetime_days else {
        return Ok(());
    };
    if end.duration_since(start) <= SignedDuration::from_hours(24 * i64::from(days)) {
        return Ok(());
    }
    let message =
        format!("Credential lifetime exceeds the max value allowed as per assigned policy '{id}'.");
    Err(GraphError::new(
        http::StatusCode::BAD_REQUEST,
        "CredentialInvalidLifetimeAsPerAppPolicy",
        message.clone(),
    )
    .detail("InvalidKeyEndDate", "EndDate", message))
}

/// The same day two years later (29 February ends on the 28th).
fn two_years_after(start: Timestamp) -> Timestamp {
    let zone = jiff::tz::TimeZone::UTC;
    let end = zone
        .to_datetime(start)
        .checked_add(jiff::Span::new().years(2));
    end.ok()
        .and_then(|end| zone.to_timestamp(end).ok())
        .unwrap_or(Timestamp::MAX)
}

fn require_post(request: &Request<'_>) -> Result<(), GraphError> {
    if request.method == http::Method::POST {
        Ok(())
    } else {
        Err(GraphError::method_not_allowed())
    }
}
