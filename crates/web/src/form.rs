//! Multipart forms (RFC 7578), read whole: a handful of small text fields and at most one file.

use std::collections::BTreeMap;

use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use http::StatusCode;

use crate::json::too_large;
use crate::problem::Problem;

/// More parts than any form of ours has.
const MOST_FIELDS: usize = 16;

/// A form's fields by name, as text. The route's body limit bounds the whole.
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// The field's text; `None` when absent or empty.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|text| !text.trim().is_empty())
    }

    pub(crate) fn require(&mut self, name: &str) -> Result<String, Problem> {
        self.take(name).ok_or_else(|| {
            Problem::bad_request(format!("Required form field '{name}' is missing."))
                .with_item(name, "required form field is missing")
        })
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let mut multipart = Multipart::from_request(request, state).await.map_err(|_| {
            Problem::plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The request body must be multipart/form-data.",
            )
        })?;
        let mut fields = BTreeMap::new();
        while let Some(field) = multipart.next_field().await.map_err(refusal)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name.is_empty() {
                return Err(Problem::bad_request("A form field has no name."));
            }
            let content = field.bytes().await.map_err(refusal)?;
            let text = String::from_utf8(content.into())
                .map_err(|_| Problem::bad_request(format!("Form field '{name}' is not UTF-8.")))?;
            if fields.insert(name.clone(), text).is_some() {
                return Err(Problem::bad_request(format!(
                    "Form field '{name}' is given twice."
                )));
            }
            if fields.len() > MOST_FIELDS {
                return Err(Problem::bad_request("The form has too many fields."));
            }
        }
        Ok(Self(fields))
    }
}

fn refusal(error: MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        too_large()
    } else {
        Problem::bad_request("Malformed multipart body.")
    }
}
