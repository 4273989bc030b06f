//! Someone who sends requests, with or without credentials.

use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, header};
use serde_json::Value;
use tower::ServiceExt as _;

use super::Answer;

#[derive(Clone)]
pub(crate) enum Credential {
    None,
    Basic(String, String),
    Bearer(String),
}

pub(crate) struct Person {
    router: Router,
    credential: Credential,
    site: Option<String>,
}

const BOUNDARY: &str = "a-boundary";

impl Person {
    pub(crate) fn new(router: Router, credential: Credential) -> Self {
        Self {
            router,
            credential,
            site: None,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.sends(Method::GET, path, "", Body::empty()).await
    }

    pub(crate) async fn head(&self, path: &str) -> Answer {
        self.sends(Method::HEAD, path, "", Body::empty()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.sends(Method::DELETE, path, "", Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.posts_text(path, &body.to_string()).await
    }

    pub(crate) async fn posts_text(&self, path: &str, body: &str) -> Answer {
        self.sends(
            Method::POST,
            path,
            "application/json",
            Body::from(body.to_owned()),
        )
        .await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        let body = Body::from(body.to_string());
        self.sends(Method::PUT, path, "application/json", body)
            .await
    }

    pub(crate) async fn post_form(&self, path: &str, form: &str) -> Answer {
        let body = Body::from(form.replace(' ', "+"));
        self.sends(
            Method::POST,
            path,
            "application/x-www-form-urlencoded",
            body,
        )
        .await
    }

    pub(crate) async fn post_multipart(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.posts_multipart_text(path, multipart(fields)).await
    }

    pub(crate) async fn posts_multipart_text(&self, path: &str, body: String) -> Answer {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        self.sends(Method::POST, path, &content_type, Body::from(body))
            .await
    }

    /// As a browser sends what a page of `site` asks for (Fetch Metadata).
    pub(crate) async fn posts_from_site(&self, site: &str, path: &str, body: &Value) -> Answer {
        let mut other = Self::new(self.router.clone(), self.credential.clone());
        other.site = Some(site.to_owned());
        other.post(path, body).await
    }

    pub(crate) async fn sends(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Body,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(site) = &self.site {
            request = request.header("sec-fetch-site", site);
        }
        let authorization = match &self.credential {
            Credential::None => None,
            Credential::Basic(name, secret) => Some(format!(
                "Basic {}",
                STANDARD.encode(format!("{name}:{secret}"))
            )),
            Credential::Bearer(token) => Some(format!("Bearer {token}")),
        };
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(body).unwrap();
        Answer::read(self.router.clone().oneshot(request).await.unwrap()).await
    }
}

pub(crate) fn multipart(fields: &[(&str, &str)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str("--");
        body.push_str(BOUNDARY);
        body.push_str("\r\nContent-Disposition: form-data; name=\"");
        body.push_str(name);
        body.push_str("\"\r\n\r\n");
        body.push_str(value);
        body.push_str("\r\n");
    }
    body.push_str("--");
    body.push_str(BOUNDARY);
    body.push_str("--\r\n");
    body
}
