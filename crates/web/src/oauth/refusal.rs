//! Refusals of the token and revocation endpoints (RFC 6749 section 5.2).

use axum::Json;
use axum::response::{IntoResponse, Response};
use control::identity::TokenError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub(crate) struct OAuthErrorBody {
    /// A code of RFC 6749 section 5.2.
    #[schema(value_type = String)]
    error: &'static str,
    error_description: String,
}

#[derive(Debug)]
pub(crate) struct OAuthRefusal {
    status: StatusCode,
    error: &'static str,
    description: String,
    retry_after: Option<u64>,
}

impl OAuthRefusal {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            error,
            description: description.into(),
            retry_after: None,
        }
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn invalid_client(description: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    pub(super) fn unsupported_grant_type() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "grant_type must be password or client_credentials",
        )
    }
}

impl From<TokenError> for OAuthRefusal {
    fn from(error: TokenError) -> Self {
        let bad = StatusCode::BAD_REQUEST;
        let description = error.to_string();
        match error {
            TokenError::InvalidClient => Self::invalid_client(description),
            TokenError::InvalidGrant => Self::new(bad, "invalid_grant", description),
            TokenError::UnauthorizedClient => Self::new(bad, "unauthorized_client", description),
            TokenError::InvalidScope => Self::new(bad, "invalid_scope", description),
            TokenError::SlowDown { retry_after } => Self {
                retry_after: Some(retry_after.as_secs().max(1)),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "temporarily_unavailable",
                    description,
                )
            },
            TokenError::Internal(error) => {
                // The conversion logs what happened; its body is of another kind.
                let _logged = Problem::from(error);
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "server_error",
                    "Server Error Occurred",
                )
            }
        }
    }
}

impl IntoResponse for OAuthRefusal {
    fn into_response(self) -> Response {
        let body = OAuthErrorBody {
            error: self.error,
            error_description: self.description,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Claviger\""),
            );
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
