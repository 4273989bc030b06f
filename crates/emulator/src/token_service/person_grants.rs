//! The grants on a person's behalf: authorization code, refresh token, device code, password.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::Refusal;
use super::client::{Client, ClientAuthentication, client_id};
use super::delegated::{self, DelegatedRequest};
use super::issue::EndpointVersion;
use super::person;
use super::request::TokenForm;
use super::sign_in_refusal::SignInRefusal;
use super::sign_ins::{Delegation, Platform, Progress};
use super::tenant::{Authority, find_authority};
use crate::directory::Tenant;
use crate::state::State;

/// `authorization_code` (RFC 6749 section 4.1.3 with RFC 7636).
pub(super) async fn authorization_code(
    state: &State,
    version: EndpointVersion,
    authority: &Authority,
    form: &TokenForm,
) -> Result<Value, Refusal> {
    let app_id = client_id(form, "common")?;
    let code = form.require("code")?;
    let now = state.now();
    let entry = state
        .sign_ins
        .redeem_code(code, now)
        .ok_or(SignInRefusal::MalformedGrant)?;
    if entry.is_redeemed {
        return Err(Refusal::SignIn(SignInRefusal::Redeemed));
    }
    let presented = form.get("redirect_uri").unwrap_or_default();
    if presented != entry.redirect_uri {
        return Err(Refusal::SignIn(SignInRefusal::OtherRedirect {
            presented: presented.chars().take(300).collect(),
            expected: entry.redirect_uri,
        }));
    }
    match (&entry.challenge, form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => {}
        (None, None) if entry.platform != Platform::SinglePage => {}
        (None, _) if entry.platform == Platform::SinglePage => {
            return Err(Refusal::SignIn(SignInRefusal::ProofRequired));
        }
        _ => return Err(Refusal::SignIn(SignInRefusal::Verifier)),
    }
    let needs_proof = entry.platform == Platform::Web;
    redeem(
        state,
        version,
        authority,
        form,
        app_id,
        &entry.delegation,
        needs_proof,
    )
    .await
}

/// `refresh_token` (RFC 6749 section 6).
pub(super) async fn refresh_token(
    state: &State,
    version: EndpointVersion,
    authority: &Authority,
    form: &TokenForm,
) -> Result<Value, Refusal> {
    let app_id = client_id(form, "common")?;
    let token = form.require("refresh_token")?;
    let delegation = state
        .sign_ins
        .refresh_token(token, state.now())
        .ok_or(SignInRefusal::Expired)?;
    redeem(state, version, authority, form, app_id, &delegation, false).await
}

/// `urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 section 3.4).
pub(super) async fn device_code(
    state: &State,
    version: EndpointVersion,
    authority: &Authority,
    form: &TokenForm,
) -> Result<Value, Refusal> {
    let app_id = client_id(form, "common")?;
    let code = match form.get("device_code") {
        Some(code) => code,
        None => form.require("code")?,
    };
    let device = state
        .sign_ins
        .device(code, state.now())
        .ok_or(SignInRefusal::DeviceExpired)?;
    let delegation = match device.progress {
        Progress::Pending => return Err(Refusal::SignIn(SignInRefusal::Pending)),
        Progress::Declined => return Err(Refusal::SignIn(SignInRefusal::DeviceDeclined)),
        Progress::Approved(delegation) => delegation,
    };
    let answer = redeem(state, version, authority, form, app_id, &delegation, false).await?;
    state.sign_ins.finish_device(code);
    Ok(answer)
}

/// `password` (RFC 6749 section 4.3), which Entra still serves to clients that may be public.
pub(super) async fn password(
    state: &State,
    version: EndpointVersion,
    authority: &Authority,
    form: &TokenForm,
) -> Result<Value, Refusal> {
    let app_id = client_id(form, "common")?;
    let (name, password) = (form.require("username")?, form.require("password")?);
    let (tenant, user) = person::sign_in(&state.directory(), authority, name, password)?;
    let delegation = Delegation {
        tenant_id: tenant.id,
        user_id: user.id,
        client_id: app_id,
        scope: form.get("scope").unwrap_or("openid").to_owned(),
        nonce: None,
    };
    redeem(state, version, authority, form, app_id, &delegation, false).await
}

/// Checks that the client is the one that the person let act for them, and answers.
async fn redeem(
    state: &State,
    version: EndpointVersion,
    authority: &Authority,
    form: &TokenForm,
    app_id: Uuid,
    delegation: &Delegation,
    needs_proof: bool,
) -> Result<Value, Refusal> {
    let tenant = tenant_of(state, authority, delegation)?;
    if delegation.client_id != app_id {
        return Err(Refusal::SignIn(SignInRefusal::MalformedGrant));
    }
    let client = Client::find(state, &tenant, app_id)?;
    let authentication = client.authenticate(state, &tenant, form).await?;
    let may_be_public = client.application.is_fallback_public_client == Some(true)
        || !client.application.public_client.redirect_uris.is_empty()
        || !client.application.spa.redirect_uris.is_empty();
    if authentication == ClientAuthentication::Public && (needs_proof || !may_be_public) {
        return Err(Refusal::ConfidentialClientWithoutCredential);
    }
    if client.principal.is_some() {
        client.enabled_principal(&tenant)?;
    }
    let request = DelegatedRequest {
        version,
        tenant: &tenant,
        client: &client,
        authentication,
        delegation,
        form,
    };
    delegated::answer(state, &request)
}

fn tenant_of(
    state: &State,
    authority: &Authority,
    delegation: &Delegation,
) -> Result<Arc<Tenant>, Refusal> {
    let named = match authority {
        Authority::Tenant(tenant) => Some(Arc::clone(tenant)),
        Authority::Shared => None,
    };
    let home = delegation.tenant_id.to_string();
    let Authority::Tenant(tenant) = find_authority(&state.directory(), &home)? else {
        return Err(Refusal::UnknownTenant(home));
    };
    if named.is_some_and(|named| named.id != tenant.id) {
        return Err(Refusal::SignIn(SignInRefusal::MalformedGrant));
    }
    Ok(tenant)
}
