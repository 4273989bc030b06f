//! A tenant: its domains and the policies that govern its applications and tokens.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Entity, Field, Kind};

/// A directory of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tenant {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    /// Verified domains; the first is the initial `….onmicrosoft.com` domain.
    pub(crate) domains: Vec<String>,
    /// Which cloud's issuers and hosts its documents show.
    #[serde(default)]
    pub(crate) profile: CloudProfile,
    #[serde(default)]
    pub(crate) policies: TenantPolicies,
}

/// The cloud that a tenant lives in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CloudProfile {
    /// login.microsoftonline.com, graph.microsoft.com.
    #[default]
    Global,
    /// login.microsoftonline.us, graph.microsoft.us.
    UnitedStates,
    /// login.partner.microsoftonline.cn, microsoftgraph.chinacloudapi.cn.
    China,
    /// External ID: `{tid}.ciamlogin.com`.
    ExternalId,
}

/// Policies that an administrator of the tenant sets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct TenantPolicies {
    /// Access-token lifetime in seconds; unset means Entra's random 60 to 90 minutes.
    pub(crate) access_token_lifetime_seconds: Option<u32>,
    /// The tenant's default application management policy.
    pub(crate) app_management: AppManagementPolicy,
    /// Objects that one principal without an administrator role may create (250 at Entra).
    pub(crate) objects_per_principal: Option<u32>,
    /// Objects that the tenant may hold (50 000 at Entra).
    pub(crate) objects_per_tenant: Option<u32>,
    /// Whether Microsoft's default App ID URI rule holds (on unless set to false).
    pub(crate) identifier_uri_rule: Option<bool>,
    /// Which applications may not have tokens for themselves.
    pub(crate) workload_conditional_access: WorkloadConditionalAccess,
}

/// Conditional Access for workload identities: applications of the tenant that are blocked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct WorkloadConditionalAccess {
    /// Whether every application of the tenant is blocked.
    pub(crate) blocks_all: bool,
    /// The client ids of those that are blocked.
    pub(crate) blocked_clients: Vec<Uuid>,
}

impl WorkloadConditionalAccess {
    /// Whether the application may not have tokens.
    pub(crate) fn blocks(&self, app_id: Uuid) -> bool {
        self.blocks_all || self.blocked_clients.contains(&app_id)
    }
}

/// `policies/defaultAppManagementPolicy`: which credentials applications may have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct AppManagementPolicy {
    pub(crate) is_enabled: bool,
    /// Longest life of a secret in days.
    pub(crate) password_lifetime_days: Option<u32>,
    /// Whether adding secrets is forbidden.
    pub(crate) password_addition_blocked: bool,
    /// Restrictions as an administrator wrote them, shown as they are.
    pub(crate) service_principal_restrictions: Option<Value>,
}

impl Tenant {
    /// The domain that every tenant has: `….onmicrosoft.com`.
    pub(crate) fn initial_domain(&self) -> &str {
        self.domains.first().map_or("", String::as_str)
    }
}

impl Entity for Tenant {
    const KIND: Kind = Kind::Tenant;

    fn id(&self) -> Uuid {
        self.id
    }

    fn tenant_id(&self) -> Uuid {
        self.id
    }

    fn keys(&self, add: &mut dyn FnMut(Field, &str)) {
        for domain in &self.domains {
            add(Field::Domain, domain);
        }
    }
}
