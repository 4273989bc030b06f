//! What a token is for: from a scope or a resource parameter to a service principal.

use std::sync::Arc;

use url::Url;
use uuid::Uuid;

use super::Refusal;
use crate::cloud::is_graph_host;
use crate::directory::{Application, Directory, GRAPH_APP_ID, ServicePrincipal, Tenant};
use crate::replica::{Aspect, Place, View};
use crate::state::State;

const DEFAULT_SUFFIX: &str = "/.default";
/// Longest scope that is looked at, in bytes.
const LONGEST_SCOPE: usize = 4096;

/// A resource as the token service knows it.
#[derive(Debug)]
pub(crate) struct Resource {
    /// As the client named it: URI or GUID; the audience of V1 tokens.
    pub(crate) name: String,
    pub(crate) principal: Arc<ServicePrincipal>,
    /// The registration behind it; `None` for a principal whose registration is gone.
    pub(crate) application: Option<Arc<Application>>,
}

impl Resource {
    /// Finds the resource that a client names in `tenant`.
    ///
    /// # Errors
    /// AADSTS500011 if the token service knows no service principal with that name (yet).
    pub(crate) fn find(state: &State, tenant: &Tenant, name: &str) -> Result<Self, Refusal> {
        let directory = state.directory();
        let object = state.view(Place::TokenService(Aspect::Object));
        let names = state.view(Place::TokenService(Aspect::Names));
        let principal =
            principal(state, &directory, tenant, name, object, names).ok_or_else(|| {
                Refusal::UnknownResource {
                    resource: name.to_owned(),
                    tenant: tenant.display_name.clone(),
                }
            })?;
        let application = directory.application_by_app_id(principal.app_id, object);
        Ok(Self {
            name: name.to_owned(),
            principal,
            application,
        })
    }

    /// Whether it is Microsoft Graph.
    pub(crate) fn is_graph(&self) -> bool {
        self.principal.app_id == GRAPH_APP_ID
    }

    /// Whether its tokens are V2: its registration decides, not the endpoint (Microsoft: *apiApplication resource type*).
    pub(crate) fn wants_v2_tokens(&self) -> bool {
        self.application
            .as_ref()
            .is_some_and(|application| application.wants_v2_tokens())
    }

    /// The `aud` of its tokens.
    pub(crate) fn audience(&self, tenant: &Tenant) -> String {
        if self.wants_v2_tokens() {
            return self.principal.app_id.to_string();
        }
        let named_by_id = Uuid::try_parse(&self.name).is_ok();
        if self.is_graph() && !named_by_id {
            return format!("https://{}", tenant.profile.graph_host());
        }
        if self.asks_for_guid_audience() || named_by_id {
            return self.principal.app_id.to_string();
        }
        self.name.clone()
    }

    /// Whether its access tokens carry the optional claim `name`.
    pub(crate) fn wants_claim(&self, name: &str) -> bool {
        self.access_token_claims().any(|claim| claim.name == name)
    }

    fn asks_for_guid_audience(&self) -> bool {
        self.access_token_claims().any(|claim| {
            claim.name == "aud" && claim.additional_properties.iter().any(|p| p == "use_guid")
        })
    }

    fn access_token_claims(&self) -> impl Iterator<Item = &crate::directory::OptionalClaim> {
        self.application
            .iter()
            .filter_map(|application| application.optional_claims.as_ref())
            .flat_map(|claims| &claims.access_token)
    }
}

/// The resource of a `client_credentials` scope: exactly one value, ending in `/.default`.
pub(crate) fn resource_of_default_scope(scope: &str) -> Result<&str, Refusal> {
    if scope.len() > LONGEST_SCOPE {
        return Err(Refusal::MalformedScope(scope.chars().take(200).collect()));
    }
    let mut resource = None;
    for value in scope.split_whitespace() {
        // One suffix only: `https://host//.default` means `https://host/`.
        let Some(named) = value
            .strip_suffix(DEFAULT_SUFFIX)
            .filter(|named| !named.is_empty())
        else {
            return Err(Refusal::ScopeWithoutDefault(scope.to_owned()));
        };
        if resource.is_some_and(|earlier| earlier != named) {
            return Err(Refusal::SeveralResources);
        }
        resource = Some(named);
    }
    resource.ok_or_else(|| Refusal::MalformedScope(scope.to_owned()))
}

fn principal(
    state: &State,
    directory: &Directory,
    tenant: &Tenant,
    name: &str,
    object: View,
    names: View,
) -> Option<Arc<ServicePrincipal>> {
    let app_id = if is_graph(state, name) {
        Some(GRAPH_APP_ID)
    } else {
        Uuid::try_parse(name).ok()
    };
    if let Some(app_id) = app_id {
        return directory.service_principal_by_app_id(tenant.id, app_id, object);
    }
    let found = directory
        .service_principal_by_name(tenant.id, name, names)
        .or_else(|| {
            // Entra finds `https://host/` under `https://host` and the other way round.
            let other = match name.strip_suffix('/') {
                Some(shorter) => shorter.to_owned(),
                None => format!("{name}/"),
            };
            directory.service_principal_by_name(tenant.id, &other, names)
        })?;
    // Its name may have arrived before the principal itself.
    directory.get(found.id, object)
}

/// Whether `name` means Microsoft Graph: a Graph host of some cloud or this emulator itself.
fn is_graph(state: &State, name: &str) -> bool {
    let Ok(url) = Url::parse(name) else {
        return false;
    };
    if url.scheme() != "https" || !url.path().trim_matches('/').is_empty() {
        return false;
    }
    let Some(host) = url.host_str() else {
        return false;
    };
    if is_graph_host(host) {
        return true;
    }
    let own_port = Url::parse(state.base_url())
        .ok()
        .and_then(|own| own.port_or_known_default());
    let is_loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    // The Graph SDKs leave the port out of the scope that they make of the address they call.
    is_loopback && (url.port().is_none() || url.port_or_known_default() == own_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_default_suffix_is_taken_off() {
        assert_eq!(resource_of_default_scope("api://x/.default"), Ok("api://x"));
        assert_eq!(
            resource_of_default_scope(" https://h//.default "),
            Ok("https://h/")
        );
        assert_eq!(resource_of_default_scope("a/.default a/.default"), Ok("a"));
    }

    #[test]
    fn a_scope_that_names_no_resource_or_two_is_refused() {
        let without = |scope: &str| Err(Refusal::ScopeWithoutDefault(scope.to_owned()));
        assert_eq!(resource_of_default_scope("api://x"), without("api://x"));
        assert_eq!(
            resource_of_default_scope("openid a/.default"),
            without("openid a/.default")
        );
        assert_eq!(resource_of_default_scope("/.default"), without("/.default"));
        assert_eq!(
            resource_of_default_scope("a/.default b/.default"),
            Err(Refusal::SeveralResources)
        );
        assert!(matches!(
            resource_of_default_scope("  "),
            Err(Refusal::MalformedScope(_))
        ));
        let long = "x".repeat(LONGEST_SCOPE + 1);
        assert!(matches!(
            resource_of_default_scope(&long),
            Err(Refusal::MalformedScope(_))
        ));
    }
}
