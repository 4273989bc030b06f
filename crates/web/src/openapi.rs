//! The OpenAPI documents: one an API, generated from the handlers, committed under `docs/openapi`.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    Flow, Http, HttpAuthScheme, OAuth2, Password, Scopes, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, RefOr, Server,
};

use crate::api::Api;

/// The security scheme's name, as WSO2's contracts call it.
pub(crate) const OAUTH2_SECURITY: &str = "OAuth2Security";
const BASIC_SECURITY: &str = "BasicAuth";

/// Each document's file name and its pretty-printed JSON, as committed under `docs/openapi`.
pub fn documents() -> Vec<(&'static str, String)> {
    Api::ALL
        .into_iter()
        .map(|api| {
            let json = api
                .document()
                .to_pretty_json()
                .expect("a generated document has only string keys");
            (api.file_name(), json + "\n")
        })
        .collect()
}

/// A document without operations, which the handlers then fill.
pub(crate) fn skeleton(title: &str, description: &str, base: &str) -> OpenApi {
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title(title)
                .description(Some(description))
                .version(env!("CARGO_PKG_VERSION"))
                .license(Some(License::new("Apache-2.0")))
                .build(),
        )
        .servers(Some([Server::new(if base.is_empty() {
            "/"
        } else {
            base
        })]))
        .build()
}

/// Adds the security schemes: OAuth2 with every scope that some operation names, and HTTP Basic wherever
/// OAuth2 is accepted.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    let scopes: BTreeSet<String> = operations(&document)
        .filter_map(|(_, _, operation)| serde_json::to_value(operation.security.as_ref()?).ok())
        .flat_map(|requirements| named_scopes(&requirements))
        .collect();
    for item in document.paths.paths.values_mut() {
        for operation in operations_mut(item) {
            describe_responses(operation);
            let Some(security) = &mut operation.security else {
                continue;
            };
            let names_oauth2 = serde_json::to_value(&*security)
                .is_ok_and(|value| value.to_string().contains(OAUTH2_SECURITY));
            if names_oauth2 {
                security.push(SecurityRequirement::new(BASIC_SECURITY, [] as [&str; 0]));
            }
        }
    }
    if scopes.is_empty() {
        return document;
    }
    let flow = Flow::Password(Password::new(
        "/oauth2/token",
        scopes
            .into_iter()
            .map(|scope| (scope, String::new()))
            .collect::<Scopes>(),
    ));
    let components = document.components.take().unwrap_or_default();
    document.components = Some(
        ComponentsBuilder::from(components)
            .security_scheme(OAUTH2_SECURITY, SecurityScheme::OAuth2(OAuth2::new([flow])))
            .security_scheme(
                BASIC_SECURITY,
                SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)),
            )
            .build(),
    );
    document
}

/// Every operation with its method and path.
pub(crate) fn operations(document: &OpenApi) -> impl Iterator<Item = (Method, &str, &Operation)> {
    document.paths.paths.iter().flat_map(|(path, item)| {
        [
            (Method::GET, &item.get),
            (Method::PUT, &item.put),
            (Method::POST, &item.post),
            (Method::DELETE, &item.delete),
            (Method::HEAD, &item.head),
            (Method::PATCH, &item.patch),
        ]
        .into_iter()
        .filter_map(move |(method, operation)| {
            operation
                .as_ref()
                .map(|operation| (method, path.as_str(), operation))
        })
    })
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.head,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}

/// OpenAPI wants a description of every response; the status's own name is one.
fn describe_responses(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let reason = StatusCode::from_bytes(status.as_bytes())
            .ok()
            .and_then(|status| status.canonical_reason());
        if response.description.is_empty()
            && let Some(reason) = reason
        {
            reason.clone_into(&mut response.description);
        }
    }
}

fn named_scopes(requirements: &serde_json::Value) -> Vec<String> {
    requirements
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|requirement| requirement.get(OAUTH2_SECURITY)?.as_array())
        .flatten()
        .filter_map(|scope| Some(scope.as_str()?.to_owned()))
        .collect()
}
