//! Revocations (an addition to WSO2's contract): tokens and clients that gateways believe no longer.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use control::Control;
use control::error::Noun;
use control::revocation::{RevocationView, Revoke};
use domain::Invalid;
use domain::revocation::RevokedSubject;
use domain::user::Actor;
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::json::Json;
use crate::paging::{PageQuery, Pagination, count};
use crate::problem::{ErrorBody, Problem};
use crate::query::{QueryString, identifier};
use crate::secret::SecretText;

/// What to revoke: `token` alone; or `keyManager` with `tokenId`; or `keyManager` with `consumerKey`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RevocationRequest {
    /// The access token. Kept as a SHA-256 digest only.
    #[schema(value_type = Option<String>)]
    token: Option<SecretText>,
    /// Id or name.
    key_manager: Option<String>,
    /// `jti` of a token; of Entra ID's tokens `uti`.
    token_id: Option<String>,
    /// When the token of `tokenId` ends (RFC 3339). Without it the revocation is kept until somebody deletes it.
    expires_at: Option<String>,
    /// A client, all of whose tokens are revoked that were issued before `issuedBefore`.
    consumer_key: Option<String>,
    /// RFC 3339, not in the future; now when absent.
    issued_before: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RevocationList {
    count: u64,
    list: Vec<RevocationBody>,
    pagination: Pagination,
}

/// Tokens that gateways believe no longer.
#[derive(Serialize, ToSchema)]
#[schema(as = Revocation)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RevocationBody {
    id: String,
    /// `TOKEN`, `TOKEN_ID` or `CONSUMER_KEY`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// SHA-256, hexadecimal, of the token without its signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_digest: Option<String>,
    /// Name of the key manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_manager: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_key: Option<String>,
    /// RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<String>,
    /// RFC 3339, UTC: when it is forgotten, because the token has ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    created_by: String,
    created_at: String,
}

impl From<RevocationView> for RevocationBody {
    fn from(view: RevocationView) -> Self {
        let revocation = view.revocation;
        let bare = Self {
            id: revocation.id.to_string(),
            kind: "TOKEN",
            token_digest: None,
            key_manager: view.key_manager,
            token_id: None,
            consumer_key: None,
            issued_before: None,
            expires_at: revocation.expires_at.map(|at| at.to_string()),
            created_by: revocation.created_by,
            created_at: revocation.created_at.to_string(),
        };
        match revocation.subject {
            RevokedSubject::Token { digest } => Self {
                token_digest: Some(digest),
                ..bare
            },
            RevokedSubject::TokenId { token_id, .. } => Self {
                kind: "TOKEN_ID",
                token_id: Some(token_id),
                ..bare
            },
            RevokedSubject::ConsumerKey {
                consumer_key,
                issued_before,
                ..
            } => Self {
                kind: "CONSUMER_KEY",
                consumer_key: Some(consumer_key),
                issued_before: Some(issued_before.to_string()),
                ..bare
            },
        }
    }
}

impl TryFrom<RevocationRequest> for Revoke {
    type Error = Invalid;

    fn try_from(body: RevocationRequest) -> Result<Self, Invalid> {
        match body {
            RevocationRequest {
                token: Some(token),
                key_manager: None,
                token_id: None,
                expires_at: None,
                consumer_key: None,
                issued_before: None,
            } => Ok(Self::Token(token.into_secret())),
            RevocationRequest {
                token: None,
                key_manager: Some(key_manager),
                token_id: Some(token_id),
                expires_at,
                consumer_key: None,
                issued_before: None,
            } => Ok(Self::TokenId {
                key_manager,
                token_id,
                expires_at: time("expiresAt", expires_at)?,
            }),
            RevocationRequest {
                token: None,
                key_manager: Some(key_manager),
                token_id: None,
                expires_at: None,
                consumer_key: Some(consumer_key),
                issued_before,
            } => Ok(Self::ConsumerKey {
                key_manager,
                consumer_key,
                issued_before: time("issuedBefore", issued_before)?,
            }),
            _ => Err(Invalid::field(
                "token",
                "give token alone; or keyManager and tokenId, with or without expiresAt; or keyManager and \
                 consumerKey, with or without issuedBefore",
            )),
        }
    }
}

fn time(field: &str, text: Option<String>) -> Result<Option<Timestamp>, Invalid> {
    text.map(|text| {
        text.parse()
            .map_err(|_| Invalid::field(field, "must be a time such as 2026-01-31T12:00:00Z"))
    })
    .transpose()
}

/// All revocations, newest first (an addition to WSO2's contract).
#[utoipa::path(
    get, path = "/revocations", tag = "Revocations", params(PageQuery),
    security(("OAuth2Security" = ["apim:admin", "apim:keymanagers_manage"])),
    responses((status = 200, body = RevocationList))
)]
pub(super) async fn list_revocations(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<PageQuery>,
) -> Result<Json<RevocationList>, Problem> {
    let page = query.page();
    let listed = control.revocations().list(&actor, page).await?;
    let pagination = Pagination::of(&listed, page, "/revocations", &[]);
    let list: Vec<_> = listed.items.into_iter().map(RevocationBody::from).collect();
    Ok(Json(RevocationList {
        count: count(&list),
        list,
        pagination,
    }))
}

/// Revokes a token, or all tokens that a client was issued until now (an addition to WSO2's contract). What was
/// revoked already is answered as it stands.
#[utoipa::path(
    post, path = "/revocations", tag = "Revocations", request_body = RevocationRequest,
    security(("OAuth2Security" = ["apim:admin", "apim:keymanagers_manage"])),
    responses(
        (status = 201, body = RevocationBody), (status = 400, body = ErrorBody),
        (status = 412, body = ErrorBody)
    )
)]
pub(super) async fn create_revocation(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<RevocationRequest>,
) -> Result<Response, Problem> {
    let wanted = Revoke::try_from(body)?;
    let view = control.revocations().create(&actor, wanted).await?;
    let location = format!("/api/am/admin/v4/revocations/{}", view.revocation.id);
    let body = Json(RevocationBody::from(view));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

/// Takes a revocation back (an addition to WSO2's contract).
#[utoipa::path(
    delete, path = "/revocations/{revocationId}", tag = "Revocations",
    params(("revocationId" = String, Path)),
    security(("OAuth2Security" = ["apim:admin", "apim:keymanagers_manage"])),
    responses((status = 200, description = "Deleted"), (status = 404, body = ErrorBody))
)]
pub(super) async fn delete_revocation(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = identifier(&id, Noun::Revocation)?;
    control.revocations().delete(&actor, id).await?;
    Ok(StatusCode::OK)
}
