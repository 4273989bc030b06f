//! What an API's settings may name, and the one default version among the versions of an API.

use std::collections::BTreeSet;

use domain::api::{Api, ApiSettings, KeyManagerSelection, Visibility};
use domain::throttling_policy::PolicyLevel;
use domain::validation::Check;
use store::api::ApiQuery;
use store::snapshot_change::ChangedNoun;
use store::{Page, Tx};

use crate::identity::user::role_exists;
use crate::throttling_policy;
use crate::{Error, Transaction};

/// Names of policies, key managers and roles must be those of something that exists.
pub(super) async fn check(tx: &mut dyn Tx, settings: &ApiSettings) -> Result<(), Error> {
    let mut check = Check::default();
    for plan in &settings.policies {
        check.that(
            throttling_policy::exists(tx, PolicyLevel::Subscription, plan).await?,
            "policies",
            format!("{plan:?} is not the name of a business plan"),
        );
    }
    let operations = settings.operations.iter();
    let operation_level = operations.filter_map(|operation| operation.throttling_policy.as_ref());
    // Many operations name few policies.
    let mut api_level: BTreeSet<&String> = settings.api_throttling_policy.iter().collect();
    api_level.extend(operation_level);
    for policy in api_level {
        check.that(
            throttling_policy::exists(tx, PolicyLevel::Api, policy).await?,
            "apiThrottlingPolicy",
            format!("{policy:?} is not the name of an API-level throttling policy"),
        );
    }
    if let KeyManagerSelection::Only(names) = &settings.key_managers {
        check.that(!names.is_empty(), "keyManagers", "must name at least one");
        for name in names {
            check.that(
                tx.key_managers().find_by_name(name).await?.is_some(),
                "keyManagers",
                format!("there is no key manager {name:?}"),
            );
        }
    }
    if let Visibility::Restricted(roles) = &settings.visibility {
        check.that(
            !roles.is_empty(),
            "visibleRoles",
            "must name at least one role",
        );
        for role in roles {
            check.that(
                role_exists(tx, role).await?,
                "visibleRoles",
                format!("there is no role {role:?}"),
            );
        }
    }
    Ok(check.finish()?)
}

/// Of all versions of an API only this one answers requests that name no version: the others lose the flag, at
/// gateways too. Done on deployment, so that there is no moment without a default version.
pub(super) async fn keep_one_default_version(
    tx: &mut Transaction<'_>,
    default: &Api,
) -> Result<(), Error> {
    let now = tx.control().clock().now();
    let query = ApiQuery {
        name_contains: default.settings.name.clone(),
        ..ApiQuery::default()
    };
    for mut other in all(tx, &query).await? {
        if other.id == default.id
            || other.settings.name != default.settings.name
            || !other.settings.is_default_version
        {
            continue;
        }
        // One that is not deployed yet takes over when it is.
        if tx.revisions().deployments_of(other.id).await?.is_empty() {
            continue;
        }
        other.settings.is_default_version = false;
        other.updated_at = now;
        tx.apis().update(&other).await?;
        tx.changed(ChangedNoun::Api(other.id));
    }
    Ok(())
}

/// Every page of a list. Read before anything of it is changed, so that no page shifts meanwhile.
async fn all(tx: &mut Transaction<'_>, query: &ApiQuery) -> Result<Vec<Api>, Error> {
    let mut found = Vec::new();
    let mut page = Page::FIRST;
    loop {
        let listed = tx.apis().list(query, page).await?;
        let is_last = listed.items.len() < page.limit as usize;
        found.extend(listed.items);
        if is_last {
            return Ok(found);
        }
        page.offset = page.offset.saturating_add(page.limit);
    }
}
