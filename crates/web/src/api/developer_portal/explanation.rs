//! Why a token is accepted or refused.

use axum::Extension;
use axum::extract::State;
use control::Control;
use control::error::Noun;
use control::explanation::{ApiReference, ExplainToken};
use domain::api::Verb;
use domain::explanation::Explanation;
use domain::user::Actor;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::json::Json;
use crate::problem::{ErrorBody, Problem};
use crate::query::identifier;
use crate::secret::SecretText;

/// A token and the call that was made with it. The API is named by id, or by context and version.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExplainTokenRequest {
    /// Never stored, never logged.
    #[schema(value_type = String)]
    token: SecretText,
    #[serde(alias = "api")]
    api_id: Option<String>,
    context: Option<String>,
    version: Option<String>,
    /// Without verb and path the API is asked about as a whole: scopes of its resources are not looked at.
    verb: Option<String>,
    /// Below the API's context and version, from its first slash.
    path: Option<String>,
}

/// Every check of the gateway in order.
#[derive(ToSchema)]
#[schema(as = Explanation)]
#[expect(
    dead_code,
    reason = "describes domain::explanation::Explanation in the document"
)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplanationSchema {
    /// Whether a call with this token would be let through.
    accepted: bool,
    /// The gateway's code where it would not.
    code: Option<String>,
    /// For example `issuer_unknown`.
    reason: Option<String>,
    checks: Vec<ExplainedCheckSchema>,
}

#[derive(ToSchema)]
#[schema(as = ExplainedCheck)]
#[expect(
    dead_code,
    reason = "describes domain::explanation::ExplainedCheck in the document"
)]
pub(crate) struct ExplainedCheckSchema {
    /// For example `issuer`.
    name: String,
    /// `passed`, `failed` or `not_reached`.
    outcome: String,
    /// What the token or the request has.
    seen: Option<String>,
    /// What would pass.
    expected: Option<String>,
    /// What to do, one sentence.
    fix: Option<String>,
}

/// Says why a call with this token is let through or refused (an addition to WSO2's contract).
#[utoipa::path(
    post, path = "/tokens/explain", tag = "Application Tokens", request_body = ExplainTokenRequest,
    security(("OAuth2Security" = ["apim:subscribe", "apim:app_manage"])),
    responses(
        (status = 200, body = ExplanationSchema),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)
    )
)]
pub(super) async fn explain_token(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Json(body): Json<ExplainTokenRequest>,
) -> Result<Json<Explanation>, Problem> {
    let api = match (body.api_id, body.context, body.version) {
        (Some(id), None, None) => ApiReference::Id(identifier(&id, Noun::Api)?),
        (None, Some(context), Some(version)) => {
            ApiReference::ContextAndVersion { context, version }
        }
        _ => {
            return Err(Problem::bad_request(
                "Name the API by apiId, or by context and version.",
            ));
        }
    };
    let verb = body
        .verb
        .map(|verb| {
            Verb::parse(&verb)
                .ok_or_else(|| Problem::bad_request("verb is not one that an API can offer."))
        })
        .transpose()?;
    let wanted = ExplainToken {
        token: body.token.into_secret(),
        api,
        verb,
        path: body.path,
    };
    Ok(Json(control.explanations().explain(&actor, wanted).await?))
}
