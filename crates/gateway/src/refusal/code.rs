//! WSO2's codes: status, message and form of the body for each. The one place that knows them.

use http::StatusCode;

/// One row of the table: code, status, message, and the hint that ends the description.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) code: &'static str,
    pub(super) status: StatusCode,
    pub(super) message: &'static str,
    pub(super) hint: Option<&'static str>,
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `{code, message, description}`.
    Authentication,
    /// `{code, message, description}`; the hint is the description.
    Plain,
    /// `{code, type, message, description}`; the hint is the description.
    Status(&'static str),
    /// `{code, message, description, nextAccessTime}`; without a hint the description says until when.
    Throttled,
}

impl Class {
    const fn authentication(
        code: &'static str,
        status: StatusCode,
        message: &'static str,
        hint: Option<&'static str>,
    ) -> Self {
        Self {
            code,
            status,
            message,
            hint,
            form: Form::Authentication,
        }
    }

    const fn status(
        code: &'static str,
        status: StatusCode,
        kind: &'static str,
        message: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            code,
            status,
            message,
            hint: Some(description),
            form: Form::Status(kind),
        }
    }
}

const fn throttled(code: &'static str, hint: Option<&'static str>) -> Class {
    Class {
        code,
        status: StatusCode::TOO_MANY_REQUESTS,
        message: "Message throttled out",
        hint,
        form: Form::Throttled,
    }
}

pub(super) static API_LIMIT: Class = throttled("900800", None);
pub(super) static RESOURCE_LIMIT: Class = throttled("900802", None);
pub(super) static APPLICATION_LIMIT: Class = throttled("900803", None);
pub(super) static SUBSCRIPTION_LIMIT: Class = throttled("900804", None);
pub(super) static SUBSCRIPTION_BURST: Class = throttled("900807", None);
pub(super) static APPLICATION_BURST: Class = throttled(
    "900809",
    Some("You have exceeded your application burst limit quota"),
);
pub(super) static BACKEND_LIMIT: Class = Class {
    code: "900801",
    status: StatusCode::SERVICE_UNAVAILABLE,
    message: "API Limit Reached",
    hint: Some("API not accepting requests"),
    form: Form::Throttled,
};

pub(super) static REQUEST_BLOCKED: Class = Class {
    code: "900805",
    status: StatusCode::FORBIDDEN,
    message: "Message blocked",
    hint: Some("You have been blocked from accessing the resource"),
    form: Form::Plain,
};

const REPORT: &str = "Status report";

pub(super) static UNCLASSIFIED: Class = Class::authentication(
    "900900",
    StatusCode::INTERNAL_SERVER_ERROR,
    "Unclassified Authentication Failure",
    None,
);
pub(super) static INVALID_CREDENTIALS: Class = Class::authentication(
    "900901",
    StatusCode::UNAUTHORIZED,
    "Invalid Credentials",
    Some("Make sure you have provided the correct security credentials"),
);
pub(super) static MISSING_CREDENTIALS: Class = Class::authentication(
    "900902",
    StatusCode::UNAUTHORIZED,
    "Missing Credentials",
    None,
);
pub(super) static TOKEN_TYPE: Class = Class::authentication(
    "900905",
    StatusCode::UNAUTHORIZED,
    "Incorrect Access Token Type is provided",
    None,
);
pub(super) static SUBSCRIPTION_BLOCKED: Class = Class::authentication(
    "900907",
    StatusCode::UNAUTHORIZED,
    "The requested API is temporarily blocked",
    None,
);
// The trailing space is WSO2's.
pub(super) static RESOURCE_FORBIDDEN: Class =
    Class::authentication("900908", StatusCode::FORBIDDEN, "Resource forbidden ", None);
pub(super) static SUBSCRIPTION_INACTIVE: Class = Class::authentication(
    "900909",
    StatusCode::UNAUTHORIZED,
    "The subscription to the API is inactive",
    None,
);
pub(super) static SCOPE: Class = Class::authentication(
    "900910",
    StatusCode::FORBIDDEN,
    "The access token does not allow you to access the requested resource",
    None,
);
pub(super) static AUDIENCE: Class = Class::authentication(
    "900914",
    StatusCode::FORBIDDEN,
    "Access Denied",
    Some("The access token does not allow you to access the requested resource"),
);
pub(super) static KEY_TYPE: Class = Class::authentication(
    "900901",
    StatusCode::FORBIDDEN,
    "Invalid Credentials",
    Some("The key type of the credentials has no endpoint in this API"),
);
pub(super) static API_BLOCKED: Class = Class::status(
    "700700",
    StatusCode::SERVICE_UNAVAILABLE,
    "API blocked",
    "",
    "This API has been blocked temporarily. Please try again later or contact the system administrators.",
);
pub(super) static NOT_FOUND: Class = Class::status(
    "404",
    StatusCode::NOT_FOUND,
    REPORT,
    "Not Found",
    "The requested resource is not available.",
);
pub(super) static METHOD_NOT_ALLOWED: Class = Class::status(
    "405",
    StatusCode::METHOD_NOT_ALLOWED,
    REPORT,
    "Method Not Allowed",
    "Method not allowed for given API resource",
);
pub(super) static BAD_REQUEST: Class = Class::status(
    "400",
    StatusCode::BAD_REQUEST,
    REPORT,
    "Bad Request",
    "The request is malformed or ambiguous.",
);
pub(super) static REQUEST_TIMEOUT: Class = Class::status(
    "408",
    StatusCode::REQUEST_TIMEOUT,
    REPORT,
    "Request Timeout",
    "The request body did not arrive in time.",
);
pub(super) static PAYLOAD_TOO_LARGE: Class = Class::status(
    "413",
    StatusCode::PAYLOAD_TOO_LARGE,
    REPORT,
    "Payload Too Large",
    "The request body is larger than the gateway accepts.",
);
pub(super) static HEAD_TOO_LARGE: Class = Class::status(
    "431",
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    REPORT,
    "Request Header Fields Too Large",
    "The request line and headers are larger, or more, than the gateway accepts.",
);
pub(super) static LOOP_DETECTED: Class = Class::status(
    "508",
    StatusCode::LOOP_DETECTED,
    REPORT,
    "Loop Detected",
    "The endpoint of the API leads back to the gateway.",
);
// WSO2's fault codes for the back end: 101503 connection failed, 101500 sending or receiving failed, 101504 time out.
pub(super) static BAD_GATEWAY: Class = Class::status(
    "101503",
    StatusCode::BAD_GATEWAY,
    REPORT,
    "Runtime Error",
    "Error connecting to the back end",
);
pub(super) static GATEWAY_TIMEOUT: Class = Class::status(
    "101504",
    StatusCode::GATEWAY_TIMEOUT,
    REPORT,
    "Runtime Error",
    "Connection timed out to the back end",
);
