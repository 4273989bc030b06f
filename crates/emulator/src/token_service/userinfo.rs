//! The userinfo endpoint (OpenID Connect Core section 5.3) and the sign-out page.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use super::claims::pairwise_subject;
use crate::directory::{GRAPH_APP_ID, User};
use crate::pages::{MessagePage, page};
use crate::replica::Place;
use crate::state::State;

/// `GET /oidc/userinfo` with a token for Microsoft Graph whose scopes contain `openid`.
pub(crate) async fn show(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("Bearer "))
        .unwrap_or_default();
    let caller = match state.verify_graph_token(bearer) {
        Ok(caller) => caller,
        Err(error) => return refuse(&error.to_string()),
    };
    let view = state.view(Place::Primary);
    let user = caller
        .user_id
        .and_then(|id| state.directory().get::<User>(id, view));
    let Some(user) = user else {
        return refuse("The token does not speak for a person.");
    };
    let body = json!({
        "sub": pairwise_subject(&user, GRAPH_APP_ID),
        "name": user.display_name,
        "given_name": user.given_name,
        "family_name": user.surname,
        "email": user.mail,
    });
    axum::Json(body).into_response()
}

/// `GET /{tenant}/oauth2/v2.0/logout`: nobody stays signed in here, so there is nothing to end.
pub(crate) async fn sign_out() -> Response {
    let text = "It's a good idea to close all browser windows.";
    page(
        StatusCode::OK,
        &MessagePage {
            heading: "You signed out of your account",
            text,
        },
    )
}

fn refuse(message: &str) -> Response {
    let body = json!({ "error": { "code": "InvalidAuthenticationToken", "message": message } });
    let mut response = (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response();
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}
