//! OpenAPI documents: checking, importing, reading and replacing them.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use control::Control;
use control::api::DefinitionReport;
use control::error::Noun;
use domain::user::Actor;
use http::header;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::api::created;
use super::api_body::ApiBody;
use super::operation_body::OperationBody;
use crate::form::Form;
use crate::json::{Json, parse};
use crate::problem::{ErrorBody, ErrorItem, Problem};
use crate::query::{QueryString, identifier};

/// A document as a file or inline. Addresses are not fetched: the server reads nothing on a publisher's behalf.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form in the OpenAPI document")]
#[serde(rename_all = "camelCase")]
pub(crate) struct DefinitionForm {
    /// OpenAPI 3.0, 3.1 or Swagger 2.0, JSON or YAML; at most 10 MiB.
    #[schema(value_type = Option<String>, format = Binary, required = false)]
    file: Option<Vec<u8>>,
    #[schema(rename = "inlineAPIDefinition")]
    inline_api_definition: Option<String>,
}

/// A document and what the API is to be beside it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form in the OpenAPI document")]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportForm {
    /// OpenAPI 3.0, 3.1 or Swagger 2.0, JSON or YAML; at most 10 MiB.
    #[schema(value_type = Option<String>, format = Binary, required = false)]
    file: Option<Vec<u8>>,
    #[schema(rename = "inlineAPIDefinition")]
    inline_api_definition: Option<String>,
    /// The schema `API` as JSON text, with at least name, version, context and endpointConfig where the document
    /// does not tell them.
    additional_properties: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValidateQuery {
    /// Send the document back.
    return_content: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OpenAPIDefinitionValidationResponse {
    is_valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<DefinitionInfo>,
    errors: Vec<ErrorItem>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DefinitionInfo {
    name: String,
    version: String,
    context: String,
    description: String,
    #[serde(rename = "openAPIVersion")]
    open_api_version: String,
    endpoints: Vec<String>,
    operations: Vec<OperationBody>,
}

impl From<DefinitionReport> for OpenAPIDefinitionValidationResponse {
    fn from(report: DefinitionReport) -> Self {
        let endpoints = report.endpoints.production.iter();
        let info = DefinitionInfo {
            endpoints: endpoints.map(ToString::to_string).collect(),
            operations: report.operations.iter().map(OperationBody::from).collect(),
            name: report.name,
            version: report.version,
            context: report.context,
            description: report.description,
            open_api_version: report.openapi_version,
        };
        Self {
            is_valid: report.valid,
            content: None,
            info: Some(info).filter(|_| report.valid),
            errors: report
                .errors
                .into_iter()
                .map(|error| ErrorItem {
                    code: error.at,
                    description: error.message.clone(),
                    message: error.message,
                })
                .collect(),
        }
    }
}

/// Says what an import would make of a document, and what is wrong with it.
#[utoipa::path(
    post, path = "/apis/validate-openapi", tag = "Validation", params(ValidateQuery),
    request_body(content = DefinitionForm, content_type = "multipart/form-data"),
    security(("OAuth2Security" = ["apim:api_create", "apim:api_manage"])),
    responses(
        (status = 200, body = OpenAPIDefinitionValidationResponse), (status = 400, body = ErrorBody),
        (status = 413, body = ErrorBody)
    )
)]
pub(super) async fn validate_definition(
    State(control): State<Control>,
    Extension(_actor): Extension<Actor>,
    QueryString(query): QueryString<ValidateQuery>,
    mut form: Form,
) -> Result<Json<OpenAPIDefinitionValidationResponse>, Problem> {
    let definition = definition_in(&mut form)?;
    let report = control.apis().validate_definition(&definition).await?;
    let content = Some(definition).filter(|_| query.return_content.unwrap_or(false));
    Ok(Json(OpenAPIDefinitionValidationResponse {
        content,
        ..report.into()
    }))
}

/// Makes an API from a document.
#[utoipa::path(
    post, path = "/apis/import-openapi", tag = "APIs",
    request_body(content = ImportForm, content_type = "multipart/form-data"),
    security(("OAuth2Security" = ["apim:api_create", "apim:api_manage"])),
    responses(
        (status = 201, body = ApiBody, headers(("Location" = String))),
        (status = 400, body = ErrorBody), (status = 409, body = ErrorBody), (status = 413, body = ErrorBody)
    )
)]
pub(super) async fn import_definition(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    mut form: Form,
) -> Result<impl IntoResponse, Problem> {
    let definition = definition_in(&mut form)?;
    let properties = match form.take("additionalProperties") {
        Some(text) => ApiBody::read(parse(text.as_bytes())?)?,
        None => ApiBody::default(),
    };
    let api = control
        .apis()
        .import(&actor, definition, properties.into_import()?)
        .await?;
    Ok(created(&api))
}

/// The document as it was given, JSON or YAML.
#[utoipa::path(
    get, path = "/apis/{apiId}/swagger", tag = "APIs", params(("apiId" = String, Path)),
    security(("OAuth2Security" = ["apim:api_view", "apim:api_manage", "apim:api_definition_view"])),
    responses(
        (status = 200, body = Object, content_type = "application/json"),
        (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn get_definition(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = identifier(&id, Noun::Api)?;
    let definition = control.apis().definition(&actor, id).await?;
    Ok(document(definition))
}

/// Replaces the document, and the operations and scopes with what it says.
#[utoipa::path(
    put, path = "/apis/{apiId}/swagger", tag = "APIs", params(("apiId" = String, Path)),
    request_body(content = DefinitionForm, content_type = "multipart/form-data"),
    security(("OAuth2Security" = ["apim:api_create", "apim:api_manage"])),
    responses(
        (status = 200, body = Object, content_type = "application/json"),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn replace_definition(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
    mut form: Form,
) -> Result<impl IntoResponse, Problem> {
    let id = identifier(&id, Noun::Api)?;
    let definition = match form.take("apiDefinition") {
        Some(definition) => definition,
        None => definition_in(&mut form)?,
    };
    control
        .apis()
        .replace_definition(&actor, id, definition.clone())
        .await?;
    Ok(document(definition))
}

fn document(definition: String) -> impl IntoResponse {
    let content_type = if definition.trim_start().starts_with('{') {
        "application/json"
    } else {
        "application/yaml"
    };
    ([(header::CONTENT_TYPE, content_type)], definition)
}

fn definition_in(form: &mut Form) -> Result<String, Problem> {
    if let Some(definition) = form
        .take("file")
        .or_else(|| form.take("inlineAPIDefinition"))
    {
        return Ok(definition);
    }
    if form.take("url").is_some() {
        return Err(Problem::bad_request(
            "A definition is not fetched from an address; send it as file or inlineAPIDefinition.",
        ));
    }
    form.require("file")
}
