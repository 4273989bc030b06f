//! `/roles` of the admin API: does a role exist? Asked by whoever fills in permissions.

use axum::Extension;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use control::Control;
use control::error::{Error, Noun};
use domain::user::Actor;
use http::StatusCode;

use crate::problem::Problem;

/// WSO2's clients send base64url with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// 200 when the role exists, else 404. The identifier is the role's name in base64url (RFC 4648 section 5).
#[utoipa::path(
    head, path = "/roles/{roleId}", tag = "Roles",
    params(("roleId" = String, Path, description = "The role's name in base64url")),
    security(("OAuth2Security" = ["apim:admin", "apim:role_manage"])),
    responses((status = 200, description = "It exists"), (status = 404, description = "It does not"))
)]
pub(super) async fn check_role(
    State(control): State<Control>,
    Extension(actor): Extension<Actor>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::from(Error::NotFound(Noun::Role));
    let decoded = BASE64.decode(id).map_err(|_| unknown())?;
    let name = String::from_utf8(decoded).map_err(|_| unknown())?;
    if control.identity().role_exists(&actor, &name).await? {
        Ok(StatusCode::OK)
    } else {
        Err(unknown())
    }
}
