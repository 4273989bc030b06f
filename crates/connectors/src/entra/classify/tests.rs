use super::{
    GRAPH_RULES, GraphError, Meaning, Patience, Refusal, Stage, TOKEN_RULES, graph_meaning,
    token_meaning,
};
use domain::provider_failure::{FailureClass, ProviderFailure};

fn error(code: &str, message: &str) -> GraphError {
    GraphError {
        code: code.to_owned(),
        message: message.to_owned(),
        details: Vec::new(),
    }
}

/// Entra's answers as they are seen in the field, whole texts.
const SEEN: &[(u16, &str, &str, Meaning)] = &[
    (
        400,
        "Request_BadRequest",
        "The appId '5e8d' of the service principal does not reference a valid application object.",
        Meaning::ReplicationLag,
    ),
    (
        403,
        "Authorization_RequestDenied",
        "When using this permission, the backing application of the service principal being created must in the local tenant",
        Meaning::ReplicationLag,
    ),
    (
        403,
        "Authorization_RequestDenied",
        "Insufficient privileges to complete the operation.",
        Meaning::OwnershipLag,
    ),
    (
        403,
        "Directory_QuotaExceeded",
        "The directory object quota limit for the Principal has been exceeded.",
        Meaning::Misconfigured,
    ),
    (
        403,
        "Directory_ResourceSizeExceeded",
        "The size of the object has exceeded its limit.",
        Meaning::Rejected,
    ),
    (
        404,
        "Request_ResourceNotFound",
        "Resource 'c1f0' does not exist or one of its queried reference-property objects are not present.",
        Meaning::ReplicationLag,
    ),
    (
        400,
        "Request_BadRequest",
        "Not a valid reference update.",
        Meaning::ReplicationLag,
    ),
    (
        400,
        "Request_BadRequest",
        "Permission being assigned already exists on the object",
        Meaning::AlreadyDone,
    ),
    (
        409,
        "Request_MultipleObjectsWithSameKeyValue",
        "The service principal cannot be created, updated, or restored because the service principal name 5e8d is already in use.",
        Meaning::AlreadyDone,
    ),
    (
        400,
        "Request_BadRequest",
        "Another object with the same value for property identifierUris already exists.",
        Meaning::Rejected,
    ),
    (
        409,
        "Request_MultipleObjectsWithSameKeyValue",
        "Another object with the same value for property uniqueName already exists.",
        Meaning::Rejected,
    ),
    (
        400,
        "HostNameNotOnVerifiedDomain",
        "Values of identifierUris property must use a verified domain of the organization or its subdomain: 'x'",
        Meaning::Misconfigured,
    ),
    (
        400,
        "CannotDeleteOrUpdateEnabledEntitlement",
        "Permission (scope or role) cannot be deleted or updated unless disabled first.",
        Meaning::Rejected,
    ),
    (
        400,
        "TooManyAppPasswords",
        "Not allowed to add 3 passwords. You can only add a maximum of 2 passwords.",
        Meaning::Rejected,
    ),
    (
        400,
        "CredentialInvalidLifetimeAsPerAppPolicy",
        "Credential lifetime exceeds the max value allowed as per assigned policy 'x'.",
        Meaning::Misconfigured,
    ),
    (
        400,
        "CredentialTypeNotAllowedAsPerAppPolicy",
        "Credential type not allowed as per assigned policy 'x'.",
        Meaning::Misconfigured,
    ),
    (
        400,
        "Request_BadRequest",
        "No password credential found with keyId 'f2c6'.",
        Meaning::AlreadyDone,
    ),
    (
        400,
        "Request_BadRequest",
        "Failed to add identifier URI api://x. All newly added URIs must contain a tenant verified domain, tenant ID, or app ID",
        Meaning::Misconfigured,
    ),
    (
        401,
        "InvalidAuthenticationToken",
        "Access token has expired or is not yet valid.",
        Meaning::TokenRefused,
    ),
    (
        401,
        "Authorization_IdentityNotFound",
        "The identity of the calling application could not be established.",
        Meaning::Misconfigured,
    ),
    (
        405,
        "Request_BadRequest",
        "Specified HTTP method is not allowed for the request target.",
        Meaning::Rejected,
    ),
    (409, "Request_Conflict", "", Meaning::ServerTrouble),
    (
        412,
        "Directory_ConcurrencyViolation",
        "",
        Meaning::ServerTrouble,
    ),
    (
        429,
        "TooManyRequests",
        "Too many requests",
        Meaning::Throttled,
    ),
    (408, "", "", Meaning::ServerTrouble),
    (424, "", "", Meaning::ServerTrouble),
    (
        500,
        "Service_InternalServerError",
        "",
        Meaning::ServerTrouble,
    ),
    (502, "", "", Meaning::ServerTrouble),
    (503, "serviceNotAvailable", "", Meaning::ServerTrouble),
    (504, "UnknownError", "", Meaning::ServerTrouble),
    (507, "", "", Meaning::ServerTrouble),
    (501, "notImplemented", "", Meaning::Rejected),
    (403, "Forbidden", "", Meaning::Misconfigured),
    (
        400,
        "Request_BadRequest",
        "Property 'x' is invalid.",
        Meaning::Rejected,
    ),
];

#[test]
fn graphs_refusals_mean_what_experience_says() {
    for (status, code, message, expected) in SEEN {
        let (meaning, _) = graph_meaning(*status, &error(code, message));
        assert_eq!(meaning, *expected, "{status} {code} {message}");
    }
}

#[test]
fn details_count_as_much_as_the_error_itself() {
    let with_detail = |code: &str, message: &str| GraphError {
        details: vec![(code.to_owned(), message.to_owned())],
        ..error("Request_BadRequest", "One or more properties are invalid.")
    };
    let (meaning, _) = graph_meaning(400, &with_detail("NoBackingApplicationObject", ""));
    assert_eq!(meaning, Meaning::ReplicationLag);
    let (meaning, _) = graph_meaning(400, &with_detail("ObjectConflict", ""));
    assert_eq!(meaning, Meaning::Rejected);
}

#[test]
fn every_row_about_graph_is_reached() {
    for (index, rule) in GRAPH_RULES.iter().enumerate() {
        let statuses: &[u16] = if rule.status.is_empty() {
            &[400]
        } else {
            rule.status
        };
        let reached = statuses.iter().any(|&status| {
            let error = error(rule.code, rule.text);
            let first = GRAPH_RULES.iter().position(|other| {
                (other.status.is_empty() || other.status.contains(&status))
                    && (other.code.is_empty() || other.code == error.code)
                    && (other.text.is_empty() || error.message.contains(other.text))
            });
            first == Some(index)
        });
        assert!(reached, "row {index} is hidden by an earlier one");
    }
}

#[test]
fn every_row_about_tokens_has_its_own_number_and_meaning() {
    for (index, rule) in TOKEN_RULES.iter().enumerate() {
        let (meaning, advice) = token_meaning(400, Some(rule.number));
        assert_eq!(meaning, rule.meaning, "AADSTS{}", rule.number);
        assert!(advice.is_some(), "AADSTS{}", rule.number);
        let doubles = TOKEN_RULES[index + 1..].iter();
        assert!(doubles.into_iter().all(|other| other.number != rule.number));
    }
}

#[test]
fn new_clients_are_waited_for_at_the_token_endpoint() {
    for number in [
        700_016, 7_000_215, 7_000_222, 7_000_229, 500_011, 501_051, 70_021, 700_213,
    ] {
        assert_eq!(
            token_meaning(401, Some(number)).0,
            Meaning::ReplicationLag,
            "{number}"
        );
    }
}

#[test]
fn unknown_token_errors_go_by_their_status() {
    assert_eq!(token_meaning(400, Some(90_014)).0, Meaning::Rejected);
    assert_eq!(token_meaning(400, None).0, Meaning::Rejected);
    assert_eq!(token_meaning(429, None).0, Meaning::Throttled);
    assert_eq!(token_meaning(503, None).0, Meaning::ServerTrouble);
}

#[test]
fn what_is_new_is_waited_for_longer_than_what_is_old() {
    let lag = Refusal::new(
        Meaning::ReplicationLag,
        ProviderFailure::new(FailureClass::Rejected, "test", "404"),
    );
    assert_eq!(lag.patience(Stage::First), Patience::None);
    assert_eq!(lag.patience(Stage::Settled), Patience::Short);
    assert_eq!(lag.patience(Stage::Fresh), Patience::Full);
}
