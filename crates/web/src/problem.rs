//! What a refused or failed request is told: the one table from [`control::Error`] to WSO2's codes, statuses and
//! bodies. A 5xx body never carries inner text; the chain of causes is logged once, here.

pub(crate) mod invalid;

use std::borrow::Cow;
use std::fmt::Write as _;

use axum::Json;
use axum::response::{IntoResponse, Response};
use control::error::{Error, NotPossible, Noun, chain};
use domain::Invalid;
use domain::provider_failure::{FailureClass, ProviderFailure};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// WSO2's error body of every REST API (schema `Error`). `code` is a number here, unlike in gateway bodies.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorBody {
    /// WSO2's code, or the HTTP status where WSO2 has none.
    pub code: u32,
    pub message: Cow<'static, str>,
    pub description: String,
    pub more_info: String,
    /// The fields that are wrong, where fields are.
    pub error: Vec<ErrorItem>,
}

/// One field and what is wrong with it; or a key manager's refusal in its own words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorListItem)]
pub(crate) struct ErrorItem {
    /// The field's wire name, or the key manager's own code.
    pub code: String,
    pub message: String,
    /// A key manager's request id, to quote to its support.
    pub description: String,
}

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// Boxed: a refusal travels through many results.
    body: Box<ErrorBody>,
    /// Seconds to wait before another try.
    retry_after: Option<u64>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: u32,
        message: impl Into<Cow<'static, str>>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            status,
            body: Box::new(ErrorBody {
                code,
                message: message.into(),
                description: description.into(),
                more_info: String::new(),
                error: Vec::new(),
            }),
            retry_after: None,
        }
    }

    /// A refusal for which WSO2 has no code of its own: the status stands in.
    pub(crate) fn plain(status: StatusCode, description: impl Into<String>) -> Self {
        let message = status.canonical_reason().unwrap_or("Error");
        Self::new(status, u32::from(status.as_u16()), message, description)
    }

    pub(crate) fn bad_request(description: impl Into<String>) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, description)
    }

    /// The body WSO2 gives to whoever brings no or a wrong credential.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 401, "", "Unauthenticated request")
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            900_967,
            "General Error",
            "Server Error Occurred",
        )
    }

    pub(crate) fn with_item(
        mut self,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.body.error.push(ErrorItem {
            code: field.into(),
            message: message.into(),
            description: String::new(),
        });
        self
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds.max(1)),
            ..self
        }
    }

    pub(crate) fn with_fields(self, invalid: &Invalid) -> Self {
        invalid.0.iter().fold(self, |problem, error| {
            problem.with_item(error.field.clone(), error.message.clone())
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.append(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"Claviger\""),
            );
            headers.append(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Claviger\", charset=\"UTF-8\""),
            );
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(noun) => not_found(noun),
            Error::Forbidden(_) => Self::plain(StatusCode::FORBIDDEN, error.to_string()),
            Error::Invalid(invalid) => invalid_input(&invalid),
            Error::AlreadyExists(noun) => already_exists(noun),
            Error::Stale(noun) => Self::plain(
                StatusCode::PRECONDITION_FAILED,
                format!(
                    "The {} was changed by somebody else meanwhile. Read it again and repeat the change.",
                    noun.as_str()
                ),
            ),
            Error::InUse { noun, reason } => in_use(noun, reason),
            Error::NotPossible(reason) => not_possible(&reason),
            Error::KeyManager(failure) => provider_failure(&failure),
            Error::Internal(source) => {
                tracing::error!(error = %chain(&*source), "a request failed inside");
                Self::internal()
            }
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        invalid_input(&invalid)
    }
}

fn not_found(noun: Noun) -> Problem {
    let (code, message) = match noun {
        Noun::KeyManager => (901_411, "Key Manager not Found"),
        Noun::Application => (900_307, "Application not found"),
        Noun::KeyMapping => (900_331, "Key mapping not found"),
        Noun::Role => (900_607, "Role does not exist in the system"),
        _ => (404, "Not Found"),
    };
    let description = match noun {
        Noun::KeyManager => "Key Manager not found".to_owned(),
        noun => format!("The requested {} does not exist", noun.as_str()),
    };
    Problem::new(StatusCode::NOT_FOUND, code, message, description)
}

fn already_exists(noun: Noun) -> Problem {
    let (code, message) = match noun {
        Noun::KeyManager => (901_402, "Key Manager Already Exists"),
        Noun::Application => (900_301, "Application already exists"),
        Noun::Subscription => (900_336, "Subscription already exists"),
        _ => (409, "Conflict"),
    };
    let description = match noun {
        Noun::Subscription => "The application is already subscribed to this API".to_owned(),
        noun => format!("One with the same identity exists: {}", noun.as_str()),
    };
    Problem::new(StatusCode::CONFLICT, code, message, description)
}

fn in_use(noun: Noun, reason: String) -> Problem {
    let (status, code, message) = match noun {
        Noun::KeyManager => (
            StatusCode::PRECONDITION_FAILED,
            902_015,
            "Error while deleting the Key Manager. Key Manager is already used by an API or an Application.",
        ),
        Noun::KeyMapping => (
            StatusCode::PRECONDITION_FAILED,
            902_014,
            "Error while deleting Keys.",
        ),
        Noun::Api => (StatusCode::CONFLICT, 409, "Conflict"),
        _ => (StatusCode::PRECONDITION_FAILED, 412, "Precondition Failed"),
    };
    Problem::new(status, code, message, reason)
}

/// 400 with every field that is wrong.
fn invalid_input(invalid: &Invalid) -> Problem {
    Problem::bad_request(invalid.to_string()).with_fields(invalid)
}

fn not_possible(reason: &NotPossible) -> Problem {
    let bad = StatusCode::BAD_REQUEST;
    let (status, code, message) = match reason {
        NotPossible::KeyManagerTypeUnknown(_) => (bad, 901_400, "Key Manager Type not configured"),
        NotPossible::KeyManagerNotRegistered(_) => (bad, 901_403, "Key Manager not Registered"),
        NotPossible::KeyManagerRestricted => (
            StatusCode::FORBIDDEN,
            902_013,
            "Unauthorized Access to Key Manager",
        ),
        NotPossible::AppCreationDisabled => (
            bad,
            901_405,
            "Key Manager doesn't support generating OAuth applications",
        ),
        NotPossible::AppMappingDisabled => (
            bad,
            901_405,
            "Key Manager doesn't support mapping OAuth applications",
        ),
        NotPossible::TokenGenerationDisabled => {
            (bad, 901_405, "Key Manager doesn't support token generation")
        }
        NotPossible::KeyMappingExists | NotPossible::ConsumerKeyTaken => {
            (StatusCode::CONFLICT, 901_409, "Key Mappings already exists")
        }
        NotPossible::ApplicationInactive => (bad, 900_309, "Application is not active"),
        NotPossible::NotImplementedByConnector(_) => (
            StatusCode::NOT_IMPLEMENTED,
            901_413,
            "Operation not implemented",
        ),
        NotPossible::TooManyRevisions(_) => (bad, 900_351, "Maximum number of revisions reached"),
        NotPossible::PlanNotOffered(_) => (StatusCode::FORBIDDEN, 902_002, "Tier not allowed"),
        NotPossible::ClientNotFound => (bad, 902_003, "Invalid Request sent to Key Manager."),
        NotPossible::LifecycleTransition(_)
        | NotPossible::NotSubscribable
        | NotPossible::SecretNotStored => (bad, 400, "Bad Request"),
    };
    Problem::new(status, code, message, reason.to_string())
}

/// The provider's own words are meant for the person; they hold no secret ([`ProviderFailure`]).
fn provider_failure(failure: &ProviderFailure) -> Problem {
    let (status, code, message) = match failure.class {
        FailureClass::Rejected => (
            StatusCode::BAD_REQUEST,
            902_003,
            "Invalid Request sent to Key Manager.",
        ),
        FailureClass::Transient | FailureClass::Misconfigured => (
            StatusCode::INTERNAL_SERVER_ERROR,
            902_004,
            "Internal Server Error from Key Manager",
        ),
        FailureClass::Throttled => (
            StatusCode::SERVICE_UNAVAILABLE,
            902_004,
            "Internal Server Error from Key Manager",
        ),
    };
    tracing::warn!(
        provider.operation = failure.operation,
        provider.status = failure.status,
        provider.code = failure.code,
        provider.request_id = failure.request_id,
        "a key manager refused or failed: {}",
        failure.message
    );
    let mut problem = Problem::new(status, code, message, describe(failure));
    problem.body.error.push(ErrorItem {
        code: failure.code.clone().unwrap_or_default(),
        message: failure.message.clone(),
        description: failure.request_id.clone().unwrap_or_default(),
    });
    match failure.retry_after {
        Some(wait) => problem.retry_after(u64::try_from(wait.as_secs()).unwrap_or(1)),
        None => problem,
    }
}

/// A provider's refusal in one paragraph: what was tried, what it said, what can be done, what to quote.
pub(crate) fn describe(failure: &ProviderFailure) -> String {
    let mut text = format!("{}: ", failure.operation);
    // Entra's sentences begin with their own number.
    if let Some(code) = &failure.code
        && !failure.message.starts_with(code)
    {
        let _ = write!(text, "{code}: ");
    }
    text.push_str(&failure.message);
    if let Some(advice) = &failure.advice {
        let _ = write!(text, " {advice}");
    }
    if let Some(request_id) = &failure.request_id {
        let _ = write!(text, " (request id {request_id})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_and_code(error: Error) -> (u16, u32) {
        let problem = Problem::from(error);
        (problem.status.as_u16(), problem.body.code)
    }

    #[test]
    fn refusals_carry_wso2s_numbers() {
        let table = [
            (Error::NotFound(Noun::KeyManager), (404, 901_411)),
            (Error::NotFound(Noun::Application), (404, 900_307)),
            (Error::NotFound(Noun::KeyMapping), (404, 900_331)),
            (Error::AlreadyExists(Noun::KeyManager), (409, 901_402)),
            (Error::AlreadyExists(Noun::Application), (409, 900_301)),
            (Error::AlreadyExists(Noun::Subscription), (409, 900_336)),
            (
                Error::InUse {
                    noun: Noun::KeyManager,
                    reason: String::new(),
                },
                (412, 902_015),
            ),
            (NotPossible::KeyManagerRestricted.into(), (403, 902_013)),
            (NotPossible::KeyMappingExists.into(), (409, 901_409)),
            (
                NotPossible::KeyManagerNotRegistered("x".to_owned()).into(),
                (400, 901_403),
            ),
            (
                NotPossible::KeyManagerTypeUnknown("x".to_owned()).into(),
                (400, 901_400),
            ),
            (
                NotPossible::NotImplementedByConnector("x").into(),
                (501, 901_413),
            ),
        ];
        for (error, expected) in table {
            let text = format!("{error:?}");
            assert_eq!(status_and_code(error), expected, "{text}");
        }
    }

    #[test]
    fn an_internal_error_keeps_its_cause_to_itself() {
        let problem = Problem::from(Error::Internal("the password is swordfish".into()));
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!format!("{:?}", problem.body).contains("swordfish"));
    }

    #[test]
    fn a_key_manager_is_quoted_with_its_code_and_request_id() {
        let mut failure = ProviderFailure::new(
            FailureClass::Rejected,
            "create application",
            "not in this tenant",
        );
        failure.code = Some("Authorization_RequestDenied".to_owned());
        failure.request_id = Some("11111111-2222".to_owned());
        failure.advice = Some("Grant the permission.".to_owned());
        let problem = Problem::from(Error::KeyManager(failure.into()));
        assert_eq!(
            problem.body.description,
            "create application: Authorization_RequestDenied: not in this tenant Grant the permission. \
             (request id 11111111-2222)"
        );
        let item = &problem.body.error[0];
        assert_eq!(item.code, "Authorization_RequestDenied");
        assert_eq!(item.description, "11111111-2222");
    }

    #[test]
    fn a_code_that_a_message_begins_with_is_not_said_twice() {
        let mut failure = ProviderFailure::new(
            FailureClass::Rejected,
            "request token",
            "AADSTS7000222: The provided client secret keys are expired.",
        );
        failure.code = Some("AADSTS7000222".to_owned());
        assert_eq!(
            describe(&failure),
            "request token: AADSTS7000222: The provided client secret keys are expired."
        );
    }

    #[test]
    fn a_throttling_key_manager_says_when_to_come_back() {
        let mut failure =
            ProviderFailure::new(FailureClass::Throttled, "create application", "slow down");
        failure.retry_after = Some(jiff::SignedDuration::from_secs(7));
        let response = Problem::from(Error::KeyManager(Box::new(failure))).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    }
}
