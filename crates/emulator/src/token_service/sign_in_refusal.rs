//! The AADSTS errors of flows in which a person signs in.

use http::StatusCode;
use uuid::Uuid;

/// Why a sign-in, or a token on a person's behalf, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignInRefusal {
    #[error(
        "The redirect URI '{uri}' specified in the request does not match the redirect URIs configured for the application '{app_id}'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to troubleshoot this error."
    )]
    UnknownRedirect { uri: String, app_id: Uuid },
    #[error(
        "The reply address '{presented}' does not match the reply address '{expected}' provided when requesting Authorization code."
    )]
    OtherRedirect { presented: String, expected: String },
    #[error("The response_type '{0}' is not supported.")]
    ResponseType(String),
    #[error("Invalid request. Request is malformed or invalid.")]
    MalformedGrant,
    #[error(
        "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource."
    )]
    Expired,
    #[error(
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token."
    )]
    Redeemed,
    #[error(
        "The Code_Verifier does not match the code_challenge supplied in the authorization request."
    )]
    Verifier,
    #[error(
        "Proof Key for Code Exchange is required for cross-origin authorization code redemption."
    )]
    ProofRequired,
    #[error(
        "The user or administrator has not consented to use the application with ID '{app_id}' named '{name}'. Send an interactive authorization request for this user and resource."
    )]
    ConsentRequired { app_id: Uuid, name: String },
    #[error("User declined to consent to access the app.")]
    Declined,
    #[error(
        "The grant requires admin permission. An administrator has to consent to the permissions that '{0}' asks for."
    )]
    AdministratorNeeded(String),
    #[error(
        "The application '{name}' asked for scope '{scope}' that doesn't exist on the resource '{resource}'. Contact the app vendor."
    )]
    UnknownScope {
        name: String,
        scope: String,
        resource: String,
    },
    #[error("Error validating credentials due to invalid username or password.")]
    WrongPassword,
    #[error(
        "The user account {user} does not exist in the {tenant} directory. To sign into this application, the account must be added to the directory."
    )]
    UnknownUser { user: String, tenant: String },
    #[error("The user account is disabled.")]
    DisabledUser,
    #[error(
        "Session information is not sufficient for single-sign-on: a silent sign-in request was sent but no user is signed in."
    )]
    NobodySignedIn,
    #[error("OAuth 2.0 device flow error. Authorization is pending. Continue polling.")]
    Pending,
    #[error(
        "The provided value for the input parameter 'device_code' is not valid. This device code has expired."
    )]
    DeviceExpired,
    #[error("The user declined the request of the device.")]
    DeviceDeclined,
}

impl SignInRefusal {
    /// Microsoft's number, the status and OAuth's `error`.
    pub(super) fn class(&self) -> (u32, StatusCode, &'static str) {
        let (bad_request, unauthorized) = (StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED);
        match self {
            Self::UnknownRedirect { .. } => (50_011, bad_request, "invalid_request"),
            Self::OtherRedirect { .. } => (500_112, bad_request, "invalid_grant"),
            Self::ResponseType(_) => (70_005, bad_request, "unsupported_response_type"),
            Self::MalformedGrant => (9_002_313, bad_request, "invalid_grant"),
            Self::Expired => (70_008, bad_request, "invalid_grant"),
            Self::Redeemed => (54_005, bad_request, "invalid_grant"),
            Self::Verifier => (501_481, bad_request, "invalid_grant"),
            Self::ProofRequired => (9_002_325, bad_request, "invalid_request"),
            Self::ConsentRequired { .. } => (65_001, bad_request, "invalid_grant"),
            Self::Declined => (65_004, bad_request, "access_denied"),
            Self::AdministratorNeeded(_) => (90_094, bad_request, "access_denied"),
            Self::UnknownScope { .. } => (650_053, bad_request, "invalid_client"),
            Self::WrongPassword => (50_126, bad_request, "invalid_grant"),
            Self::UnknownUser { .. } => (50_034, bad_request, "invalid_grant"),
            Self::DisabledUser => (50_057, unauthorized, "invalid_grant"),
            Self::NobodySignedIn => (50_058, bad_request, "login_required"),
            Self::Pending => (70_016, bad_request, "authorization_pending"),
            Self::DeviceExpired => (70_020, bad_request, "expired_token"),
            Self::DeviceDeclined => (70_018, bad_request, "authorization_declined"),
        }
    }
}
