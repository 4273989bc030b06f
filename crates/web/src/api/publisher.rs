//! The publisher API: from an OpenAPI document to an API that gateways serve and developers find.

mod api;
mod api_body;
mod cors;
mod definition;
mod endpoint_config;
mod key_manager;
mod lifecycle;
mod max_tps;
mod mediation;
mod operation_body;
mod revision;
mod settings;
mod subscription;
mod throttling_policy;

use axum::extract::DefaultBodyLimit;
use control::Control;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

/// Where a body carries an OpenAPI document: 12 MiB, for a document of at most 10 MiB.
const DEFINITION_LIMIT: usize = 12 * 1024 * 1024;

pub(super) fn routes(router: OpenApiRouter<Control>) -> OpenApiRouter<Control> {
    router
        .routes(routes!(api::list_apis, api::create_api))
        .routes(routes!(api::get_api, api::update_api, api::delete_api))
        .routes(
            routes!(definition::get_definition, definition::replace_definition)
                .layer(DefaultBodyLimit::max(DEFINITION_LIMIT)),
        )
        .routes(
            routes!(definition::validate_definition).layer(DefaultBodyLimit::max(DEFINITION_LIMIT)),
        )
        .routes(
            routes!(definition::import_definition).layer(DefaultBodyLimit::max(DEFINITION_LIMIT)),
        )
        .routes(routes!(lifecycle::change_lifecycle))
        .routes(routes!(lifecycle::get_lifecycle_state))
        .routes(routes!(revision::list_revisions, revision::create_revision))
        .routes(routes!(revision::get_revision, revision::delete_revision))
        .routes(routes!(revision::deploy_revision))
        .routes(routes!(revision::undeploy_revision))
        .routes(routes!(revision::list_deployments))
        .routes(routes!(subscription::list_api_subscriptions))
        .routes(routes!(subscription::block_subscription))
        .routes(routes!(subscription::unblock_subscription))
        .routes(routes!(key_manager::list_publisher_key_managers))
        .routes(routes!(
            throttling_policy::list_publisher_throttling_policies
        ))
        .routes(routes!(throttling_policy::get_publisher_throttling_policy))
        .routes(routes!(settings::get_publisher_settings))
}
