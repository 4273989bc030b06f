//! The developer portal API: the catalogue, applications, their keys, subscriptions, and why a token is refused.

mod api;
mod application;
mod application_body;
mod application_key;
mod application_key_body;
mod explanation;
mod key_manager;
mod settings;
mod subscription;
mod throttling_policy;
mod token;

pub(crate) use api::name_in;
use control::Control;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes(router: OpenApiRouter<Control>) -> OpenApiRouter<Control> {
    router
        .routes(routes!(api::list_visible_apis))
        .routes(routes!(api::get_visible_api))
        .routes(routes!(api::get_visible_definition))
        .routes(routes!(
            application::list_applications,
            application::create_application
        ))
        .routes(routes!(
            application::get_application,
            application::update_application,
            application::delete_application
        ))
        .routes(routes!(application_key::generate_keys))
        .routes(routes!(application_key::map_keys))
        .routes(routes!(application_key::list_keys))
        .routes(routes!(
            application_key::get_key,
            application_key::update_key,
            application_key::delete_key
        ))
        .routes(routes!(application_key::regenerate_secret))
        .routes(routes!(application_key::revoke_tokens))
        .routes(routes!(application_key::clean_up_key))
        .routes(routes!(application_key::list_steps))
        .routes(routes!(token::generate_token))
        .routes(routes!(explanation::explain_token))
        .routes(routes!(
            subscription::list_subscriptions,
            subscription::create_subscription
        ))
        .routes(routes!(
            subscription::get_subscription,
            subscription::update_subscription,
            subscription::delete_subscription
        ))
        .routes(routes!(key_manager::list_visible_key_managers))
        .routes(routes!(throttling_policy::list_throttling_policies))
        .routes(routes!(throttling_policy::get_throttling_policy))
        .routes(routes!(settings::get_developer_settings))
}
