//! The page at `/`: what runs here, and where to go.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};

use crate::api::Api;
use crate::problem::Problem;

/// Something that runs in this process, for example the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningPart {
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Where it listens; must be an http or https address to become a link.
    pub address: Option<String>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    version: &'static str,
    running: Vec<RunningPart>,
    apis: Vec<DescribedApi>,
}

struct DescribedApi {
    title: &'static str,
    base: &'static str,
    document: &'static str,
}

impl From<Api> for DescribedApi {
    fn from(api: Api) -> Self {
        Self {
            title: api.title(),
            base: match api {
                Api::OAuth => "/oauth2, /client-registration/v0.17",
                api => api.base(),
            },
            document: api.document_path(),
        }
    }
}

pub(super) fn page(running: Vec<RunningPart>) -> Response {
    let page = HomePage {
        version: env!("CARGO_PKG_VERSION"),
        running,
        apis: Api::ALL.into_iter().map(DescribedApi::from).collect(),
    };
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "the home page could not be rendered");
            Problem::internal().into_response()
        }
    }
}
