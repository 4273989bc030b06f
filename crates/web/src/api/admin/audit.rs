//! The audit log (an addition to WSO2's contract).

use axum::Extension;
use axum::extract::State;
use control::{Control, Page};
use domain::audit::AuditEntry;
use domain::user::Actor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::json::Json;
use crate::paging::{PageQuery, Pagination, count};
use crate::problem::Problem;
use crate::query::QueryString;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditQuery {
    /// A noun's kind, for example `key_manager`; any when absent.
    subject_kind: Option<String>,
    /// A noun's id; any when absent.
    subject_id: Option<String>,
    limit: Option<u32>,
    offset: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AuditEntryList {
    count: u64,
    list: Vec<AuditEntryBody>,
    pagination: Pagination,
}

/// Who changed what, when.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntryBody {
    id: String,
    /// RFC 3339, UTC.
    at: String,
    actor: String,
    /// Noun and verb, for example `key_manager.create`.
    action: String,
    subject_kind: String,
    subject_id: String,
    #[schema(value_type = Object)]
    details: Value,
}

impl From<AuditEntry> for AuditEntryBody {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            at: entry.at.to_string(),
            actor: entry.actor,
            action: entry.action,
            subject_kind: entry.subject_kind,
            subject_id: entry.subject_id,
            details: entry.details,
        }
    }
}

/// Every change, newest first (an addition to WSO2's contract).
#[utoipa::path(
    get, path = "/audit-entries", tag = "Audit", params(AuditQuery),
    security(("OAuth2Security" = ["apim:admin"])),
    responses((status = 200, body = AuditEntryList))
)]
pub(super) async fn list_audit_entries(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    QueryString(query): QueryString<AuditQuery>,
) -> Result<Json<AuditEntryList>, Problem> {
    let page: Page = PageQuery {
        limit: query.limit,
        offset: query.offset,
    }
    .page();
    let kind = query.subject_kind.unwrap_or_default();
    let id = query.subject_id.unwrap_or_default();
    let listed = control.audit().list(&actor, &kind, &id, page).await?;
    let filter = [("subjectKind", kind.as_str()), ("subjectId", id.as_str())];
    let pagination = Pagination::of(&listed, page, "/audit-entries", &filter);
    let list: Vec<_> = listed.items.into_iter().map(AuditEntryBody::from).collect();
    Ok(Json(AuditEntryList {
        count: count(&list),
        list,
        pagination,
    }))
}
