//! The authorization endpoint: a person signs in, consents, and a code goes back to the client.

use std::sync::Arc;

use askama::Template;
use axum::extract::{OriginalUri, Path, Request, State as Shared};
use axum::response::Response;
use http::StatusCode;
use uuid::Uuid;

use super::client::{Client, client_id};
use super::delegated::{RequestedScopes, record_consent};
use super::person;
use super::redirect::{self, ResponseMode};
use super::request::TokenForm;
use super::resource::Resource;
use super::sign_in_refusal::SignInRefusal;
use super::sign_ins::{AuthorizationCode, Challenge, Delegation, Platform};
use super::tenant::{Authority, find_authority};
use super::{Refusal, RequestIds};
use crate::audit::AuditNote;
use crate::directory::{Tenant, User};
use crate::pages::{MessagePage, is_same_origin, page};
use crate::state::State;

/// What the sign-in page carries along to its own answer.
const CARRIED: [&str; 12] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "resource",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "login_hint",
];

/// A checked authorization request: from here on errors travel to the client's redirect URI.
struct Asked {
    authority: Authority,
    client: Client,
    redirect_uri: String,
    platform: Platform,
    mode: ResponseMode,
    state: Option<String>,
    scope: String,
    nonce: Option<String>,
    challenge: Option<Challenge>,
}

#[derive(Template)]
#[template(path = "sign_in/sign_in.html")]
struct SignInPage<'a> {
    client: &'a str,
    problem: Option<String>,
    user: &'a str,
    permissions: Vec<String>,
    hidden: Vec<(&'static str, &'a str)>,
}

/// `GET /{tenant}/oauth2/v2.0/authorize` (and v1.0): shows the sign-in page.
pub(crate) async fn show(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let ids = RequestIds::of(request.headers(), uri.query(), &state);
    let form = TokenForm::parse(uri.query().unwrap_or_default().as_bytes());
    match check(&state, &tenant, &form) {
        Ok(asked) => sign_in_page(&state, &asked, &form, None)
            .unwrap_or_else(|refusal| send_error(&state, &asked, &refusal, &ids)),
        Err(refusal) => refusal_page(&refusal, &ids),
    }
}

/// `POST /{tenant}/oauth2/v2.0/authorize`: the sign-in page comes back filled in.
pub(crate) async fn decide(
    Shared(state): Shared<Arc<State>>,
    Path(tenant): Path<String>,
    OriginalUri(uri): OriginalUri,
    request: Request,
) -> Response {
    let ids = RequestIds::of(request.headers(), uri.query(), &state);
    let is_ours = is_same_origin(request.headers(), &state);
    let form = match TokenForm::read(request).await {
        Ok(form) => form,
        Err(refusal) => return refusal_page(&refusal, &ids),
    };
    let asked = match check(&state, &tenant, &form) {
        Ok(asked) => asked,
        Err(refusal) => return refusal_page(&refusal, &ids),
    };
    if form.get("decision").is_some() && !is_ours {
        return refusal_page(&Refusal::MalformedRequest, &ids);
    }
    if form.get("decision") == Some("cancel") {
        return send_error(&state, &asked, &SignInRefusal::Declined.into(), &ids);
    }
    if form.get("decision").is_none() {
        // A client may post its request as well (OpenID Connect Core section 3.1.2.1).
        return sign_in_page(&state, &asked, &form, None)
            .unwrap_or_else(|refusal| send_error(&state, &asked, &refusal, &ids));
    }
    let name = form.get("username").unwrap_or_default();
    let password = form.get("password").unwrap_or_default();
    let signed_in = person::sign_in(&state.directory(), &asked.authority, name, password);
    match signed_in {
        Ok((tenant, user)) => match accept(&state, &asked, &tenant, &user) {
            Ok((code, note)) => {
                let mut response = send_code(&asked, code, &ids);
                response.extensions_mut().insert(note);
                response
            }
            Err(refusal) => send_error(&state, &asked, &refusal, &ids),
        },
        Err(problem) => sign_in_page(&state, &asked, &form, Some(Refusal::SignIn(problem)))
            .unwrap_or_else(|refusal| send_error(&state, &asked, &refusal, &ids)),
    }
}

/// Checks everything before which nothing may be sent to the redirect URI.
fn check(state: &State, segment: &str, form: &TokenForm) -> Result<Asked, Refusal> {
    let authority = find_authority(&state.directory(), segment)?;
    let app_id = client_id(form, segment)?;
    let client = find_client(state, &authority, app_id)?;
    let redirect_uri = redirect_uri(form, &client)?;
    let unknown = || SignInRefusal::UnknownRedirect {
        uri: redirect_uri.clone(),
        app_id,
    };
    let platform = redirect::platform(&client.application, &redirect_uri).ok_or_else(unknown)?;
    let mode = ResponseMode::parse(form.get("response_mode")).ok_or(Refusal::MalformedRequest)?;
    let challenge = match (
        form.get("code_challenge"),
        form.get("code_challenge_method"),
    ) {
        (None, None) => None,
        (Some(challenge), Some("S256")) => Some(Challenge::Sha256(challenge.to_owned())),
        (Some(challenge), None | Some("plain")) => Some(Challenge::Plain(challenge.to_owned())),
        _ => return Err(Refusal::MalformedRequest),
    };
    Ok(Asked {
        authority,
        client,
        platform,
        mode,
        challenge,
        state: form.get("state").map(str::to_owned),
        scope: scope(form),
        nonce: form.get("nonce").map(str::to_owned),
        redirect_uri,
    })
}

/// What is asked for: `scope`, or at v1.0 all that the client's registration says of `resource`.
fn scope(form: &TokenForm) -> String {
    match (form.get("scope"), form.get("resource")) {
        (Some(scope), _) => scope.to_owned(),
        (None, Some(resource)) => format!("openid {resource}/.default"),
        (None, None) => "openid".to_owned(),
    }
}

fn redirect_uri(form: &TokenForm, client: &Client) -> Result<String, Refusal> {
    if let Some(uri) = form.get("redirect_uri") {
        return Ok(uri.to_owned());
    }
    // A client with one address need not name it.
    let application = &client.application;
    let mut known = application
        .web
        .redirect_uris
        .iter()
        .chain(&application.spa.redirect_uris)
        .chain(&application.public_client.redirect_uris);
    match (known.next(), known.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(Refusal::MissingParameter("redirect_uri")),
    }
}

fn find_client(state: &State, authority: &Authority, app_id: Uuid) -> Result<Client, Refusal> {
    match authority {
        Authority::Tenant(tenant) => Client::find(state, tenant, app_id),
        Authority::Shared => {
            // The user's tenant is not known yet: look where the application is at home.
            let unknown = || Refusal::UnknownClient {
                client: app_id.to_string(),
                tenant: "common".to_owned(),
            };
            let view = state.view(crate::replica::Place::TokenService(
                crate::replica::Aspect::Object,
            ));
            let home = {
                let directory = state.directory();
                let found = directory
                    .application_by_app_id(app_id, view)
                    .ok_or_else(unknown)?;
                directory
                    .tenant_by_id(found.tenant_id)
                    .ok_or_else(unknown)?
            };
            let client = Client::find(state, &home, app_id)?;
            if !client.application.is_multi_tenant() {
                let name = client.application.display_name.clone();
                return Err(Refusal::TenantNeeded { app_id, name });
            }
            Ok(client)
        }
    }
}

fn sign_in_page(
    state: &State,
    asked: &Asked,
    form: &TokenForm,
    problem: Option<Refusal>,
) -> Result<Response, Refusal> {
    match form.get("response_type") {
        Some("code") => {}
        None => return Err(Refusal::MissingParameter("response_type")),
        Some(other) => {
            return Err(SignInRefusal::ResponseType(other.chars().take(100).collect()).into());
        }
    }
    if form.get("prompt") == Some("none") {
        return Err(SignInRefusal::NobodySignedIn.into());
    }
    let hidden = CARRIED
        .iter()
        .filter_map(|&name| form.get(name).map(|value| (name, value)))
        .collect();
    let template = SignInPage {
        client: &asked.client.application.display_name,
        problem: problem.map(|refusal| format!("AADSTS{}: {refusal}", refusal.code())),
        user: form
            .get("username")
            .or_else(|| form.get("login_hint"))
            .unwrap_or_default(),
        permissions: permissions(state, asked)?,
        hidden,
    };
    Ok(page(StatusCode::OK, &template))
}

/// What the person is told that the client asks for.
fn permissions(state: &State, asked: &Asked) -> Result<Vec<String>, Refusal> {
    let requested = RequestedScopes::parse(&asked.scope)?;
    let Authority::Tenant(tenant) = &asked.authority else {
        return Ok(requested.values);
    };
    let resource = Resource::find(state, tenant, &requested.resource)?;
    let scopes = requested.to_consent(&asked.client, &resource.principal)?;
    Ok(scopes
        .iter()
        .map(|scope| describe(&resource, scope))
        .collect())
}

fn describe(resource: &Resource, value: &str) -> String {
    let known = resource
        .principal
        .oauth2_permission_scopes
        .iter()
        .find(|scope| scope.value.as_deref() == Some(value));
    let name = known.and_then(|scope| {
        scope
            .user_consent_display_name
            .clone()
            .or_else(|| scope.admin_consent_display_name.clone())
    });
    format!(
        "{} ({value}, {})",
        name.as_deref().unwrap_or(value),
        resource.principal.display_name
    )
}

/// Records the consent and makes a code.
fn accept(
    state: &State,
    asked: &Asked,
    tenant: &Tenant,
    user: &User,
) -> Result<(String, AuditNote), Refusal> {
    let requested = RequestedScopes::parse(&asked.scope)?;
    let note = consent(state, tenant, &asked.client, user, &requested)?;
    let code = format!("1.{}", super::claims::opaque_url(&state.random, 96));
    let entry = AuthorizationCode {
        delegation: Delegation {
            tenant_id: tenant.id,
            user_id: user.id,
            client_id: asked.client.application.app_id,
            scope: asked.scope.clone(),
            nonce: asked.nonce.clone(),
        },
        redirect_uri: asked.redirect_uri.clone(),
        platform: asked.platform,
        challenge: asked.challenge.clone(),
        is_redeemed: false,
    };
    state.sign_ins.add_code(&code, entry, state.now());
    Ok((code, note))
}

/// Consents to `requested` for `user`.
///
/// # Errors
/// AADSTS650053 for unknown scopes, AADSTS90094 if only an administrator may consent.
pub(super) fn consent(
    state: &State,
    tenant: &Tenant,
    client: &Client,
    user: &User,
    requested: &RequestedScopes,
) -> Result<AuditNote, Refusal> {
    let resource = Resource::find(state, tenant, &requested.resource)?;
    let scopes = requested.to_consent(client, &resource.principal)?;
    let needs_administrator = resource
        .principal
        .oauth2_permission_scopes
        .iter()
        .any(|scope| {
            scope.r#type.as_deref() == Some("Admin")
                && scope
                    .value
                    .as_ref()
                    .is_some_and(|value| scopes.contains(value))
        });
    if needs_administrator && !user.administers_applications() {
        let name = client.application.display_name.clone();
        return Err(SignInRefusal::AdministratorNeeded(name).into());
    }
    let effects = record_consent(state, tenant, client, &resource.principal, user, &scopes);
    let caller_app_id = Some(client.application.app_id);
    Ok(AuditNote {
        tenant_id: Some(tenant.id),
        caller_app_id,
        effects,
    })
}

fn send_code(asked: &Asked, code: String, ids: &RequestIds) -> Response {
    let mut parameters = vec![("code", code)];
    if let Some(state) = &asked.state {
        parameters.push(("state", state.clone()));
    }
    parameters.push(("session_state", ids.trace.to_string()));
    redirect::send(&asked.redirect_uri, asked.mode, &parameters)
}

fn send_error(state: &State, asked: &Asked, refusal: &Refusal, ids: &RequestIds) -> Response {
    let mut parameters = vec![
        ("error", refusal.error().to_owned()),
        ("error_description", refusal.description(ids, state.now())),
    ];
    if let Some(state) = &asked.state {
        parameters.push(("state", state.clone()));
    }
    redirect::send(&asked.redirect_uri, asked.mode, &parameters)
}

fn refusal_page(refusal: &Refusal, ids: &RequestIds) -> Response {
    let text = format!(
        "AADSTS{}: {refusal} (Correlation ID: {})",
        refusal.code(),
        ids.correlation
    );
    page(
        refusal.status(),
        &MessagePage {
            heading: "Sorry, we can't sign you in",
            text: &text,
        },
    )
}
