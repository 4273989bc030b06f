//! How many objects a principal and a tenant may have (Microsoft: *Microsoft Entra service limits and restrictions*).

use super::{error::GraphError, permission::Caller};
use crate::directory::{Application, DeletedItem, Directory, Field, ServicePrincipal, Tenant};

const PER_PRINCIPAL: u32 = 250;
const PER_TENANT: u32 = 50_000;

/// Refuses one more object of `caller`. Soft-deleted objects count in full until they are purged.
///
/// # Errors
/// 403 `Directory_QuotaExceeded`.
pub(super) fn check(
    directory: &Directory,
    caller: &Caller,
    tenant: &Tenant,
) -> Result<(), GraphError> {
    let per_principal = tenant
        .policies
        .objects_per_principal
        .unwrap_or(PER_PRINCIPAL) as usize;
    if caller.has_object_quota() && created_by(directory, caller) >= per_principal {
        return Err(GraphError::quota_exceeded("Principal"));
    }
    let per_tenant = tenant.policies.objects_per_tenant.unwrap_or(PER_TENANT) as usize;
    let held = directory.table::<Application>().count(tenant.id)
        + directory.table::<ServicePrincipal>().count(tenant.id)
        + directory.table::<DeletedItem>().count(tenant.id);
    if held >= per_tenant {
        return Err(GraphError::quota_exceeded("Tenant"));
    }
    Ok(())
}

/// How many live and soft-deleted objects the caller created.
pub(super) fn created_by(directory: &Directory, caller: &Caller) -> usize {
    let id = caller.principal_id.to_string();
    directory
        .table::<Application>()
        .find_newest(Field::CreatedBy, &id)
        .len()
        + directory
            .table::<ServicePrincipal>()
            .find_newest(Field::CreatedBy, &id)
            .len()
        + directory
            .table::<DeletedItem>()
            .find_newest(Field::CreatedBy, &id)
            .len()
}
