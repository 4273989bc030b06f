//! "Test connection": does Claviger's own credential work, does it carry what is needed and no more, and does the
//! tenant allow what the settings ask for? Changes nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::SecretString;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use uuid::Uuid;

use super::EntraConnector;
use super::classify::Refusal;
use super::graph::{GraphRequest, guid};
use super::token_profile::tenant_issuer;
use crate::contract::{ConnectionFinding, ConnectionReport, FindingSeverity};

/// Application permissions that suffice, the least first.
const SUFFICIENT: [&str; 3] = [
    "Application.ReadWrite.OwnedBy",
    "Application.ReadWrite.All",
    "Directory.ReadWrite.All",
];

/// Application permissions that Claviger does not need.
const EXCESSIVE: [&str; 6] = [
    "Application.ReadWrite.All",
    "Directory.ReadWrite.All",
    "RoleManagement.ReadWrite.Directory",
    "AppRoleAssignment.ReadWrite.All",
    "User.ReadWrite.All",
    "Group.ReadWrite.All",
];

/// Tokens are checked with some leeway; beyond this they fail.
const TOLERABLE_SKEW: SignedDuration = SignedDuration::from_secs(60);
const DANGEROUS_SKEW: SignedDuration = SignedDuration::from_secs(5 * 60);

/// When to speak about the end of Claviger's own secret.
const EXPIRY_WARNING: SignedDuration = SignedDuration::from_hours(30 * 24);

impl EntraConnector {
    pub(super) async fn report(&self) -> ConnectionReport {
        let mut findings = self.issuer_findings();
        match self.graph.token().fetch().await {
            Ok(answer) => {
                findings.push(good(
                    "credential",
                    "The token endpoint accepts the credential.",
                ));
                findings.extend(permission_findings(&answer.access_token));
                findings.extend(answer.date.map(|date| self.clock_finding(date)));
                findings.extend(self.own_secret_findings().await);
                findings.extend(self.policy_findings().await);
            }
            Err(refusal) => findings.push(refused("credential", &refusal)),
        }
        ConnectionReport { findings }
    }

    fn issuer_findings(&self) -> Vec<ConnectionFinding> {
        let mut findings = Vec::new();
        let Some(issuer) = tenant_issuer(&self.settings.issuer) else {
            return findings;
        };
        let endpoint = self.token_endpoint.url();
        let tenant_of_endpoint = endpoint
            .path_segments()
            .and_then(|mut segments| Uuid::parse_str(segments.next()?).ok());
        if tenant_of_endpoint.is_some_and(|tenant| tenant != issuer.tenant) {
            findings.push(problem(
                "issuer",
                "The issuer and the token endpoint belong to different tenants.".to_owned(),
            ));
        }
        if issuer.version != self.settings.token_version {
            findings.push(warning(
                "issuer",
                format!(
                    "New clients get V{} tokens while the issuer is that of V{} tokens: the gateway refuses them unless V1 and V2 tokens are accepted.",
                    self.settings.token_version, issuer.version
                ),
            ));
        }
        findings
    }

    fn clock_finding(&self, date: Timestamp) -> ConnectionFinding {
        let skew = self.clock.now().duration_since(date).abs();
        let message = format!(
            "This machine's clock and Entra's differ by {} seconds.",
            skew.as_secs()
        );
        if skew >= DANGEROUS_SKEW {
            problem("clock", message)
        } else if skew > TOLERABLE_SKEW {
            warning("clock", message)
        } else {
            good("clock", &message)
        }
    }

    /// When does the secret end that Claviger itself signs in with? Its hint tells which one it is.
    async fn own_secret_findings(&self) -> Option<ConnectionFinding> {
        let app_id = guid(&self.settings.client_id)?;
        let path = format!("/applications(appId='{app_id}')?$select=id,passwordCredentials");
        let request = GraphRequest::new("read own application", Method::GET, path);
        // Reading oneself is a convenience that the least permissions may not cover.
        let application = self.graph.call(&request).await.ok()?;
        let secret = self.settings.client_secret.expose_secret();
        let listed = application.get("passwordCredentials")?.as_array()?;
        let ends_at: Timestamp = listed
            .iter()
            .filter(|credential| {
                let hint = credential.get("hint").and_then(Value::as_str);
                hint.is_some_and(|hint| !hint.is_empty() && secret.starts_with(hint))
            })
            .filter_map(|credential| credential.get("endDateTime")?.as_str()?.parse().ok())
            .max()?;
        let message = format!("Claviger's own secret ends at {ends_at:.0}.");
        if ends_at.duration_since(self.clock.now()) < EXPIRY_WARNING {
            Some(warning("credential_expiry", message))
        } else {
            Some(good("credential_expiry", &message))
        }
    }

    async fn policy_findings(&self) -> Vec<ConnectionFinding> {
        let path = "/policies/defaultAppManagementPolicy".to_owned();
        let request = GraphRequest::new("read app management policy", Method::GET, path);
        // Readable only with Policy.Read.All, which is not demanded.
        let Ok(policy) = self.graph.call(&request).await else {
            return Vec::new();
        };
        if policy.get("isEnabled") == Some(&Value::Bool(false)) {
            return Vec::new();
        }
        let restrictions = policy.pointer("/applicationRestrictions/passwordCredentials");
        let restrictions = restrictions.and_then(Value::as_array);
        let mut findings = Vec::new();
        for restriction in restrictions.into_iter().flatten() {
            let text = |name: &str| restriction.get(name).and_then(Value::as_str);
            if text("state").is_some_and(|state| state != "enabled") {
                continue;
            }
            match text("restrictionType") {
                Some("passwordAddition") => findings.push(problem(
                    "policy",
                    "The tenant's app management policy forbids client secrets.".to_owned(),
                )),
                Some("passwordLifetime") => {
                    let longest = text("maxLifetime").and_then(longest_lifetime);
                    if longest.is_some_and(|longest| self.wants_more_than(longest)) {
                        findings.push(problem(
                            "policy",
                            format!(
                                "The tenant's app management policy allows secrets for {}; the key manager asks for longer.",
                                text("maxLifetime").unwrap_or_default()
                            ),
                        ));
                    }
                }
                _ => {}
            }
        }
        findings
    }

    fn wants_more_than(&self, longest: SignedDuration) -> bool {
        SignedDuration::try_from(self.settings.secret_lifetime)
            .is_ok_and(|lifetime| lifetime > longest)
    }
}

/// The roles in Claviger's own token, which only Graph can verify and which is therefore only read here.
fn permission_findings(token: &SecretString) -> Vec<ConnectionFinding> {
    let Some(roles) = roles_of(token) else {
        return vec![warning(
            "permissions",
            "The permissions cannot be read from the access token.".to_owned(),
        )];
    };
    let holds = |permission: &str| roles.iter().any(|role| role == permission);
    let mut findings = Vec::new();
    match SUFFICIENT.into_iter().find(|permission| holds(permission)) {
        Some(permission) => findings.push(good(
            "permissions",
            &format!("The application permission {permission} is granted."),
        )),
        None => findings.push(problem(
            "permissions",
            "The application permission Application.ReadWrite.OwnedBy is missing: grant it to Claviger's app and consent as an administrator.".to_owned(),
        )),
    }
    let excessive: Vec<&str> = EXCESSIVE.into_iter().filter(|role| holds(role)).collect();
    if !excessive.is_empty() {
        findings.push(warning(
            "permissions",
            format!(
                "Claviger's app may do more than it needs ({}); Application.ReadWrite.OwnedBy suffices.",
                excessive.join(", ")
            ),
        ));
    }
    findings
}

fn roles_of(token: &SecretString) -> Option<Vec<String>> {
    let payload = token.expose_secret().split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let roles = claims.get("roles").and_then(Value::as_array);
    Some(
        roles
            .into_iter()
            .flatten()
            .filter_map(|role| Some(role.as_str()?.to_owned()))
            .collect(),
    )
}

/// ISO 8601, for example `P180D`; months and years by their longest meaning that never alarms falsely.
fn longest_lifetime(text: &str) -> Option<SignedDuration> {
    let span: jiff::Span = text.parse().ok()?;
    let days = i64::from(span.get_years()) * 366
        + i64::from(span.get_months()) * 31
        + i64::from(span.get_weeks()) * 7
        + i64::from(span.get_days());
    let seconds = i64::from(span.get_hours()) * 3_600 + span.get_minutes() * 60;
    Some(SignedDuration::from_secs(days * 86_400 + seconds))
}

fn good(check: &'static str, message: &str) -> ConnectionFinding {
    finding(FindingSeverity::Good, check, message.to_owned())
}

fn warning(check: &'static str, message: String) -> ConnectionFinding {
    finding(FindingSeverity::Warning, check, message)
}

fn problem(check: &'static str, message: String) -> ConnectionFinding {
    finding(FindingSeverity::Problem, check, message)
}

fn refused(check: &'static str, refusal: &Refusal) -> ConnectionFinding {
    let failure = &refusal.failure;
    let message = match &failure.advice {
        Some(advice) => format!("{} {advice}", failure.message),
        None => failure.message.clone(),
    };
    problem(check, message)
}

fn finding(severity: FindingSeverity, check: &'static str, message: String) -> ConnectionFinding {
    ConnectionFinding {
        severity,
        check,
        message,
    }
}
