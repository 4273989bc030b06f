//! Why a request is refused, and what the client is told: WSO2's codes, in one table.
//!
//! The reason goes to the log, the metrics and `explain`; the client learns the code only, which says no more than
//! WSO2 API Manager says.

mod code;

use std::collections::BTreeSet;

use bytes::Bytes;
use domain::api::Verb;
use domain::id::ApiId;
use domain::snapshot::ApiEntry;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use code::{Class, Form};

macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $text:literal => $class:ident),* $(,)?) => {
        /// Why a request is refused. Bounded: fit for a metric label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $reason,)*
        }

        impl Reason {
            pub const ALL: &[Self] = &[$(Self::$reason),*];

            /// As in logs, metrics and explanations.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason => $text,)*
                }
            }

            const fn class(self) -> &'static Class {
                match self {
                    $(Self::$reason => &code::$class,)*
                }
            }
        }
    };
}

reasons! {
    /// It is no HTTP, or its frame could be read in two ways.
    RequestUnreadable = "request_unreadable" => BAD_REQUEST,
    RequestHeadTooLarge = "request_head_too_large" => HEAD_TOO_LARGE,
    /// The path means one thing here and perhaps another at the upstream.
    PathAmbiguous = "path_ambiguous" => BAD_REQUEST,
    ApiUnknown = "api_unknown" => NOT_FOUND,
    ResourceUnknown = "resource_unknown" => NOT_FOUND,
    VerbUnknown = "verb_unknown" => METHOD_NOT_ALLOWED,
    /// Blocked in its lifecycle.
    ApiBlocked = "api_blocked" => API_BLOCKED,

    CredentialMissing = "credential_missing" => MISSING_CREDENTIALS,
    /// Not `Bearer` and one token, or more than one header line.
    CredentialMalformed = "credential_malformed" => INVALID_CREDENTIALS,
    TokenTooLong = "token_too_long" => INVALID_CREDENTIALS,
    TokenEmpty = "token_empty" => INVALID_CREDENTIALS,
    /// No JWT, and no key manager that takes it all the same.
    TokenOpaque = "token_opaque" => INVALID_CREDENTIALS,
    TokenPartCount = "token_part_count" => INVALID_CREDENTIALS,
    TokenNotBase64Url = "token_not_base64url" => INVALID_CREDENTIALS,
    TokenHeaderMalformed = "token_header_malformed" => INVALID_CREDENTIALS,
    TokenHeaderCritical = "token_header_critical" => INVALID_CREDENTIALS,
    /// A JWT, but by its `typ` not an access token.
    TokenKind = "token_kind" => INVALID_CREDENTIALS,
    TokenClaimsMalformed = "token_claims_malformed" => INVALID_CREDENTIALS,

    IssuerMissing = "issuer_missing" => INVALID_CREDENTIALS,
    IssuerUnknown = "issuer_unknown" => INVALID_CREDENTIALS,
    /// Unknown, but the V1 form of a known one.
    IssuerV1Form = "issuer_v1_form" => INVALID_CREDENTIALS,
    /// Unknown, but the V2 form of a known one.
    IssuerV2Form = "issuer_v2_form" => INVALID_CREDENTIALS,
    KeyManagerNotAllowed = "key_manager_not_allowed" => INVALID_CREDENTIALS,
    /// By the token handling options of the issuer's key managers it belongs to none of them.
    TokenNotHandled = "token_not_handled" => INVALID_CREDENTIALS,
    /// The key manager wants introspection, and cannot be asked.
    IntrospectionUnavailable = "introspection_unavailable" => UNCLASSIFIED,
    /// The key manager was asked about the token and gave no usable answer.
    IntrospectionFailed = "introspection_failed" => UNCLASSIFIED,
    /// The key manager was asked, and does not stand by the token.
    TokenInactive = "token_inactive" => INVALID_CREDENTIALS,

    AlgorithmNotAllowed = "algorithm_not_allowed" => INVALID_CREDENTIALS,
    AlgorithmNotOfKey = "algorithm_not_of_key" => INVALID_CREDENTIALS,
    KeyIdMissing = "key_id_missing" => INVALID_CREDENTIALS,
    KeyIdUnknown = "key_id_unknown" => INVALID_CREDENTIALS,
    /// The key manager has no keys, or its key set was never had.
    KeySetUnavailable = "key_set_unavailable" => UNCLASSIFIED,
    KeyOfOtherIssuer = "key_of_other_issuer" => INVALID_CREDENTIALS,
    SignatureInvalid = "signature_invalid" => INVALID_CREDENTIALS,
    /// A token for Microsoft Graph: its signature is made for Graph alone.
    GraphToken = "graph_token" => INVALID_CREDENTIALS,

    ExpiryMissing = "expiry_missing" => INVALID_CREDENTIALS,
    TimeMalformed = "time_malformed" => INVALID_CREDENTIALS,
    /// WSO2 answers 900901 here, not 900903.
    Expired = "expired" => INVALID_CREDENTIALS,
    NotYetValid = "not_yet_valid" => INVALID_CREDENTIALS,
    IssuedInFuture = "issued_in_future" => INVALID_CREDENTIALS,
    /// The token is bound to a client certificate, and the connection has none.
    CertificateMissing = "certificate_missing" => INVALID_CREDENTIALS,
    /// The token is bound to another client certificate.
    CertificateOther = "certificate_other" => INVALID_CREDENTIALS,
    /// The token is bound to a client certificate, and what the trusted proxy says of it cannot be read.
    CertificateMalformed = "certificate_malformed" => INVALID_CREDENTIALS,
    /// The token demands a proof that is not known here.
    ConfirmationUnknown = "confirmation_unknown" => INVALID_CREDENTIALS,
    TokenRevoked = "token_revoked" => INVALID_CREDENTIALS,
    /// Issued before all tokens of its client were revoked.
    ConsumerKeyRevoked = "consumer_key_revoked" => INVALID_CREDENTIALS,
    /// The key manager's tokens must be exchanged first.
    TokenTypeExchanged = "token_type_exchanged" => TOKEN_TYPE,
    Audience = "audience" => AUDIENCE,
    ConsumerKeyMissing = "consumer_key_missing" => RESOURCE_FORBIDDEN,
    /// Claims that should name the same client name different ones.
    ConsumerKeyAmbiguous = "consumer_key_ambiguous" => INVALID_CREDENTIALS,

    ClientUnmapped = "client_unmapped" => RESOURCE_FORBIDDEN,
    NotSubscribed = "not_subscribed" => RESOURCE_FORBIDDEN,
    SubscriptionBlocked = "subscription_blocked" => SUBSCRIPTION_BLOCKED,
    SubscriptionInactive = "subscription_inactive" => SUBSCRIPTION_INACTIVE,
    /// A sandbox key on an API without sandbox endpoint, or the same with production.
    KeyTypeWithoutEndpoint = "key_type_without_endpoint" => KEY_TYPE,
    ScopeMissing = "scope_missing" => SCOPE,

    /// Blocking conditions, by what they are about.
    ApiCondition = "blocking_condition_api" => REQUEST_BLOCKED,
    AddressCondition = "blocking_condition_address" => REQUEST_BLOCKED,
    ApplicationCondition = "blocking_condition_application" => REQUEST_BLOCKED,
    UserCondition = "blocking_condition_user" => REQUEST_BLOCKED,
    SubscriptionCondition = "blocking_condition_subscription" => REQUEST_BLOCKED,

    ApiLimit = "api_limit" => API_LIMIT,
    ResourceLimit = "resource_limit" => RESOURCE_LIMIT,
    SubscriptionLimit = "subscription_limit" => SUBSCRIPTION_LIMIT,
    ApplicationLimit = "application_limit" => APPLICATION_LIMIT,
    SubscriptionBurst = "subscription_burst" => SUBSCRIPTION_BURST,
    ApplicationBurst = "application_burst" => APPLICATION_BURST,
    /// All callers together ask for more than the endpoints can bear.
    BackendLimit = "backend_limit" => BACKEND_LIMIT,
    /// A policy is named that the gateway does not know: it allows nothing.
    ThrottlingPolicyUnknown = "throttling_policy_unknown" => UNCLASSIFIED,

    /// The gateway could not sign its word to the upstream.
    BackendJwtUnavailable = "backend_jwt_unavailable" => UNCLASSIFIED,
    RequestTooLarge = "request_too_large" => PAYLOAD_TOO_LARGE,
    /// The client stopped sending its body, or took longer than a whole request may.
    RequestTimeout = "request_timeout" => REQUEST_TIMEOUT,
    /// The client went away before its request was whole.
    RequestAborted = "request_aborted" => BAD_REQUEST,
    /// No `Host`, several, or one that contradicts the request's target.
    HostInvalid = "host_invalid" => BAD_REQUEST,
    /// This gateway sent it itself: an endpoint leads back to it.
    RequestLoop = "request_loop" => LOOP_DETECTED,
    UpstreamUnreachable = "upstream_unreachable" => BAD_GATEWAY,
    UpstreamBroken = "upstream_broken" => BAD_GATEWAY,
    UpstreamTimeout = "upstream_timeout" => GATEWAY_TIMEOUT,
}

/// A refusal on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// Base path, version and credential header of the API, once it is known.
    api: Option<RefusingApi>,
    /// Verbs that the resource does offer, or scopes any of which would do.
    detail: Detail,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct RefusingApi {
    id: ApiId,
    base_path: String,
    version: String,
    header: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Detail {
    #[default]
    None,
    Verbs(BTreeSet<Verb>),
    Scopes(Vec<String>),
    /// When the next request may pass, seconds since 1970.
    NextAccess(i64),
}

impl Refusal {
    pub(crate) fn new(reason: Reason) -> Self {
        Self {
            reason,
            api: None,
            detail: Detail::None,
        }
    }

    pub(crate) fn of(mut self, api: &ApiEntry) -> Self {
        self.api = Some(RefusingApi {
            id: api.id,
            base_path: format!("{}/{}", api.context, api.version),
            version: api.version.clone(),
            header: header_name_as_written(&api.authorization_header),
        });
        self
    }

    /// The API, where one was found.
    pub(crate) fn api_id(&self) -> Option<ApiId> {
        self.api.as_ref().map(|api| api.id)
    }

    pub(crate) fn offering(mut self, verbs: BTreeSet<Verb>) -> Self {
        self.detail = Detail::Verbs(verbs);
        self
    }

    pub(crate) fn needing(mut self, scopes: &[String]) -> Self {
        self.detail = Detail::Scopes(scopes.to_vec());
        self
    }

    pub(crate) fn until(mut self, next_access: i64) -> Self {
        self.detail = Detail::NextAccess(next_access);
        self
    }

    /// WSO2's code, for example `900901`.
    pub fn code(&self) -> &'static str {
        self.reason.class().code
    }

    pub fn status(&self) -> StatusCode {
        self.reason.class().status
    }

    pub fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Detail::NextAccess(at) = self.detail
            && let Some(date) =
                utc(at).map(|at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            && let Ok(date) = HeaderValue::from_str(&date)
        {
            headers.insert(RETRY_AFTER, date);
        }
        if let Detail::Verbs(verbs) = &self.detail {
            let verbs: Vec<_> = verbs.iter().map(|verb| verb.as_str()).collect();
            if let Ok(allow) = HeaderValue::from_str(&verbs.join(", ")) {
                headers.insert(ALLOW, allow);
            }
        }
        response
    }

    fn body(&self) -> Bytes {
        /// The order of the members is the order on the wire.
        #[derive(Serialize)]
        struct Body<'b> {
            code: &'b str,
            #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
            kind: Option<&'b str>,
            #[serde(skip_serializing_if = "str::is_empty")]
            message: &'b str,
            description: &'b str,
            #[serde(rename = "nextAccessTime", skip_serializing_if = "Option::is_none")]
            next_access_time: Option<&'b str>,
        }
        let class = self.reason.class();
        let next_access_time = match self.detail {
            Detail::NextAccess(at) => {
                utc(at).map(|at| at.strftime("%Y-%b-%d %H:%M:%S+0000 UTC").to_string())
            }
            Detail::None | Detail::Verbs(_) | Detail::Scopes(_) => None,
        };
        let (kind, description) = match class.form {
            Form::Authentication => (None, self.authentication_description(class)),
            Form::Throttled => (
                None,
                match class.hint {
                    Some(hint) => hint.to_owned(),
                    None => format!(
                        "You have exceeded your quota .You can access API after {}",
                        next_access_time.as_deref().unwrap_or_default()
                    ),
                },
            ),
            Form::Plain => (None, class.hint.unwrap_or_default().to_owned()),
            Form::Status(kind) => (Some(kind), class.hint.unwrap_or_default().to_owned()),
        };
        let body = Body {
            code: class.code,
            kind,
            message: class.message,
            description: &description,
            next_access_time: next_access_time.as_deref(),
        };
        serde_json::to_vec(&body)
            .expect("a struct of strings is always JSON")
            .into()
    }

    fn authentication_description(&self, class: &Class) -> String {
        let what = class.message.trim_end();
        let mut text = match &self.api {
            Some(api) => format!(
                "Access failure for API: {}, version: {} status: ({}) - {what}.",
                api.base_path, api.version, class.code
            ),
            None => format!("Access failure, status: ({}) - {what}.", class.code),
        };
        if self.reason == Reason::CredentialMissing {
            let header = self.api.as_ref().map_or("Authorization", |api| &api.header);
            text.push_str(" Make sure your API invocation call has a header: '");
            text.push_str(header);
            text.push_str(" : Bearer ACCESS_TOKEN'.");
        } else if let Some(hint) = class.hint {
            text.push(' ');
            text.push_str(hint);
            text.push('.');
        }
        text
    }

    /// RFC 6750 section 3. Without a credential there is no error to name; WSO2 names one all the same.
    fn challenge(&self) -> Option<HeaderValue> {
        let invalid = HeaderValue::from_static(
            "Bearer realm=\"Claviger\", error=\"invalid_token\", error_description=\"The provided token is invalid\"",
        );
        match (&self.detail, self.reason) {
            (_, Reason::CredentialMissing) => {
                Some(HeaderValue::from_static("Bearer realm=\"Claviger\""))
            }
            (Detail::Scopes(scopes), Reason::ScopeMissing) => {
                let is_scope = |scope: &&String| {
                    scope
                        .bytes()
                        .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
                };
                let scopes: Vec<_> = scopes.iter().filter(is_scope).map(String::as_str).collect();
                let challenge = format!(
                    "Bearer realm=\"Claviger\", error=\"insufficient_scope\", scope=\"{}\"",
                    scopes.join(" ")
                );
                HeaderValue::from_str(&challenge).ok()
            }
            _ if self.status() == StatusCode::UNAUTHORIZED => Some(invalid),
            _ => None,
        }
    }
}

fn utc(seconds: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(seconds).ok()
}

/// `x-api-token` as people write it: `X-Api-Token`.
fn header_name_as_written(lower_case: &str) -> String {
    let mut starts_word = true;
    lower_case
        .chars()
        .map(|c| {
            let written = if starts_word {
                c.to_ascii_uppercase()
            } else {
                c
            };
            starts_word = c == '-';
            written
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = include_str!("../../../docs/reference/refusals.md");

    #[test]
    fn the_reference_has_every_reason_with_its_status_and_code() {
        for reason in Reason::ALL {
            let refusal = Refusal::new(*reason);
            let row = format!(
                "| `{}` | {} | {} | ",
                reason.as_str(),
                refusal.status().as_u16(),
                refusal.code()
            );
            let rows = REFERENCE.lines().filter(|line| line.starts_with(&row));
            assert_eq!(rows.count(), 1, "{row}");
        }
        let rows = REFERENCE.lines().filter(|line| line.starts_with("| `"));
        assert_eq!(rows.count(), Reason::ALL.len());
    }
}
