//! JSON request bodies, refused in WSO2's words: empty, malformed, an unknown property, a wrong type, too large.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Longest excerpt of a parser's message that is sent back.
const MOST_DETAIL: usize = 300;

/// A JSON object as a body, in or out.
pub(crate) struct Json<T>(pub T);

/// A JSON array as a request body.
pub(crate) struct JsonList<T>(pub Vec<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Content::from_request(request, state).await?.0;
        let value = parse(&body)?;
        // serde would also take a struct's members from an array, in their order.
        if body.trim_ascii_start().starts_with(b"[") {
            return Err(disallowed_values().with_item(".", "must be an object"));
        }
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonList<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Content::from_request(request, state).await?.0;
        parse(&body).map(Self)
    }
}

/// A body that says it is JSON, up to the route's limit.
struct Content(Bytes);

impl<S: Send + Sync> FromRequest<S> for Content {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(Problem::plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The request body must be application/json.",
            ));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| {
                if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    too_large()
                } else {
                    Problem::bad_request("The request body could not be read.")
                }
            })?;
        Ok(Self(body))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// `application/json` or a `+json` type. Anything else could come from another site's form.
fn is_json(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| {
            let kind = kind.trim().to_ascii_lowercase();
            kind == "application/json"
                || (kind.starts_with("application/") && kind.ends_with("+json"))
        })
}

pub(crate) fn too_large() -> Problem {
    Problem::plain(
        StatusCode::PAYLOAD_TOO_LARGE,
        "The request body is larger than this operation accepts.",
    )
}

/// Reads `T` from JSON text.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::bad_request("Request payload cannot be empty."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        refusal(&path, error.inner())
    })?;
    deserializer
        .end()
        .map_err(|_| Problem::bad_request("Malformed request body."))?;
    Ok(value)
}

/// Reads `T` from a JSON value that already was taken out of a larger text.
pub(crate) fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        refusal(&path, error.inner())
    })
}

fn refusal(path: &str, error: &serde_json::Error) -> Problem {
    if !error.is_data() {
        return Problem::bad_request("Malformed request body.");
    }
    // serde_json tells these two apart from other wrong data by their text only.
    let text = error.to_string();
    if let Some(name) = quoted_after(&text, "unknown field `") {
        return Problem::bad_request(format!("Unrecognized property '{name}'"))
            .with_item(path, "unrecognized property");
    }
    if let Some(name) = quoted_after(&text, "missing field `") {
        return Problem::bad_request(format!("Required property '{name}' is missing."))
            .with_item(name, "required property is missing");
    }
    disallowed_values().with_item(path, text.chars().take(MOST_DETAIL).collect::<String>())
}

fn disallowed_values() -> Problem {
    Problem::bad_request("One or more request body parameters contain disallowed values.")
}

fn quoted_after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(prefix)?;
    rest.split_once('`').map(|(name, _)| name)
}
