//! Certificates: set by PATCH, added with a proof of possession, removed (Microsoft: *application: addKey*).

use aws_lc_rs::{digest, signature};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{
    application::{self, ApplicationKey},
    error::GraphError,
    password,
    request::{Answer, Outcome, Request, object},
    schema, types,
};
use crate::{
    directory::{Application, KeyCredential},
    random::Random,
};

const RESOURCE: &str = "KeyCredential";
/// `aud` of a proof of possession: the retired Azure AD Graph.
const PROOF_AUDIENCE: &str = "00000002-0000-0000-c000-000000000000";

/// Replaces the certificates by those of a body; entries that a client echoes without their key
/// keep the stored one.
///
/// # Errors
/// 400 when an entry is not a certificate.
pub(super) fn replace(
    application: &mut Application,
    wanted: Option<Value>,
    random: &Random,
) -> Result<(), GraphError> {
    let Some(Value::Array(wanted)) = wanted else {
        return Ok(());
    };
    let stored = std::mem::take(&mut application.key_credentials);
    for one in wanted {
        let Value::Object(one) = one else {
            return Err(GraphError::invalid_value("keyCredentials", RESOURCE));
        };
        let known =
            guid(&one, "keyId").and_then(|id| stored.iter().find(|stored| stored.key_id == id));
        application
            .key_credentials
            .push(match (known, one.get("key").and_then(Value::as_str)) {
                (Some(known), None) => known.clone(),
                (_, Some(_)) => read(&one, random)?,
                (None, None) => return Err(GraphError::missing_value("key", RESOURCE)),
            });
    }
    Ok(())
}

/// `addKey`.
pub(super) fn add(request: &Request<'_>, key: &ApplicationKey) -> Outcome {
    require_post(request)?;
    let mut body = request.object_body()?;
    let Some(Value::Object(wanted)) = body.remove("keyCredential") else {
        return Err(GraphError::missing_value("keyCredential", RESOURCE));
    };
    let wanted = schema::check(wanted, types::KEY_CREDENTIAL, RESOURCE)?;
    let proof = body
        .get("proof")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let random = &request.state.random;
    let (credential, effects) = request.write(|transaction| {
        let mut application = application::find_writable(request, transaction, key)?;
        check_proof(&proof, &application, transaction.now())?;
        let credential = read(&wanted, random)?;
        application.key_credentials.push(credential.clone());
        let tenant = transaction
            .directory()
            .tenant_by_id(application.tenant_id)
            .ok_or_else(GraphError::unknown_caller)?;
        super::application_rules::check(
            &application,
            Some(&application),
            &tenant,
            transaction.directory(),
        )?;
        application::put(transaction, application);
        Ok(credential)
    })?;
    let mut shown = represent(&credential, None);
    let context = format!("{}/$metadata#microsoft.graph.keyCredential", request.base);
    shown.insert("@odata.context".to_owned(), json!(context));
    Ok(Answer::changed(Value::Object(shown), effects))
}

/// `removeKey`.
pub(super) fn remove(request: &Request<'_>, key: &ApplicationKey) -> Outcome {
    require_post(request)?;
    let key_id = password::key_id(request)?;
    let body = request.object_body()?;
    let proof = body
        .get("proof")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let ((), effects) = request.write(|transaction| {
        let mut application = application::find_writable(request, transaction, key)?;
        check_proof(&proof, &application, transaction.now())?;
        let before = application.key_credentials.len();
        application
            .key_credentials
            .retain(|credential| credential.key_id != key_id);
        if application.key_credentials.len() == before {
            return Err(GraphError::bad_request(format!(
                "No key credential found with keyId '{key_id}'."
            )));
        }
        application::put(transaction, application);
        Ok(())
    })?;
    Ok(Answer::no_content(effects))
}

/// The credential as Graph shows it.
pub(super) fn represent(credential: &KeyCredential, key: Option<&str>) -> Map<String, Value> {
    let shown = json!({
        "customKeyIdentifier": credential.custom_key_identifier,
        "displayName": credential.display_name,
        "endDateTime": credential.end_date_time,
        "key": key,
        "keyId": credential.key_id,
        "startDateTime": credential.start_date_time,
        "type": credential.r#type,
        "usage": credential.usage,
    });
    object(shown)
}

fn read(wanted: &Map<String, Value>, random: &Random) -> Result<KeyCredential, GraphError> {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str);
    let invalid = |name: &str| GraphError::invalid_value(name, RESOURCE);
    if !matches!(text("type"), Some("AsymmetricX509Cert")) {
        return Err(invalid("type"));
    }
    if !matches!(text("usage"), Some("Verify" | "Sign")) {
        return Err(invalid("usage"));
    }
    let der = certificate(text("key").unwrap_or_default()).ok_or_else(|| {
        GraphError::bad_request(
            "Key credential is invalid. The value of 'key' is not a certificate.",
        )
        .detail(
            "InvalidValue",
            "keyCredentials",
            "Key value is invalid certificate",
        )
    })?;
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| invalid("key"))?;
    let edge = |seconds: i64| Timestamp::from_second(seconds).map_err(|_| invalid("key"));
    let not_before = edge(parsed.validity().not_before.timestamp())?;
    let not_after = edge(parsed.validity().not_after.timestamp())?;
    let time = |name: &str, default: Timestamp| {
        text(name).map_or(Ok(default), |text| {
            text.parse::<Timestamp>().map_err(|_| invalid(name))
        })
    };
    let (start, end) = (
        time("startDateTime", not_before)?,
        time("endDateTime", not_after)?,
    );
    if end > not_after || end <= start {
        return Err(
            GraphError::bad_request("Key credential end date is invalid.").detail(
                "KeyCredentialsInvalidEndDate",
                "EndDate",
                "Key credential end date is invalid.",
            ),
        );
    }
    let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    Ok(KeyCredential {
        key_id: guid(wanted, "keyId").unwrap_or_else(|| random.uuid()),
        display_name: text("displayName").map_or_else(
            || Some(parsed.subject().to_string()),
            |name| Some(name.to_owned()),
        ),
        r#type: "AsymmetricX509Cert".to_owned(),
        usage: text("usage").unwrap_or("Verify").to_owned(),
        key: STANDARD.encode(&der),
        custom_key_identifier: text("customKeyIdentifier").map_or_else(
            || Some(STANDARD.encode(thumbprint)),
            |given| Some(given.to_owned()),
        ),
        start_date_time: start,
        end_date_time: end,
    })
}

/// The DER form of a `key`: base64 of DER, or of a whole PEM file as some clients send it.
fn certificate(key: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(key.trim()).ok()?;
    if bytes.starts_with(b"-----BEGIN") {
        return pem::parse(&bytes).ok().map(pem::Pem::into_contents);
    }
    X509Certificate::from_der(&bytes).ok()?;
    Some(bytes)
}

/// Checks a proof of possession: a JWT signed by a valid certificate of the application.
fn check_proof(proof: &str, application: &Application, now: Timestamp) -> Result<(), GraphError> {
    let refused = || {
        GraphError::new(
            http::StatusCode::FORBIDDEN,
            "Authentication_MissingOrMalformed",
            "Access Token missing or malformed.",
        )
    };
    let (signed, signature_text) = proof.rsplit_once('.').ok_or_else(refused)?;
    let (header, claims) = signed.split_once('.').ok_or_else(refused)?;
    let decode = |text: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    };
    let header = decode(header).ok_or_else(refused)?;
    let claims = decode(claims).ok_or_else(refused)?;
    let signature_bytes = URL_SAFE_NO_PAD
        .decode(signature_text)
        .map_err(|_| refused())?;
    let algorithm: &signature::RsaParameters = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => &signature::RSA_PKCS1_2048_8192_SHA256,
        Some("PS256") => &signature::RSA_PSS_2048_8192_SHA256,
        _ => return Err(refused()),
    };
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let seconds = now.as_second();
    let in_time = number("exp").is_some_and(|exp| exp > seconds)
        && number("nbf").is_none_or(|nbf| nbf <= seconds + 300)
        && number("exp")
            .zip(number("nbf"))
            .is_none_or(|(exp, nbf)| exp - nbf <= 600);
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let names_application =
        text("iss").and_then(|iss| Uuid::try_parse(iss).ok()) == Some(application.id);
    if !in_time || !names_application || text("aud") != Some(PROOF_AUDIENCE) {
        return Err(refused());
    }
    let is_signed = application
        .key_credentials
        .iter()
        .filter(|key| key.is_valid(now))
        .any(|key| {
            let Some(der) = key.certificate() else {
                return false;
            };
            let Ok((_, parsed)) = X509Certificate::from_der(&der) else {
                return false;
            };
            let public_key = &parsed.public_key().subject_public_key.data;
            signature::UnparsedPublicKey::new(algorithm, public_key)
                .verify(signed.as_bytes(), &signature_bytes)
                .is_ok()
        });
    if is_signed { Ok(()) } else { Err(refused()) }
}

fn guid(map: &Map<String, Value>, name: &str) -> Option<Uuid> {
    map.get(name)
        .and_then(Value::as_str)
        .and_then(|text| Uuid::try_parse(text).ok())
}

fn require_post(request: &Request<'_>) -> Result<(), GraphError> {
    if request.method == http::Method::POST {
        Ok(())
    } else {
        Err(GraphError::method_not_allowed())
    }
}
