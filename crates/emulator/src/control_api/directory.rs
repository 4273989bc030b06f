//! The directory as it is, whoever can see it: list, export, import, tenants and their policies.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State as Shared},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::reply::{Body, Failure};
use crate::{
    config::TenantSeed,
    directory::{Kind, Object, Tenant, TenantPolicies},
    seed,
    state::State,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Wanted {
    kind: Option<Kind>,
}

pub(super) async fn objects(
    Shared(state): Shared<Arc<State>>,
    Query(wanted): Query<Wanted>,
) -> Json<Vec<Object>> {
    let directory = state.directory();
    Json(
        directory
            .objects()
            .filter(|object| wanted.kind.is_none_or(|kind| object.kind() == kind))
            .collect(),
    )
}

pub(super) async fn export(Shared(state): Shared<Arc<State>>) -> Json<Vec<Object>> {
    Json(state.directory().objects().collect())
}

pub(super) async fn import(
    Shared(state): Shared<Arc<State>>,
    Body(objects): Body<Vec<Object>>,
) -> Json<Value> {
    let imported = objects.len();
    state.import(objects);
    Json(json!({ "imported": imported }))
}

pub(super) async fn add_tenant(
    Shared(state): Shared<Arc<State>>,
    Body(wanted): Body<TenantSeed>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let is_taken = wanted
        .id
        .is_some_and(|id| state.directory().tenant_by_id(id).is_some())
        || wanted
            .domains
            .iter()
            .any(|domain| state.directory().tenant(domain).is_some());
    if is_taken || wanted.domains.is_empty() {
        return Err(Failure::conflict(
            "the tenant needs an id and domains that no other tenant has",
        ));
    }
    let now = state.now();
    let ((administrator, people), _) =
        state.write(|transaction| seed::plant(&wanted, transaction, &state.random, now));
    let people: Vec<_> = people
        .iter()
        .map(|person| {
            json!({
                "userPrincipalName": person.user_principal_name,
                "password": person.expose_password(),
            })
        })
        .collect();
    Ok((
        StatusCode::CREATED,
        Json(json!({
            "tenantId": administrator.tenant_id,
            "administratorClientId": administrator.client_id,
            "administratorClientSecret": administrator.expose_secret(),
            "people": people,
        })),
    ))
}

pub(super) async fn policies(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<Uuid>,
) -> Result<Json<TenantPolicies>, Failure> {
    let tenant = state
        .directory()
        .tenant_by_id(id)
        .ok_or_else(|| Failure::not_found("tenant"))?;
    Ok(Json(tenant.policies.clone()))
}

pub(super) async fn set_policies(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<Uuid>,
    Body(policies): Body<TenantPolicies>,
) -> Result<StatusCode, Failure> {
    let (found, _) = state.write(|transaction| {
        let tenant = transaction.newest::<Tenant>(id)?;
        transaction.put(Tenant {
            policies,
            ..Tenant::clone(&tenant)
        });
        Some(())
    });
    found
        .map(|()| StatusCode::NO_CONTENT)
        .ok_or_else(|| Failure::not_found("tenant"))
}
