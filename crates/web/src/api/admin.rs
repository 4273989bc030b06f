//! The admin API: key managers, connector descriptors, roles, the audit log and provisioning jobs.

mod audit;
mod blocking_condition;
mod connection;
mod job;
mod key_manager;
mod key_manager_body;
mod key_manager_endpoints;
mod key_manager_parts;
mod key_manager_usage;
pub(crate) mod revocation;
mod role;
mod settings;
mod throttling_policy;
mod throttling_policy_body;

use control::Control;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes(router: OpenApiRouter<Control>) -> OpenApiRouter<Control> {
    router
        .routes(routes!(
            key_manager::list_key_managers,
            key_manager::create_key_manager
        ))
        .routes(routes!(
            key_manager::get_key_manager,
            key_manager::update_key_manager,
            key_manager::delete_key_manager
        ))
        .routes(routes!(connection::discover_key_manager))
        .routes(routes!(connection::check_key_manager))
        .routes(routes!(connection::check_unsaved_key_manager))
        .routes(routes!(key_manager_usage::list_api_usages))
        .routes(routes!(key_manager_usage::list_application_usages))
        .routes(routes!(settings::get_admin_settings))
        .routes(routes!(role::check_role))
        .routes(routes!(
            throttling_policy::list_admin_throttling_policies,
            throttling_policy::create_throttling_policy
        ))
        .routes(routes!(
            throttling_policy::get_admin_throttling_policy,
            throttling_policy::update_throttling_policy,
            throttling_policy::delete_throttling_policy
        ))
        .routes(routes!(audit::list_audit_entries))
        .routes(routes!(job::list_jobs))
        .routes(routes!(
            blocking_condition::list_deny_policies,
            blocking_condition::create_deny_policy
        ))
        .routes(routes!(
            blocking_condition::get_deny_policy,
            blocking_condition::update_deny_policy,
            blocking_condition::delete_deny_policy
        ))
        .routes(routes!(
            revocation::list_revocations,
            revocation::create_revocation
        ))
        .routes(routes!(revocation::delete_revocation))
}
