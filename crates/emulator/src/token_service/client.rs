//! Who asks: the client application, its service principal, and the proof that it is who it says.

use std::sync::Arc;

use uuid::Uuid;

use super::request::TokenForm;
use super::{Refusal, assertion};
use crate::directory::{Application, Directory, ServicePrincipal, Tenant};
use crate::replica::{Aspect, Place};
use crate::state::State;

/// A client that the token service knows in a tenant.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) application: Arc<Application>,
    /// `None` if the tenant has none, which some refusals come after.
    pub(crate) principal: Option<Arc<ServicePrincipal>>,
}

/// How a client proved itself; the number stands in `azpacr` and `appidacr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuthentication {
    /// Not at all: a public client.
    Public,
    /// A client secret.
    Secret,
    /// A certificate or a federated assertion.
    Assertion,
}

impl ClientAuthentication {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Public => "0",
            Self::Secret => "1",
            Self::Assertion => "2",
        }
    }
}

/// The client id of a request.
///
/// # Errors
/// AADSTS900144 if missing, AADSTS700038 for the all-zero GUID, AADSTS700016 if not a GUID.
pub(crate) fn client_id(form: &TokenForm, tenant: &str) -> Result<Uuid, Refusal> {
    let text = form.require("client_id")?;
    let Ok(id) = Uuid::try_parse(text) else {
        let client = text.chars().take(200).collect();
        return Err(Refusal::UnknownClient {
            client,
            tenant: tenant.to_owned(),
        });
    };
    if id.is_nil() {
        return Err(Refusal::InvalidClientId(text.to_owned()));
    }
    Ok(id)
}

impl Client {
    /// Finds the client `app_id` as the token service sees `tenant`.
    ///
    /// # Errors
    /// AADSTS700016 if unknown (yet), or of another tenant and not present in this one.
    pub(crate) fn find(state: &State, tenant: &Tenant, app_id: Uuid) -> Result<Self, Refusal> {
        let directory = state.directory();
        let view = state.view(Place::TokenService(Aspect::Object));
        let unknown = || Refusal::UnknownClient {
            client: app_id.to_string(),
            tenant: tenant.display_name.clone(),
        };
        let application = directory
            .application_by_app_id(app_id, view)
            .ok_or_else(unknown)?;
        let principal = directory.service_principal_by_app_id(tenant.id, app_id, view);
        let is_at_home = application.tenant_id == tenant.id;
        if !is_at_home && (!application.is_multi_tenant() || principal.is_none()) {
            return Err(unknown());
        }
        Ok(Self {
            application,
            principal,
        })
    }

    /// The client's presence in the tenant, enabled.
    ///
    /// # Errors
    /// AADSTS7000229 if there is none (yet), AADSTS7000112 if it or the application is disabled.
    pub(crate) fn enabled_principal(
        &self,
        tenant: &Tenant,
    ) -> Result<&Arc<ServicePrincipal>, Refusal> {
        let app_id = self.application.app_id;
        let Some(principal) = &self.principal else {
            return Err(Refusal::NoServicePrincipal {
                app_id,
                tenant: tenant.id,
            });
        };
        if !principal.account_enabled || self.application.is_disabled == Some(true) {
            let name = self.application.display_name.clone();
            return Err(Refusal::Disabled { app_id, name });
        }
        Ok(principal)
    }

    /// Checks whatever proof the request brings; without any, the client is a public one.
    ///
    /// # Errors
    /// What is wrong with the secret or the assertion.
    pub(crate) async fn authenticate(
        &self,
        state: &State,
        tenant: &Tenant,
        form: &TokenForm,
    ) -> Result<ClientAuthentication, Refusal> {
        if let Some(assertion) = form.get("client_assertion") {
            assertion::check(state, tenant, self, form, assertion).await?;
            return Ok(ClientAuthentication::Assertion);
        }
        let Some(secret) = form.get("client_secret") else {
            return Ok(ClientAuthentication::Public);
        };
        self.check_secret(state, secret)?;
        Ok(ClientAuthentication::Secret)
    }

    /// Checks a client secret against what the token service knows.
    ///
    /// A secret that exists but has not arrived is refused as wrong or as expired, as Entra does.
    ///
    /// # Errors
    /// AADSTS7000215 if no secret matches, AADSTS7000222 if the one that matches has ended.
    pub(crate) fn check_secret(&self, state: &State, secret: &str) -> Result<(), Refusal> {
        let app_id = self.application.app_id;
        let directory = state.directory();
        let view = state.view(Place::TokenService(Aspect::Credentials));
        let is_deleted = directory
            .table::<Application>()
            .newest(self.application.id)
            .is_none();
        // Nobody removed the credentials of a deleted application: they go when it goes.
        let known = if is_deleted {
            Some(Arc::clone(&self.application))
        } else {
            directory.get::<Application>(self.application.id, view)
        };
        let matching = known.iter().flat_map(|known| &known.password_credentials);
        let mut has_expired = false;
        for credential in matching.filter(|credential| credential.matches(secret)) {
            if credential.is_valid(view.now) {
                return Ok(());
            }
            has_expired |= credential.is_expired(view.now);
        }
        let looks_expired = has_expired
            || (is_on_its_way(&directory, self.application.id, secret)
                && state.random.below(2) == 0);
        if looks_expired {
            return Err(Refusal::ExpiredSecret(app_id));
        }
        Err(Refusal::WrongSecret(app_id))
    }
}

/// Whether the newest version of the application has this secret: it was only just added.
fn is_on_its_way(directory: &Directory, application: Uuid, secret: &str) -> bool {
    directory
        .table::<Application>()
        .newest(application)
        .is_some_and(|newest| {
            newest
                .password_credentials
                .iter()
                .any(|credential| credential.matches(secret))
        })
}
