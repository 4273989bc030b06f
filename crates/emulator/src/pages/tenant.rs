//! A directory at a glance: which there are, the overview, and "Endpoints".

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use uuid::Uuid;

use super::frame::{Frame, enter};
use super::page;
use crate::directory::{Application, ServicePrincipal};
use crate::state::State;

#[derive(Template)]
#[template(path = "portal/tenants.html")]
struct TenantsPage {
    tenants: Vec<(Uuid, String)>,
}

#[derive(Template)]
#[template(path = "portal/overview.html")]
struct OverviewPage<'a> {
    frame: Frame,
    tenant_id: Uuid,
    domain: &'a str,
    applications: usize,
    principals: usize,
}

#[derive(Template)]
#[template(path = "portal/endpoints.html")]
struct EndpointsPage {
    frame: Frame,
    endpoints: Vec<(&'static str, String)>,
    issuers: Vec<(&'static str, String)>,
}

/// `GET /_portal/`: the directories; the only one is shown at once.
pub(super) async fn list(Shared(state): Shared<Arc<State>>) -> Response {
    let tenants: Vec<(Uuid, String)> = state
        .directory()
        .tenants()
        .map(|tenant| (tenant.id, tenant.display_name.clone()))
        .collect();
    if let [(only, _)] = tenants.as_slice() {
        return Redirect::to(&format!("/_portal/{only}/")).into_response();
    }
    page(StatusCode::OK, &TenantsPage { tenants })
}

/// `GET /_portal/{tenant}/`.
pub(super) async fn overview(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
) -> Response {
    let session = match enter(state, &tenant) {
        Ok(session) => session,
        Err(missing) => return missing.page(),
    };
    let (applications, principals) = {
        let directory = session.state.directory();
        let id = session.tenant.id;
        (
            directory.table::<Application>().list_newest(id).count(),
            directory
                .table::<ServicePrincipal>()
                .list_newest(id)
                .count(),
        )
    };
    let template = OverviewPage {
        frame: Frame::of(&session, "overview"),
        tenant_id: session.tenant.id,
        domain: session.tenant.initial_domain(),
        applications,
        principals,
    };
    page(StatusCode::OK, &template)
}

/// `GET /_portal/{tenant}/endpoints`.
pub(super) async fn endpoints(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
) -> Response {
    let session = match enter(state, &tenant) {
        Ok(session) => session,
        Err(missing) => return missing.page(),
    };
    let (base, id) = (session.state.base_url(), session.tenant.id);
    let at = |path: &str| format!("{base}/{id}/{path}");
    let profile = session.tenant.profile;
    let template = EndpointsPage {
        frame: Frame::of(&session, "endpoints"),
        endpoints: vec![
            (
                "OAuth 2.0 authorization endpoint (v2)",
                at("oauth2/v2.0/authorize"),
            ),
            ("OAuth 2.0 token endpoint (v2)", at("oauth2/v2.0/token")),
            (
                "OAuth 2.0 authorization endpoint (v1)",
                at("oauth2/authorize"),
            ),
            ("OAuth 2.0 token endpoint (v1)", at("oauth2/token")),
            (
                "OpenID Connect metadata document",
                at("v2.0/.well-known/openid-configuration"),
            ),
            ("Microsoft Graph API endpoint", base.to_owned()),
        ],
        issuers: vec![
            ("V2 tokens", profile.v2_issuer(id)),
            ("V1 tokens", profile.v1_issuer(id)),
        ],
    };
    page(StatusCode::OK, &template)
}
