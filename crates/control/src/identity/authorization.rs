//! Who may do what: which REST scopes each role carries, and the one check that use-cases make.
//!
//! The scopes are WSO2 API Manager's (its admin, publisher and developer portal APIs, 4.x). What belongs to
//! whom (an application to its owner, an API to its audience) is checked beside the data, not here.

use std::collections::BTreeSet;

use domain::user::{ADMIN_ROLE, Actor, PUBLISHER_ROLE, RoleName, SUBSCRIBER_ROLE};

use crate::Error;

/// What a token carries when none of the requested scopes may be had (as WSO2 does).
pub const DEFAULT_SCOPE: &str = "default";

/// Scopes that any user may have, whatever the roles.
const ANYONE: &[&str] = &["openid"];

const SUBSCRIBER: &[&str] = &[
    "apim:subscribe",
    "apim:app_manage",
    "apim:sub_manage",
    "apim:api_key",
    "apim:store_settings",
    "apim:dcr:app_manage",
];

const PUBLISHER: &[&str] = &[
    "apim:api_create",
    "apim:api_definition_view",
    "apim:api_delete",
    "apim:api_generate_key",
    "apim:api_list_view",
    "apim:api_manage",
    "apim:api_mediation_policy_manage",
    "apim:api_publish",
    "apim:api_view",
    "apim:client_certificates_add",
    "apim:client_certificates_manage",
    "apim:client_certificates_update",
    "apim:client_certificates_view",
    "apim:comment_manage",
    "apim:comment_view",
    "apim:comment_write",
    "apim:common_operation_policy_manage",
    "apim:common_operation_policy_view",
    "apim:dcr:app_manage",
    "apim:document_create",
    "apim:document_manage",
    "apim:ep_certificates_add",
    "apim:ep_certificates_manage",
    "apim:ep_certificates_update",
    "apim:ep_certificates_view",
    "apim:gateway_policy_manage",
    "apim:gateway_policy_view",
    "apim:llm_provider_read",
    "apim:mcp_server_create",
    "apim:mcp_server_delete",
    "apim:mcp_server_generate_key",
    "apim:mcp_server_list_view",
    "apim:mcp_server_manage",
    "apim:mcp_server_publish",
    "apim:mcp_server_view",
    "apim:mediation_policy_create",
    "apim:mediation_policy_manage",
    "apim:mediation_policy_view",
    "apim:publisher_organization_read",
    "apim:publisher_settings",
    "apim:shared_scope_manage",
    "apim:subscription_approval_manage",
    "apim:subscription_approval_view",
    "apim:subscription_block",
    "apim:subscription_manage",
    "apim:subscription_view",
    "apim:tier_manage",
    "apim:tier_view",
];

/// What only administrators have; they also have all that publishers and subscribers have.
const ADMIN: &[&str] = &[
    "apim:admin",
    "apim:admin_alert_manage",
    "apim:admin_application_view",
    "apim:admin_operations",
    "apim:admin_settings",
    "apim:admin_tier_manage",
    "apim:admin_tier_view",
    "apim:api_category",
    "apim:api_import_export",
    "apim:api_product_import_export",
    "apim:api_provider_change",
    "apim:api_workflow_approve",
    "apim:api_workflow_view",
    "apim:app_import_export",
    "apim:app_owner_change",
    "apim:app_settings_change",
    "apim:bl_manage",
    "apim:bl_view",
    "apim:bot_data",
    "apim:environment_manage",
    "apim:environment_read",
    "apim:keymanagers_manage",
    "apim:llm_provider_manage",
    "apim:mcp_server_import_export",
    "apim:monetization_usage_publish",
    "apim:organization_manage",
    "apim:organization_read",
    "apim:policies_import_export",
    "apim:role_manage",
    "apim:scope_manage",
    "apim:tenantInfo",
    "apim:tenant_theme_manage",
];

/// Scopes of the developer portal API, for its settings operation.
pub const DEVELOPER_PORTAL_SCOPES: &[&str] = SUBSCRIBER;

/// Scopes that the publisher role carries, for the publisher's settings operation.
pub const PUBLISHER_SCOPES: &[&str] = PUBLISHER;

/// Scopes that only administrators have, for the admin portal's settings operation.
pub const ADMIN_SCOPES: &[&str] = ADMIN;

/// Every scope that these roles carry. A role that is not one of the three carries none.
pub fn scopes_of(roles: &[RoleName]) -> BTreeSet<String> {
    let mut scopes = BTreeSet::new();
    for role in roles {
        let groups: &[&[&str]] = match role.as_str() {
            ADMIN_ROLE => &[ADMIN, PUBLISHER, SUBSCRIBER],
            PUBLISHER_ROLE => &[PUBLISHER],
            SUBSCRIBER_ROLE => &[SUBSCRIBER],
            _ => &[],
        };
        scopes.extend(
            groups
                .iter()
                .copied()
                .flatten()
                .map(|&scope| scope.to_owned()),
        );
    }
    scopes
}

/// Which of the requested scopes a holder of these roles gets: unknown and forbidden ones are dropped, and
/// [`DEFAULT_SCOPE`] stands when none remains.
pub(crate) fn granted_scopes(roles: &[RoleName], requested: &[String]) -> Vec<String> {
    let held = scopes_of(roles);
    let granted: BTreeSet<&String> = requested
        .iter()
        .filter(|scope| held.contains(*scope) || ANYONE.contains(&scope.as_str()))
        .collect();
    if granted.is_empty() {
        return vec![DEFAULT_SCOPE.to_owned()];
    }
    granted.into_iter().cloned().collect()
}

/// Someone who has not signed in: sees public APIs in the developer portal, and nothing else.
pub fn anonymous() -> Actor {
    Actor {
        username: String::new(),
        roles: Vec::new(),
        scopes: BTreeSet::new(),
    }
}

/// Whoever runs the binary beside its database: everything an administrator may do. Only for the command line.
pub fn local_operator() -> Actor {
    let roles = vec![ADMIN_ROLE.to_owned()];
    Actor {
        username: "claviger".to_owned(),
        scopes: scopes_of(&roles),
        roles,
    }
}

/// The actor must hold one of these scopes.
pub(crate) fn require(actor: &Actor, any_of: &'static [&'static str]) -> Result<(), Error> {
    if actor.has_any_scope(any_of) {
        return Ok(());
    }
    Err(Error::Forbidden(
        any_of.first().copied().unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> Vec<RoleName> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn an_administrator_holds_every_scope_of_the_other_roles() {
        let admin = scopes_of(&roles(&["admin"]));
        assert!(admin.is_superset(&scopes_of(&roles(&["publisher", "subscriber"]))));
        assert!(admin.contains("apim:keymanagers_manage"));
    }

    #[test]
    fn a_subscriber_cannot_obtain_an_administrators_scope() {
        let requested = roles(&["apim:admin", "apim:subscribe", "apim:no_such_scope"]);
        assert_eq!(
            granted_scopes(&roles(&["subscriber"]), &requested),
            ["apim:subscribe"]
        );
    }

    #[test]
    fn the_default_scope_stands_when_none_remains() {
        assert_eq!(
            granted_scopes(&roles(&["partner"]), &roles(&["apim:subscribe"])),
            ["default"]
        );
        assert_eq!(granted_scopes(&roles(&["admin"]), &[]), ["default"]);
    }

    #[test]
    fn a_label_role_carries_no_scope_and_is_refused() {
        let actor = Actor {
            username: "ann".to_owned(),
            roles: roles(&["partner"]),
            scopes: scopes_of(&roles(&["partner"])),
        };
        assert!(matches!(
            require(&actor, &["apim:subscribe", "apim:app_manage"]),
            Err(Error::Forbidden("apim:subscribe"))
        ));
    }
}
