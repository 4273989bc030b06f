//! `/key-managers` of the admin API.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use control::Control;
use control::error::{Error, Noun};
use control::key_manager::KeyManagerSummary;
use domain::key_manager::{KeyManagerSettings, TokenType};
use domain::user::Actor;
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use super::key_manager_body::KeyManagerBody;
use crate::json::Json;
use crate::paging::count;
use crate::problem::{ErrorBody, Problem, invalid};
use crate::query::identifier;

#[derive(Serialize, ToSchema)]
pub(crate) struct KeyManagerList {
    count: u64,
    list: Vec<KeyManagerInfo>,
}

/// A key manager in the list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyManagerInfo {
    id: String,
    name: String,
    #[serde(rename = "type")]
    connector_type: String,
    description: String,
    enabled: bool,
    is_global: bool,
    /// Named by an API or holding an application's keys: it cannot be deleted.
    is_used: bool,
    #[schema(value_type = String)]
    token_type: TokenType,
}

impl From<KeyManagerSummary> for KeyManagerInfo {
    fn from(summary: KeyManagerSummary) -> Self {
        let settings = summary.key_manager.settings;
        Self {
            id: summary.key_manager.id.to_string(),
            name: settings.name,
            connector_type: settings.connector_type,
            description: settings.description,
            enabled: settings.enabled,
            is_global: settings.global,
            is_used: summary.used,
            token_type: settings.token_type,
        }
    }
}

/// All key managers, by name.
#[utoipa::path(
    get, path = "/key-managers", tag = "Key Manager (Collection)",
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations", "apim:keymanagers_manage"])),
    responses((status = 200, body = KeyManagerList))
)]
pub(super) async fn list_key_managers(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<KeyManagerList>, Problem> {
    let summaries = control.key_managers().list(&actor).await?;
    let list: Vec<_> = summaries.into_iter().map(KeyManagerInfo::from).collect();
    Ok(Json(KeyManagerList {
        count: count(&list),
        list,
    }))
}

/// Adds a key manager. Wrong addresses and missing connector fields are refused here, not when a developer needs it.
#[utoipa::path(
    post, path = "/key-managers", tag = "Key Manager (Collection)",
    request_body = KeyManagerBody,
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations", "apim:keymanagers_manage"])),
    responses(
        (status = 201, body = KeyManagerBody, headers(("Location" = String))),
        (status = 400, body = ErrorBody), (status = 409, body = ErrorBody)
    )
)]
pub(super) async fn create_key_manager(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<KeyManagerBody>,
) -> Result<impl IntoResponse, Problem> {
    let settings = settings_of(&control, body)?;
    let key_manager = control
        .key_managers()
        .create(&actor, settings)
        .await
        .map_err(invalid::of_key_manager)?;
    let location = format!("/api/am/admin/v4/key-managers/{}", key_manager.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(KeyManagerBody::from(&key_manager)),
    ))
}

/// One key manager. Its secrets are answered as `*****`.
#[utoipa::path(
    get, path = "/key-managers/{keyManagerId}", tag = "Key Manager (Individual)",
    params(("keyManagerId" = String, Path)),
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations", "apim:keymanagers_manage"])),
    responses((status = 200, body = KeyManagerBody), (status = 404, body = ErrorBody))
)]
pub(super) async fn get_key_manager(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<Json<KeyManagerBody>, Problem> {
    let id = identifier(&id, Noun::KeyManager)?;
    let key_manager = control.key_managers().get(&actor, id).await?;
    Ok(Json(KeyManagerBody::from(&key_manager)))
}

/// Replaces a key manager's settings. A secret sent as `*****`, or not sent, stays as it is stored.
#[utoipa::path(
    put, path = "/key-managers/{keyManagerId}", tag = "Key Manager (Individual)",
    params(("keyManagerId" = String, Path)), request_body = KeyManagerBody,
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations", "apim:keymanagers_manage"])),
    responses(
        (status = 200, body = KeyManagerBody),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn update_key_manager(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    Json(body): Json<KeyManagerBody>,
) -> Result<Json<KeyManagerBody>, Problem> {
    let id = identifier(&id, Noun::KeyManager)?;
    let settings = settings_of(&control, body)?;
    let key_manager = control
        .key_managers()
        .update(&actor, id, settings)
        .await
        .map_err(invalid::of_key_manager)?;
    Ok(Json(KeyManagerBody::from(&key_manager)))
}

/// Deletes a key manager that neither an API nor an application uses.
#[utoipa::path(
    delete, path = "/key-managers/{keyManagerId}", tag = "Key Manager (Individual)",
    params(("keyManagerId" = String, Path)),
    security(("OAuth2Security" = ["apim:admin", "apim:admin_operations"])),
    responses(
        (status = 200, description = "Deleted"),
        (status = 404, body = ErrorBody), (status = 412, body = ErrorBody)
    )
)]
pub(super) async fn delete_key_manager(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = identifier(&id, Noun::KeyManager)?;
    control.key_managers().delete(&actor, id).await?;
    Ok(StatusCode::OK)
}

pub(super) fn settings_of(
    control: &Control,
    body: KeyManagerBody,
) -> Result<KeyManagerSettings, Problem> {
    let descriptors = control.key_managers().descriptors();
    body.into_settings(&descriptors)
        .map_err(|invalid| invalid::of_key_manager(Error::Invalid(invalid)))
}
