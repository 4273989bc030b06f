//! Tokens on a person's behalf: what was asked for, what was consented to, and the answer.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Refusal;
use super::claims::{AccessToken, Subject, opaque_url, pairwise_subject};
use super::client::{Client, ClientAuthentication};
use super::issue::{EndpointVersion, Validity, sign, sign_access_token, token_answer};
use super::request::TokenForm;
use super::resource::Resource;
use super::sign_in_refusal::SignInRefusal;
use super::sign_ins::Delegation;
use crate::directory::{
    Directory, Effect, GRAPH_APP_ID, PermissionGrant, ServicePrincipal, Tenant, Transaction, User,
};
use crate::replica::Place;
use crate::state::State;

const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];
const DEFAULT: &str = ".default";

/// A delegated scope parameter, taken apart: one resource, its scopes, and OpenID Connect's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestedScopes {
    pub(super) openid: Vec<String>,
    /// As the client named it; the id of Microsoft Graph where no resource is named.
    pub(super) resource: String,
    pub(super) values: Vec<String>,
}

impl RequestedScopes {
    /// Takes `scope` apart.
    ///
    /// # Errors
    /// AADSTS700022 for two resources.
    pub(super) fn parse(scope: &str) -> Result<Self, Refusal> {
        let (mut openid, mut values) = (Vec::new(), Vec::new());
        let mut resource: Option<String> = None;
        for value in scope.split_whitespace().take(200) {
            if OPENID_SCOPES.contains(&value) {
                openid.push(value.to_owned());
                continue;
            }
            let graph = GRAPH_APP_ID.to_string();
            let (named, value) = value
                .rsplit_once('/')
                .map_or((graph.as_str(), value), |(named, value)| (named, value));
            if resource.as_ref().is_some_and(|earlier| earlier != named) {
                return Err(Refusal::SeveralResources);
            }
            resource = Some(named.to_owned());
            values.push(value.to_owned());
        }
        let resource = resource.unwrap_or_else(|| GRAPH_APP_ID.to_string());
        Ok(Self {
            openid,
            resource,
            values,
        })
    }

    /// The scopes that a person has to consent to.
    ///
    /// # Errors
    /// AADSTS650053 for a scope that the resource does not have.
    pub(super) fn to_consent(
        &self,
        client: &Client,
        resource: &ServicePrincipal,
    ) -> Result<Vec<String>, SignInRefusal> {
        if self.values.iter().any(|value| value == DEFAULT) {
            return Ok(statically_requested(client, resource));
        }
        for value in &self.values {
            let exists = resource
                .oauth2_permission_scopes
                .iter()
                .any(|scope| scope.is_enabled && scope.value.as_deref() == Some(value));
            if !exists {
                return Err(SignInRefusal::UnknownScope {
                    name: client.application.display_name.clone(),
                    scope: value.clone(),
                    resource: resource.app_id.to_string(),
                });
            }
        }
        Ok(self.values.clone())
    }
}

/// Records that `user` consents to `scopes`; the client's service principal is made if need be.
/// Returns what was written, which is nothing when all of it is known.
pub(super) fn record_consent(
    state: &State,
    tenant: &Tenant,
    client: &Client,
    resource: &ServicePrincipal,
    user: &User,
    scopes: &[String],
) -> Vec<Effect> {
    let view = state.view(Place::Primary);
    let ((), effects) = state.write(|transaction| {
        let known = transaction.directory().service_principal_by_app_id(
            tenant.id,
            client.application.app_id,
            view,
        );
        let principal = known.unwrap_or_else(|| provision(state, tenant, client, transaction));
        let earlier = transaction
            .directory()
            .grants_of_client(principal.id, view)
            .into_iter()
            .find(|grant| grant.resource_id == resource.id && grant.principal_id == Some(user.id));
        let mut values: Vec<String> = earlier
            .iter()
            .flat_map(|grant| grant.scope.split_whitespace())
            .map(str::to_owned)
            .collect();
        for scope in scopes {
            if !values.contains(scope) {
                values.push(scope.clone());
            }
        }
        let is_known = earlier
            .as_ref()
            .is_some_and(|grant| grant.scope.split_whitespace().eq(values.iter()));
        if values.is_empty() || is_known {
            return;
        }
        transaction.put(PermissionGrant {
            id: earlier.map_or_else(|| state.random.uuid(), |grant| grant.id),
            tenant_id: tenant.id,
            client_id: principal.id,
            consent_type: "Principal".to_owned(),
            principal_id: Some(user.id),
            resource_id: resource.id,
            scope: values.join(" "),
        });
    });
    effects
}

/// What a token request on a person's behalf comes down to.
pub(super) struct DelegatedRequest<'a> {
    pub(super) version: EndpointVersion,
    pub(super) tenant: &'a Tenant,
    pub(super) client: &'a Client,
    pub(super) authentication: ClientAuthentication,
    pub(super) delegation: &'a Delegation,
    pub(super) form: &'a TokenForm,
}

/// Issues the tokens of `request`: access token, and on request ID token and refresh token.
///
/// # Errors
/// AADSTS50034 if the person is gone, AADSTS65001 without consent, AADSTS500011 for the resource.
pub(super) fn answer(state: &State, request: &DelegatedRequest<'_>) -> Result<Value, Refusal> {
    let DelegatedRequest {
        version,
        tenant,
        client,
        delegation,
        form,
        ..
    } = *request;
    let user = find_user(state, tenant, delegation.user_id)?;
    let scope = form.get("scope").unwrap_or(&delegation.scope);
    let mut requested = RequestedScopes::parse(scope)?;
    if let Some(resource) = form.get("resource") {
        resource.clone_into(&mut requested.resource);
        requested.values = vec![DEFAULT.to_owned()];
    }
    let resource = Resource::find(state, tenant, &requested.resource)?;
    let scopes = granted_scopes(state, client, &resource, &user, &requested)?;
    let view = state.view(Place::Primary);
    let validity = Validity::draw(state, tenant);
    let roles = state
        .directory()
        .role_values(user.id, &resource.principal, view);
    let token = AccessToken {
        tenant,
        resource: &resource,
        client_id: client.application.app_id,
        client: client.principal.as_deref(),
        authentication: request.authentication,
        subject: Subject::Person {
            user: &user,
            scopes: scopes.join(" "),
            roles,
        },
        not_before: validity.not_before,
        expires_at: validity.expires_at,
    };
    let signed = sign_access_token(state, &token)?;
    let mut body = token_answer(version, validity, &requested.resource, &signed);
    body["scope"] = json!(shown_scopes(&requested, &scopes, &resource));
    if version == EndpointVersion::V1 || requested.openid.iter().any(|scope| scope == "openid") {
        body["id_token"] = json!(id_token(state, request, &user, validity)?);
    }
    if version == EndpointVersion::V1
        || requested
            .openid
            .iter()
            .any(|scope| scope == "offline_access")
    {
        let refresh_token = format!("1.{}", opaque_url(&state.random, 96));
        let entry = Delegation {
            scope: scope.to_owned(),
            nonce: None,
            ..delegation.clone()
        };
        state
            .sign_ins
            .add_refresh_token(&refresh_token, entry, state.now());
        body["refresh_token"] = json!(refresh_token);
    }
    if form.get("client_info") == Some("1") {
        let client_info = json!({ "uid": user.id, "utid": tenant.id }).to_string();
        body["client_info"] = json!(URL_SAFE_NO_PAD.encode(client_info));
    }
    Ok(body)
}

fn find_user(state: &State, tenant: &Tenant, id: Uuid) -> Result<Arc<User>, SignInRefusal> {
    let view = state.view(Place::Primary);
    let user = state.directory().get::<User>(id, view);
    user.filter(|user| user.account_enabled)
        .ok_or_else(|| SignInRefusal::UnknownUser {
            user: id.to_string(),
            tenant: tenant.display_name.clone(),
        })
}

/// All that was consented to at the resource, by this person or for everybody.
fn granted_scopes(
    state: &State,
    client: &Client,
    resource: &Resource,
    user: &User,
    requested: &RequestedScopes,
) -> Result<Vec<String>, Refusal> {
    let consented = consented_scopes(&state.directory(), state, client, resource, user);
    if requested.values.is_empty() {
        // Signing in alone: the token opens nothing but the person's own profile.
        let openid = requested
            .openid
            .iter()
            .filter(|scope| *scope != "offline_access");
        return Ok(openid.cloned().collect());
    }
    let wants_default = requested.values.iter().any(|value| value == DEFAULT);
    let is_covered = if wants_default {
        !consented.is_empty()
    } else {
        requested
            .values
            .iter()
            .all(|value| consented.contains(value))
    };
    if !is_covered {
        return Err(Refusal::SignIn(SignInRefusal::ConsentRequired {
            app_id: client.application.app_id,
            name: client.application.display_name.clone(),
        }));
    }
    Ok(consented)
}

fn consented_scopes(
    directory: &Directory,
    state: &State,
    client: &Client,
    resource: &Resource,
    user: &User,
) -> Vec<String> {
    let view = state.view(Place::Primary);
    let mut scopes: Vec<String> = Vec::new();
    if let Some(principal) = &client.principal {
        for grant in directory.grants_of_client(principal.id, view) {
            let is_for_user = grant.principal_id.is_none() || grant.principal_id == Some(user.id);
            if grant.resource_id == resource.principal.id && is_for_user {
                scopes.extend(grant.scope.split_whitespace().map(str::to_owned));
            }
        }
    }
    scopes.extend(pre_authorized_scopes(client, resource));
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

/// Scopes for which the resource's registration says that this client needs no consent.
fn pre_authorized_scopes(client: &Client, resource: &Resource) -> Vec<String> {
    let Some(application) = &resource.application else {
        return Vec::new();
    };
    let api = &application.api;
    api.pre_authorized_applications
        .iter()
        .filter(|entry| entry.app_id == client.application.app_id)
        .flat_map(|entry| &entry.delegated_permission_ids)
        .filter_map(|id| {
            api.oauth2_permission_scopes
                .iter()
                .find(|scope| scope.id == *id)
        })
        .filter_map(|scope| scope.value.clone())
        .collect()
}

fn statically_requested(client: &Client, resource: &ServicePrincipal) -> Vec<String> {
    client
        .application
        .required_resource_access
        .iter()
        .filter(|access| access.resource_app_id == resource.app_id)
        .flat_map(|access| &access.resource_access)
        .filter(|access| access.r#type == "Scope")
        .filter_map(|access| {
            resource
                .oauth2_permission_scopes
                .iter()
                .find(|scope| scope.id == access.id)
        })
        .filter_map(|scope| scope.value.clone())
        .collect()
}

fn provision(
    state: &State,
    tenant: &Tenant,
    client: &Client,
    transaction: &mut Transaction<'_>,
) -> Arc<ServicePrincipal> {
    let id = state.random.uuid();
    let mut principal = ServicePrincipal::of(&client.application, id, tenant.id);
    principal.created_date_time = Some(state.now());
    transaction.put(principal)
}

/// The `scope` of the answer: Graph's scopes are shown bare, others with their resource.
fn shown_scopes(requested: &RequestedScopes, scopes: &[String], resource: &Resource) -> String {
    let mut shown: Vec<String> = requested
        .openid
        .iter()
        .filter(|scope| *scope != "offline_access")
        .cloned()
        .collect();
    for scope in scopes
        .iter()
        .filter(|scope| !OPENID_SCOPES.contains(&scope.as_str()))
    {
        shown.push(if resource.is_graph() {
            scope.clone()
        } else {
            format!("{}/{scope}", requested.resource)
        });
    }
    shown.join(" ")
}

/// The ID token (OpenID Connect Core section 2), in the format of the endpoint.
fn id_token(
    state: &State,
    request: &DelegatedRequest<'_>,
    user: &User,
    validity: Validity,
) -> Result<String, Refusal> {
    let DelegatedRequest {
        version,
        tenant,
        client,
        delegation,
        ..
    } = *request;
    let client_id = client.application.app_id;
    let mut claims = json!({
        "aud": client_id,
        "iat": validity.not_before,
        "nbf": validity.not_before,
        "exp": validity.expires_at,
        "name": user.display_name,
        "oid": user.id,
        "rh": format!("1.{}.", opaque_url(&state.random, 24)),
        "sub": pairwise_subject(user, client_id),
        "tid": tenant.id,
        "uti": opaque_url(&state.random, 16),
    });
    if let Some(nonce) = &delegation.nonce {
        claims["nonce"] = json!(nonce);
    }
    match version {
        EndpointVersion::V2 => {
            claims["iss"] = json!(tenant.profile.v2_issuer(tenant.id));
            claims["preferred_username"] = json!(user.user_principal_name);
            claims["ver"] = json!("2.0");
        }
        EndpointVersion::V1 => {
            claims["iss"] = json!(tenant.profile.v1_issuer(tenant.id));
            claims["upn"] = json!(user.user_principal_name);
            claims["unique_name"] = json!(user.user_principal_name);
            claims["amr"] = json!(["pwd"]);
            claims["ver"] = json!("1.0");
        }
    }
    if let Some(mail) = &user.mail {
        claims["email"] = json!(mail);
    }
    sign(state, None, false, &claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_taken_apart_by_resource() {
        let parsed = RequestedScopes::parse("openid api://x/read offline_access api://x/write");
        assert_eq!(
            parsed.unwrap(),
            RequestedScopes {
                openid: vec!["openid".into(), "offline_access".into()],
                resource: "api://x".into(),
                values: vec!["read".into(), "write".into()],
            }
        );
        let bare = RequestedScopes::parse("User.Read").unwrap();
        assert_eq!(bare.resource, GRAPH_APP_ID.to_string());
        assert_eq!(
            RequestedScopes::parse("api://x/a api://y/b"),
            Err(Refusal::SeveralResources)
        );
    }
}
