//! Which scopes an operation needs. Each operation states its alternatives once, in its `#[utoipa::path]`: that
//! statement is published in the OpenAPI document, and the guard here enforces the same document.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use control::Control;
use control::identity::authorization::anonymous;
use domain::user::Actor;
use http::{Method, StatusCode};
use utoipa::openapi::OpenApi;

use crate::authentication::authenticate;
use crate::openapi::{OAUTH2_SECURITY, operations};
use crate::problem::Problem;

/// Who may call an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The operation authenticates its caller itself (`security(())`).
    Itself,
    /// Anyone; who signs in may see more.
    Anyone,
    /// Whoever holds one of these scopes.
    AnyOf(Vec<String>),
}

/// Stands before one API's routes.
#[derive(Clone)]
pub(crate) struct Guard {
    control: Control,
    base: &'static str,
    access: Arc<HashMap<(Method, String), Access>>,
}

impl Guard {
    /// `base` is where the document's paths are mounted.
    pub(crate) fn new(control: Control, base: &'static str, document: &OpenApi) -> Self {
        Self {
            control,
            base,
            access: Arc::new(access_table(document)),
        }
    }

    /// `None` for an operation that the document does not know: nobody may call it.
    fn access(&self, method: &Method, matched: &str) -> Option<&Access> {
        let path = matched.strip_prefix(self.base)?;
        let find = |method: &Method| self.access.get(&(method.clone(), path.to_owned()));
        find(method).or_else(|| {
            // axum answers HEAD by the GET handler.
            (*method == Method::HEAD)
                .then(|| find(&Method::GET))
                .flatten()
        })
    }
}

/// Lets a request through with its [`Actor`] in the extensions, or refuses it with 401 or 403.
pub(crate) async fn guard(
    State(guard): State<Guard>,
    matched: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let access = guard
        .access(request.method(), matched.as_str())
        .ok_or_else(|| lacking(&[]))?;
    if is_from_another_site(&request) {
        return Err(Problem::plain(
            StatusCode::FORBIDDEN,
            "Requests that change something are not taken from other sites' pages.",
        ));
    }
    if *access == Access::Itself {
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let authenticated = authenticate(&guard.control, &parts).await?;
    let actor = match (access, authenticated) {
        (Access::AnyOf(scopes), Some(actor)) => permitted(actor, scopes)?,
        (Access::AnyOf(_), None) => return Err(Problem::unauthenticated()),
        (_, Some(actor)) => actor,
        (_, None) => anonymous(),
    };
    parts.extensions.insert(actor);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Browsers remember HTTP Basic credentials and send them along whatever page asks; they also say which site
/// that page is of (Fetch Metadata). Scripts send no such header.
fn is_from_another_site(request: &Request) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return false;
    }
    let site = request.headers().get("sec-fetch-site");
    site.is_some_and(|site| site != "same-origin" && site != "none")
}

fn permitted(actor: Actor, scopes: &[String]) -> Result<Actor, Problem> {
    if scopes.iter().any(|scope| actor.scopes.contains(scope)) {
        Ok(actor)
    } else {
        Err(lacking(scopes))
    }
}

fn lacking(scopes: &[String]) -> Problem {
    Problem::plain(
        StatusCode::FORBIDDEN,
        format!(
            "The access token does not allow this operation. It needs one of the scopes: {}",
            scopes.join(", ")
        ),
    )
}

fn access_table(document: &OpenApi) -> HashMap<(Method, String), Access> {
    operations(document)
        .filter_map(|(method, path, operation)| {
            let requirements = serde_json::to_value(operation.security.as_ref()?).ok()?;
            let access = access_of(&requirements)?;
            Some(((method, path.to_owned()), access))
        })
        .collect()
}

/// Reads `[{"OAuth2Security": [...]}, ...]`. An operation that states nothing stays out of the table.
fn access_of(requirements: &serde_json::Value) -> Option<Access> {
    let requirements = requirements.as_array()?;
    let scopes = requirements
        .iter()
        .find_map(|requirement| requirement.get(OAUTH2_SECURITY)?.as_array());
    let Some(scopes) = scopes else {
        let is_open = requirements.iter().any(|requirement| {
            requirement
                .as_object()
                .is_some_and(serde_json::Map::is_empty)
        });
        return is_open.then_some(Access::Itself);
    };
    if scopes.is_empty() {
        return Some(Access::Anyone);
    }
    let scopes = scopes
        .iter()
        .filter_map(|scope| Some(scope.as_str()?.to_owned()));
    Some(Access::AnyOf(scopes.collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_that_states_nothing_is_open_to_nobody() {
        assert_eq!(access_of(&json!([])), None);
        assert_eq!(access_of(&json!(null)), None);
    }

    #[test]
    fn scopes_are_alternatives() {
        assert_eq!(
            access_of(&json!([{"OAuth2Security": ["a", "b"]}, {"BasicAuth": []}])),
            Some(Access::AnyOf(vec!["a".to_owned(), "b".to_owned()]))
        );
    }

    #[test]
    fn an_empty_requirement_leaves_authentication_to_the_operation() {
        assert_eq!(access_of(&json!([{}])), Some(Access::Itself));
    }
}
