//! The tenant segment of a path: an id, a verified domain, or one of the shared names.

use std::sync::Arc;

use uuid::Uuid;

use super::Refusal;
use crate::directory::{Directory, Tenant};

/// What the first segment of a path addresses.
#[derive(Debug, Clone)]
pub(crate) enum Authority {
    /// One tenant.
    Tenant(Arc<Tenant>),
    /// `common` or `organizations`: whichever tenant the user is of.
    Shared,
}

/// The tenant that `segment` names.
///
/// # Errors
/// AADSTS900023 if it is neither a GUID nor a DNS name, AADSTS90002 if nobody has it.
pub(crate) fn find_tenant(directory: &Directory, segment: &str) -> Result<Arc<Tenant>, Refusal> {
    if let Some(tenant) = directory.tenant(segment) {
        return Ok(tenant);
    }
    let named = segment.to_ascii_lowercase();
    if Uuid::try_parse(segment).is_ok() || is_dns_name(segment) {
        return Err(Refusal::UnknownTenant(named));
    }
    Err(Refusal::MalformedTenant(
        segment.chars().take(200).collect(),
    ))
}

/// What `segment` addresses, shared names included.
pub(crate) fn find_authority(directory: &Directory, segment: &str) -> Result<Authority, Refusal> {
    if is_shared(segment) {
        return Ok(Authority::Shared);
    }
    find_tenant(directory, segment).map(Authority::Tenant)
}

/// Whether `segment` stands for more than one tenant.
pub(crate) fn is_shared(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("common") || segment.eq_ignore_ascii_case("organizations")
}

fn is_dns_name(text: &str) -> bool {
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

#[cfg(test)]
mod tests {
    use super::is_dns_name;

    #[test]
    fn domains_are_told_from_nonsense() {
        for good in [
            "fabrikamlab.onmicrosoft.com",
            "a.b",
            "xn--bcher-kva.example",
        ] {
            assert!(is_dns_name(good), "{good}");
        }
        for bad in [
            "",
            "nodots",
            "-a.example",
            "a-.example",
            "a..b",
            "a b.example",
            "ü.example",
        ] {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }
}
