//! What Entra's refusals mean, as tables.
//!
//! Entra ID is eventually consistent and says so in many voices: the same status may mean "not yet" just after a
//! creation and "never" later. The tables name the meaning; [`Stage`] decides what it is worth.

#[cfg(test)]
mod tests;

use domain::provider_failure::{FailureClass, ProviderFailure};

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// What was asked for is so already.
    AlreadyDone,
    /// Not yet visible where the request arrived; or really not there.
    ReplicationLag,
    /// A missing permission; or an ownership that is not yet visible.
    OwnershipLag,
    /// Told to wait.
    Throttled,
    /// The server's trouble, a concurrent change, or no answer at all.
    ServerTrouble,
    /// Claviger's own access token was not accepted.
    TokenRefused,
    /// The same request will be refused again.
    Rejected,
    /// An administrator must act.
    Misconfigured,
}

/// How young the thing is that a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing was made before this request: what is missing is missing.
    First,
    /// Made a moment ago by the same operation.
    Fresh,
    /// Made by an earlier operation; perhaps still young.
    Settled,
}

/// How long a refusal is worth waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    None,
    /// The documented maximum waiting time.
    Short,
    /// The operation's whole budget.
    Full,
}

/// A refusal with its meaning.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) meaning: Meaning,
    pub(super) failure: Box<ProviderFailure>,
    /// The request may have taken effect although there was no good answer.
    pub(super) ambiguous: bool,
}

impl Refusal {
    pub(super) fn new(meaning: Meaning, mut failure: ProviderFailure) -> Self {
        failure.class = class_of(meaning);
        Self {
            meaning,
            failure: Box::new(failure),
            ambiguous: meaning == Meaning::ServerTrouble,
        }
    }

    pub(super) fn patience(&self, stage: Stage) -> Patience {
        match (self.meaning, stage) {
            (Meaning::Throttled | Meaning::ServerTrouble, _)
            | (Meaning::ReplicationLag, Stage::Fresh) => Patience::Full,
            (Meaning::ReplicationLag, Stage::Settled) | (Meaning::OwnershipLag, Stage::Fresh) => {
                Patience::Short
            }
            _ => Patience::None,
        }
    }

    /// As the caller is told once waiting is over.
    pub(super) fn into_failure(mut self, stage: Stage) -> ProviderFailure {
        if self.meaning == Meaning::ReplicationLag && stage == Stage::Fresh {
            self.failure.class = FailureClass::Transient;
        }
        *self.failure
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.failure.status == Some(404)
    }
}

fn class_of(meaning: Meaning) -> FailureClass {
    match meaning {
        Meaning::Throttled => FailureClass::Throttled,
        Meaning::ServerTrouble => FailureClass::Transient,
        Meaning::AlreadyDone | Meaning::ReplicationLag | Meaning::Rejected => {
            FailureClass::Rejected
        }
        Meaning::OwnershipLag | Meaning::TokenRefused | Meaning::Misconfigured => {
            FailureClass::Misconfigured
        }
    }
}

/// One row about Microsoft Graph. Empty parts match anything; the first matching row counts.
struct GraphRule {
    status: &'static [u16],
    /// The error's code, or the code of one of its details.
    code: &'static str,
    /// Part of the message, or of a detail's message.
    text: &'static str,
    meaning: Meaning,
    advice: &'static str,
}

const fn rule(
    status: &'static [u16],
    code: &'static str,
    text: &'static str,
    meaning: Meaning,
    advice: &'static str,
) -> GraphRule {
    GraphRule {
        status,
        code,
        text,
        meaning,
        advice,
    }
}

const ALLOW_MORE: &str = "Grant Claviger's app the application permission Application.ReadWrite.OwnedBy and consent to it as an administrator.";
const WAIT: &str = "Microsoft Graph is not well at the moment; try again later.";

/// Microsoft Graph error responses; texts as they are seen in the field.
const GRAPH_RULES: &[GraphRule] = &[
    rule(
        &[],
        "NoBackingApplicationObject",
        "",
        Meaning::ReplicationLag,
        "",
    ),
    rule(
        &[400],
        "",
        "does not reference a valid application object",
        Meaning::ReplicationLag,
        "",
    ),
    rule(
        &[403],
        "",
        "must in the local tenant",
        Meaning::ReplicationLag,
        "",
    ),
    rule(
        &[400],
        "",
        "Not a valid reference update",
        Meaning::ReplicationLag,
        "",
    ),
    rule(
        &[400],
        "",
        "Permission being assigned already exists",
        Meaning::AlreadyDone,
        "",
    ),
    rule(
        &[400, 404],
        "",
        "No password credential found with keyId",
        Meaning::AlreadyDone,
        "",
    ),
    rule(
        &[400, 409],
        "",
        "service principal name",
        Meaning::AlreadyDone,
        "",
    ),
    rule(
        &[400, 409],
        "ObjectConflict",
        "",
        Meaning::Rejected,
        "Another app holds this value; a deleted app keeps its values until it is removed from the deleted items.",
    ),
    rule(
        &[400, 409],
        "",
        "Another object with the same value",
        Meaning::Rejected,
        "Another app holds this value; a deleted app keeps its values until it is removed from the deleted items.",
    ),
    rule(
        &[403],
        "Directory_QuotaExceeded",
        "",
        Meaning::Misconfigured,
        "Remove deleted apps for good, or give Claviger's app a directory role without this limit.",
    ),
    rule(
        &[403],
        "Directory_ResourceSizeExceeded",
        "",
        Meaning::Rejected,
        "Remove old credentials from the app.",
    ),
    rule(
        &[400],
        "TooManyAppPasswords",
        "",
        Meaning::Rejected,
        "Remove a client secret from the app, or set its supported account types to this directory only.",
    ),
    rule(
        &[400],
        "CredentialInvalidLifetimeAsPerAppPolicy",
        "",
        Meaning::Misconfigured,
        "Lower the key manager's client secret lifetime to what the tenant's app management policy allows.",
    ),
    rule(
        &[400],
        "CredentialTypeNotAllowedAsPerAppPolicy",
        "",
        Meaning::Misconfigured,
        "The tenant's app management policy forbids client secrets; exempt Claviger's app from it.",
    ),
    rule(
        &[400],
        "HostNameNotOnVerifiedDomain",
        "",
        Meaning::Misconfigured,
        "Use an App ID URI of a verified domain, or api:// with the client id.",
    ),
    rule(
        &[400],
        "",
        "Failed to add identifier URI",
        Meaning::Misconfigured,
        "The tenant's policy restricts App ID URIs; let new clients get V2 tokens.",
    ),
    rule(
        &[400],
        "CannotDeleteOrUpdateEnabledEntitlement",
        "",
        Meaning::Rejected,
        "Disable the permission before it is removed.",
    ),
    rule(
        &[401],
        "Authorization_IdentityNotFound",
        "",
        Meaning::Misconfigured,
        "Claviger's app has no service principal in this tenant; create it or consent to the app.",
    ),
    rule(
        &[401],
        "",
        "",
        Meaning::TokenRefused,
        "Check that the token endpoint and the Graph endpoint belong to the same cloud and tenant.",
    ),
    rule(
        &[403],
        "Authorization_RequestDenied",
        "",
        Meaning::OwnershipLag,
        ALLOW_MORE,
    ),
    rule(&[403], "", "", Meaning::Misconfigured, ALLOW_MORE),
    rule(
        &[404],
        "",
        "",
        Meaning::ReplicationLag,
        "The object is not (or not yet) there; was it deleted in Entra?",
    ),
    rule(
        &[],
        "Directory_ConcurrencyViolation",
        "",
        Meaning::ServerTrouble,
        WAIT,
    ),
    rule(&[409], "", "", Meaning::ServerTrouble, WAIT),
    rule(&[429], "", "", Meaning::Throttled, WAIT),
    rule(
        &[408, 424, 500, 502, 503, 504],
        "",
        "",
        Meaning::ServerTrouble,
        WAIT,
    ),
];

/// A Graph error's words, gathered from its envelope.
#[derive(Clone, Debug, Default)]
pub(super) struct GraphError {
    pub(super) code: String,
    pub(super) message: String,
    /// Code and message of each detail.
    pub(super) details: Vec<(String, String)>,
}

/// Looks a Graph error up; unknown ones are refusals for good, unknown server errors are not.
pub(super) fn graph_meaning(status: u16, error: &GraphError) -> (Meaning, Option<&'static str>) {
    let matches = |rule: &&GraphRule| {
        let code_matches = rule.code.is_empty()
            || error.code == rule.code
            || error.details.iter().any(|(code, _)| code == rule.code);
        let text_matches = rule.text.is_empty()
            || error.message.contains(rule.text)
            || error
                .details
                .iter()
                .any(|(_, text)| text.contains(rule.text));
        (rule.status.is_empty() || rule.status.contains(&status)) && code_matches && text_matches
    };
    match GRAPH_RULES.iter().find(matches) {
        Some(rule) => (rule.meaning, advice(rule.advice)),
        None if status >= 500 && status != 501 => (Meaning::ServerTrouble, Some(WAIT)),
        None => (Meaning::Rejected, None),
    }
}

/// One row about the token endpoint: Entra's number for the error (`AADSTS…`).
struct TokenRule {
    number: u64,
    meaning: Meaning,
    advice: &'static str,
}

const fn token_rule(number: u64, meaning: Meaning, advice: &'static str) -> TokenRule {
    TokenRule {
        number,
        meaning,
        advice,
    }
}

/// Microsoft's reference of AADSTS errors, those that a client credentials request can meet.
const TOKEN_RULES: &[TokenRule] = &[
    token_rule(
        700_016,
        Meaning::ReplicationLag,
        "No app with this client id is in the tenant: check the client id and the tenant of the token endpoint.",
    ),
    token_rule(
        7_000_215,
        Meaning::ReplicationLag,
        "Check that the secret's value was given, not its id, and that the secret was not removed.",
    ),
    token_rule(
        7_000_222,
        Meaning::ReplicationLag,
        "The secret has expired: make a new one.",
    ),
    token_rule(
        7_000_229,
        Meaning::ReplicationLag,
        "The app has no service principal in the tenant: create it.",
    ),
    token_rule(
        500_011,
        Meaning::ReplicationLag,
        "The app has no App ID URI of the form api:// with its client id: set it.",
    ),
    token_rule(
        501_051,
        Meaning::ReplicationLag,
        "The API demands an app role that this client was not given.",
    ),
    token_rule(
        70_021,
        Meaning::ReplicationLag,
        "No federated credential matches the assertion.",
    ),
    token_rule(
        700_211,
        Meaning::ReplicationLag,
        "No federated credential has the assertion's issuer.",
    ),
    token_rule(
        700_212,
        Meaning::ReplicationLag,
        "No federated credential has the assertion's audience.",
    ),
    token_rule(
        700_213,
        Meaning::ReplicationLag,
        "No federated credential has the assertion's subject.",
    ),
    token_rule(50_196, Meaning::Throttled, WAIT),
    token_rule(90_055, Meaning::Throttled, WAIT),
    token_rule(90_033, Meaning::ServerTrouble, WAIT),
    token_rule(90_024, Meaning::ServerTrouble, WAIT),
    token_rule(
        7_000_112,
        Meaning::Rejected,
        "The app is disabled in the tenant: enable it.",
    ),
    token_rule(
        53_003,
        Meaning::Misconfigured,
        "A Conditional Access policy for workload identities forbids it; allow Claviger's network.",
    ),
    token_rule(
        90_002,
        Meaning::Misconfigured,
        "The tenant does not exist: check the token endpoint.",
    ),
    token_rule(
        900_023,
        Meaning::Misconfigured,
        "The tenant in the token endpoint is neither an id nor a domain.",
    ),
    token_rule(
        1_002_012,
        Meaning::Rejected,
        "Ask for a scope that ends in /.default.",
    ),
];

/// Looks a token endpoint's error up by Entra's number, else by status.
pub(super) fn token_meaning(status: u16, number: Option<u64>) -> (Meaning, Option<&'static str>) {
    if status == 429 {
        return (Meaning::Throttled, Some(WAIT));
    }
    let known = number.and_then(|number| TOKEN_RULES.iter().find(|rule| rule.number == number));
    match known {
        Some(rule) => (rule.meaning, advice(rule.advice)),
        None if status == 408 || status >= 500 => (Meaning::ServerTrouble, Some(WAIT)),
        None => (Meaning::Rejected, None),
    }
}

fn advice(text: &'static str) -> Option<&'static str> {
    (!text.is_empty()).then_some(text)
}
