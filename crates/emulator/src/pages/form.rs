//! A posted form whose fields may repeat, such as check boxes.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Longest form in bytes.
pub(super) const LONGEST_FORM: usize = 1 << 20;
const MOST_FIELDS: usize = 1000;

/// The fields of a form in their order.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first field with this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every field with this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let bytes = axum::body::to_bytes(request.into_body(), LONGEST_FORM)
            .await
            .map_err(|_| StatusCode::PAYLOAD_TOO_LARGE.into_response())?;
        let fields = url::form_urlencoded::parse(&bytes)
            .into_owned()
            .take(MOST_FIELDS)
            .collect();
        Ok(Self(fields))
    }
}
