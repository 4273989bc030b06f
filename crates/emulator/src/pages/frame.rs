//! What every page of a tenant has around it, and how a page is found and answered.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use uuid::Uuid;

use super::session::Session;
use crate::directory::Application;
use crate::state::State;

/// The navigation and the messages of a page.
pub(super) struct Frame {
    /// `/_portal/{tenant}`, without a trailing slash.
    pub(super) base: String,
    pub(super) tenant_name: String,
    pub(super) user: String,
    pub(super) section: &'static str,
    pub(super) application: Option<ApplicationHead>,
    pub(super) notice: Option<String>,
    pub(super) problem: Option<String>,
}

/// The application that a page is about.
pub(super) struct ApplicationHead {
    pub(super) base: String,
    pub(super) name: String,
}

impl Frame {
    /// The frame of a page of the tenant.
    pub(super) fn of(session: &Session, section: &'static str) -> Self {
        Self {
            base: base(session),
            tenant_name: session.tenant.display_name.clone(),
            user: session.user.user_principal_name.clone(),
            section,
            application: None,
            notice: None,
            problem: None,
        }
    }

    /// The frame of a page of an application.
    pub(super) fn of_application(
        session: &Session,
        section: &'static str,
        application: &Application,
    ) -> Self {
        let head = ApplicationHead {
            base: application_base(session, application.id),
            name: application.display_name.clone(),
        };
        Self {
            application: Some(head),
            ..Self::of(session, section)
        }
    }

    /// The same with Graph's refusal on top.
    pub(super) fn with_problem(self, problem: Option<String>) -> Self {
        Self { problem, ..self }
    }
}

/// Finds tenant and administrator.
///
/// # Errors
/// What is missing.
pub(super) fn enter(state: Arc<State>, tenant: &str) -> Result<Session, Missing> {
    let found = state.directory().tenant(tenant);
    let Some(tenant) = found else {
        return Err(Missing("There is no such directory."));
    };
    Session::open(state, tenant).ok_or(Missing("This directory has no administrator: a user with the role Global Administrator, Application Administrator or Cloud Application Administrator."))
}

/// The newest version of an application of the session's tenant.
///
/// # Errors
/// That there is none.
pub(super) fn application(session: &Session, id: Uuid) -> Result<Arc<Application>, Missing> {
    let directory = session.state.directory();
    let found = directory.table::<Application>().newest(id).cloned();
    found
        .filter(|application| application.tenant_id == session.tenant.id)
        .ok_or(Missing("There is no such application."))
}

/// `/_portal/{tenant}`.
pub(super) fn base(session: &Session) -> String {
    format!("/_portal/{}", session.tenant.id)
}

/// `/_portal/{tenant}/apps/{id}`.
pub(super) fn application_base(session: &Session, id: Uuid) -> String {
    format!("{}/apps/{id}", base(session))
}

/// Sends the browser on after a change (`303 See Other`), so that a reload repeats nothing.
pub(super) fn go(session: &Session, target: &str) -> Response {
    session.note(Redirect::to(target).into_response())
}

/// What a page is about does not exist.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing(pub(super) &'static str);

impl Missing {
    /// The page that says so.
    pub(super) fn page(self) -> Response {
        let template = super::MessagePage {
            heading: "Not found",
            text: self.0,
        };
        super::page(StatusCode::NOT_FOUND, &template)
    }
}
