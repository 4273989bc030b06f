//! Query strings and path parameters, refused in WSO2's body instead of axum's text.

use std::str::FromStr;

use axum::extract::FromRequestParts;
use control::error::{Error, Noun};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The query string.
pub(crate) struct QueryString<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryString<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| {
                Problem::bad_request("One or more query parameters are missing or not valid.")
                    .with_item("query", rejection.body_text())
            })
    }
}

/// An identifier from a path or a body. A text that is none names nothing that exists.
pub(crate) fn identifier<T: FromStr>(text: &str, noun: Noun) -> Result<T, Problem> {
    text.parse()
        .map_err(|_| Problem::from(Error::NotFound(noun)))
}
