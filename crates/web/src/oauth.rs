//! How scripts sign in: dynamic client registration, the token endpoint and revocation, for Claviger's own REST
//! APIs only. Tokens for calling APIs come from the key managers.

mod dcr;
mod refusal;
mod request;
mod revoke;
mod token;

use control::Control;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes(router: OpenApiRouter<Control>) -> OpenApiRouter<Control> {
    router
        .routes(routes!(dcr::register_client))
        .routes(routes!(token::issue_token))
        .routes(routes!(revoke::revoke_token))
}
