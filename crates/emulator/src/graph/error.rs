//! Graph's errors: status, code and text as clients match on them (Microsoft: *Microsoft Graph error responses and resource types*).

use std::fmt::Display;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A refusal in Graph's words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GraphError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) details: Vec<Detail>,
    /// What a throttled caller is told in headers.
    pub(crate) throttle: Option<Throttled>,
}

/// Why and how long a caller is throttled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Throttled {
    /// Seconds for `Retry-After`.
    pub(crate) retry_after: u64,
    /// `x-ms-throttle-scope`.
    pub(crate) scope: String,
    /// `x-ms-throttle-information`.
    pub(crate) information: &'static str,
}

/// One entry of `details`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Detail {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) target: String,
}

/// What `innerError` says about the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestIds<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) client_request_id: &'a str,
    pub(crate) now: Timestamp,
}

impl GraphError {
    /// An error without details.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            details: Vec::new(),
            throttle: None,
        }
    }

    /// 400 `Request_BadRequest`.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// 400 `BadRequest`: refused before the directory sees it.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 400 `Request_UnsupportedQuery`.
    pub(crate) fn unsupported_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    /// 400 for a property that the resource does not have.
    pub(crate) fn unknown_property(name: &str) -> Self {
        Self::bad_request(format!("Invalid property '{name}'."))
    }

    /// 400 for a value that the property cannot have.
    pub(crate) fn invalid_value(property: &str, resource: &str) -> Self {
        let message =
            format!("Invalid value specified for property '{property}' of resource '{resource}'.");
        Self::bad_request(message.clone()).detail("InvalidValue", property, message)
    }

    /// 400 for a missing value.
    pub(crate) fn missing_value(property: &str, resource: &str) -> Self {
        let message =
            format!("A value is required for property '{property}' of resource '{resource}'.");
        Self::bad_request(message.clone()).detail("MissingValue", property, message)
    }

    /// 400 for a property that cannot be written.
    pub(crate) fn read_only(property: &str) -> Self {
        Self::bad_request(format!(
            "Property '{property}' is read-only and cannot be set."
        ))
    }

    /// 404: not there, or not there yet.
    pub(crate) fn not_found(key: impl Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{key}' does not exist or one of its queried reference-property objects are not present."
            ),
        )
    }

    /// 400 for a path that leads nowhere.
    pub(crate) fn unknown_segment(segment: &str) -> Self {
        Self::malformed(format!("Resource not found for the segment '{segment}'."))
    }

    /// 405.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        )
    }

    /// 403: no permission, or not an owner.
    pub(crate) fn insufficient_privileges() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        )
    }

    /// 401 for a token that Graph does not take.
    pub(crate) fn invalid_token(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "InvalidAuthenticationToken",
            message,
        )
    }

    /// 401: the caller has no service principal in the tenant.
    pub(crate) fn unknown_caller() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Authorization_IdentityNotFound",
            "The identity of the calling application could not be established.",
        )
    }

    /// 409: a unique value is taken.
    pub(crate) fn key_conflict(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "Request_MultipleObjectsWithSameKeyValue",
            message,
        )
    }

    /// 403: the object has grown too large.
    pub(crate) fn size_exceeded() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Directory_ResourceSizeExceeded",
            "The size of the object has exceeded its limit. Please reduce the number of values and retry your request.",
        )
    }

    /// 403: too many objects; `scope` is `Principal` or `Tenant`.
    pub(crate) fn quota_exceeded(scope: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Directory_QuotaExceeded",
            format!(
                "The directory object quota limit for the {scope} has been exceeded. Please ask your administrator to increase the quota limit or delete objects to reduce the used quota."
            ),
        )
    }

    /// 429.
    pub(crate) fn throttled(throttle: Throttled) -> Self {
        Self {
            throttle: Some(throttle),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TooManyRequests",
                "Too many requests. Please wait and try again.",
            )
        }
    }

    /// Adds an entry to `details`.
    pub(crate) fn detail(
        mut self,
        code: &'static str,
        target: &str,
        message: impl Into<String>,
    ) -> Self {
        self.details.push(Detail {
            code,
            message: message.into(),
            target: target.to_owned(),
        });
        self
    }

    /// The response body.
    pub(crate) fn body(&self, ids: RequestIds<'_>) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), json!(self.code));
        error.insert("message".to_owned(), json!(self.message));
        if !self.details.is_empty() {
            let details = self.details.iter().map(|detail| {
                json!({ "code": detail.code, "message": detail.message, "target": detail.target })
            });
            error.insert("details".to_owned(), details.collect());
        }
        let inner = json!({
            "date": ids.now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            "request-id": ids.request_id,
            "client-request-id": ids.client_request_id,
        });
        error.insert("innerError".to_owned(), inner);
        json!({ "error": error })
    }
}
