//! Throttling policies: what an administrator defines, and what everybody may read and name.
//!
//! Owns which names may be given to an API, an application or a subscription. Enforcing them is the gateway's work.

use domain::id::ThrottlingPolicyId;
use domain::throttling_policy::{PolicyLevel, PolicySettings, ThrottlingPolicy};
use domain::user::Actor;
use domain::validation::Check;
use domain::{FieldError, Invalid};
use serde_json::json;
use store::snapshot_change::ChangedNoun;
use store::throttling_policy::PolicyUsage;
use store::{StoreError, Tx};

use crate::error::Noun;
use crate::identity::authorization::require;
use crate::{Control, Error};

/// Policies hold for the whole installation: WSO2's `apim:tier_manage`, which publishers have too, is not enough.
const VIEW: &[&str] = &["apim:admin", "apim:admin_tier_view"];
const MANAGE: &[&str] = &["apim:admin", "apim:admin_tier_manage"];

/// Policies of one level at most: portals show them all.
const MOST_PER_LEVEL: usize = 1_000;

/// APIs that are named in a refusal.
const MOST_NAMED: usize = 5;

/// Whether a policy of this level bears this name.
pub(crate) async fn exists(tx: &mut dyn Tx, level: PolicyLevel, name: &str) -> Result<bool, Error> {
    let found = tx.throttling_policies().find_by_name(level, name).await?;
    Ok(found.is_some())
}

/// The use-cases of throttling policies.
#[derive(Clone, Copy)]
pub struct ThrottlingPolicies<'a> {
    control: &'a Control,
}

impl<'a> ThrottlingPolicies<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// All policies of a level, by name. Whoever can reach a portal may read them (WSO2 asks for no scope).
    pub async fn list(
        &self,
        _actor: &Actor,
        level: PolicyLevel,
    ) -> Result<Vec<ThrottlingPolicy>, Error> {
        let mut tx = self.control.store().read().await?;
        Ok(tx.throttling_policies().list(level).await?)
    }

    /// One policy by its name, which is its id in the portals.
    pub async fn get(
        &self,
        _actor: &Actor,
        level: PolicyLevel,
        name: &str,
    ) -> Result<ThrottlingPolicy, Error> {
        let mut tx = self.control.store().read().await?;
        let found = tx.throttling_policies().find_by_name(level, name).await?;
        found.ok_or(Error::NotFound(Noun::ThrottlingPolicy))
    }

    /// All policies of a level, for administrators.
    pub async fn administered(
        &self,
        actor: &Actor,
        level: PolicyLevel,
    ) -> Result<Vec<ThrottlingPolicy>, Error> {
        require(actor, VIEW)?;
        self.list(actor, level).await
    }

    /// One policy of a level by its id, for administrators.
    pub async fn get_by_id(
        &self,
        actor: &Actor,
        level: PolicyLevel,
        id: ThrottlingPolicyId,
    ) -> Result<ThrottlingPolicy, Error> {
        require(actor, VIEW)?;
        let mut tx = self.control.store().read().await?;
        find(&mut *tx, level, id).await
    }

    /// `AlreadyExists` for a name that is taken at this level, `Invalid` naming every wrong field.
    pub async fn create(
        &self,
        actor: &Actor,
        level: PolicyLevel,
        settings: PolicySettings,
    ) -> Result<ThrottlingPolicy, Error> {
        require(actor, MANAGE)?;
        settings.validate(level)?;
        let now = self.control.clock().now();
        let policy = ThrottlingPolicy {
            id: ThrottlingPolicyId::generate(self.control.clock(), self.control.random()),
            level,
            is_built_in: false,
            settings,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let mut tx = self.control.begin().await?;
        let mut check = Check::default();
        let count = tx.throttling_policies().list(level).await?.len();
        check.that(
            count < MOST_PER_LEVEL,
            "policyName",
            format!("at most {MOST_PER_LEVEL} policies of a level"),
        );
        check.finish()?;
        let inserted = tx.throttling_policies().insert(&policy).await;
        inserted.map_err(|error| match error {
            StoreError::Duplicate { .. } => Error::AlreadyExists(Noun::ThrottlingPolicy),
            other => other.into(),
        })?;
        let details = json!({ "level": level, "settings": policy.settings });
        tx.record_audit(
            &actor.username,
            "throttling_policy.create",
            policy.id,
            details,
        )
        .await?;
        tx.changed(ChangedNoun::ThrottlingPolicy(policy.id));
        tx.commit().await?;
        Ok(policy)
    }

    /// Replaces what a policy allows, for all that have it. Its name never changes (`Invalid`).
    pub async fn update(
        &self,
        actor: &Actor,
        level: PolicyLevel,
        id: ThrottlingPolicyId,
        settings: PolicySettings,
    ) -> Result<ThrottlingPolicy, Error> {
        require(actor, MANAGE)?;
        let mut tx = self.control.begin().await?;
        let stored = find(&mut *tx, level, id).await?;
        let mut wrong = match settings.validate(level) {
            Ok(()) => Vec::new(),
            Err(Invalid(wrong)) => wrong,
        };
        if stored.settings.name != settings.name {
            let why = ": APIs, applications and subscriptions refer to it";
            wrong.push(FieldError::fixed("policyName", why));
        }
        if !wrong.is_empty() {
            return Err(Invalid(wrong).into());
        }
        let policy = ThrottlingPolicy {
            settings,
            updated_at: self.control.clock().now(),
            ..stored
        };
        tx.throttling_policies().update(&policy).await?;
        let details = json!({ "level": level, "settings": policy.settings });
        tx.record_audit(&actor.username, "throttling_policy.update", id, details)
            .await?;
        tx.changed(ChangedNoun::ThrottlingPolicy(id));
        let policy = find(&mut *tx, level, id).await?;
        tx.commit().await?;
        Ok(policy)
    }

    /// `InUse` for a built-in one, and while an API, a revision, an application or a subscription names it.
    pub async fn delete(
        &self,
        actor: &Actor,
        level: PolicyLevel,
        id: ThrottlingPolicyId,
    ) -> Result<(), Error> {
        require(actor, MANAGE)?;
        let mut tx = self.control.begin().await?;
        let policy = find(&mut *tx, level, id).await?;
        let name = &policy.settings.name;
        let in_use = |reason| Error::InUse {
            noun: Noun::ThrottlingPolicy,
            reason,
        };
        if policy.is_built_in {
            return Err(in_use(format!(
                "{name} is built in: it can be changed, not deleted."
            )));
        }
        let usage = tx.throttling_policies().usage(level, name).await?;
        if usage != PolicyUsage::default() {
            return Err(in_use(format!("{name} is used by {}.", told(&usage))));
        }
        tx.throttling_policies().delete(id).await?;
        let details = json!({ "level": level, "name": name });
        tx.record_audit(&actor.username, "throttling_policy.delete", id, details)
            .await?;
        tx.changed(ChangedNoun::ThrottlingPolicy(id));
        tx.commit().await
    }
}

/// Of its level only: an identifier of another level's policy finds nothing.
async fn find(
    tx: &mut dyn Tx,
    level: PolicyLevel,
    id: ThrottlingPolicyId,
) -> Result<ThrottlingPolicy, Error> {
    let found = tx.throttling_policies().find(id).await?;
    found
        .filter(|policy| policy.level == level)
        .ok_or(Error::NotFound(Noun::ThrottlingPolicy))
}

/// For example: `the APIs Pizza 1.0.0, Weather 2.0.0, and 3 subscriptions`.
fn told(usage: &PolicyUsage) -> String {
    let mut parts = Vec::new();
    if !usage.apis.is_empty() {
        let named: Vec<_> = usage.apis.iter().take(MOST_NAMED).cloned().collect();
        let more = usage.apis.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        parts.push(format!(
            "the APIs (or revisions of them) {}{more}",
            named.join(", ")
        ));
    }
    for (count, noun) in [
        (usage.applications, "applications"),
        (usage.subscriptions, "subscriptions"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {noun}"));
        }
    }
    parts.join(", ")
}
