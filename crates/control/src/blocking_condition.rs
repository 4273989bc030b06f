//! Blocking conditions: what an administrator has gateways refuse, however good its credentials.
//!
//! What can be blocked is the domain's business, whether a request is concerned the gateway's.

use domain::Invalid;
use domain::blocking_condition::{BlockedSubject, BlockingCondition, MOST_BLOCKING_CONDITIONS};
use domain::id::BlockingConditionId;
use domain::user::Actor;
use serde_json::json;
use store::application::ApplicationQuery;
use store::snapshot_change::ChangedNoun;
use store::{Page, StoreError, Tx};

use crate::error::Noun;
use crate::identity::authorization::require;
use crate::{Control, Error};

/// REST scopes that may read blocking conditions (WSO2 admin API).
const VIEWING: &[&str] = &["apim:admin", "apim:bl_view"];

/// REST scopes that may change them.
const MANAGING: &[&str] = &["apim:admin", "apim:bl_manage"];

/// Owner and name of an application are tried at so many dashes of a subscription's text.
const MOST_DASHES: usize = 16;

/// Which conditions to list; an empty text means any.
#[derive(Clone, Debug, Default)]
pub struct BlockingConditionQuery {
    /// [`BlockedSubject::kind`].
    pub kind: String,
    /// [`BlockedSubject::text`].
    pub text: String,
}

#[derive(Clone, Copy)]
pub struct BlockingConditions<'a> {
    control: &'a Control,
}

impl<'a> BlockingConditions<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// Those that the query describes, oldest first.
    pub async fn list(
        &self,
        actor: &Actor,
        query: &BlockingConditionQuery,
    ) -> Result<Vec<BlockingCondition>, Error> {
        require(actor, VIEWING)?;
        let mut tx = self.control.store().read().await?;
        let mut conditions = tx.blocking_conditions().list().await?;
        conditions.retain(|condition| {
            let subject = &condition.subject;
            (query.kind.is_empty() || query.kind == subject.kind())
                && (query.text.is_empty() || query.text == subject.text())
        });
        Ok(conditions)
    }

    pub async fn get(
        &self,
        actor: &Actor,
        id: BlockingConditionId,
    ) -> Result<BlockingCondition, Error> {
        require(actor, VIEWING)?;
        let mut tx = self.control.store().read().await?;
        find(&mut *tx, id).await
    }

    /// `Invalid` when the API or the application is not there: a condition with a slip of the pen would protect
    /// nothing. `AlreadyExists` when the same thing is blocked, also when that condition is off.
    pub async fn create(
        &self,
        actor: &Actor,
        subject: BlockedSubject,
        enabled: bool,
    ) -> Result<BlockingCondition, Error> {
        require(actor, MANAGING)?;
        let now = self.control.clock().now();
        let condition = BlockingCondition {
            id: BlockingConditionId::generate(self.control.clock(), self.control.random()),
            subject,
            enabled,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let mut tx = self.control.begin().await?;
        check_exists(&mut *tx, &condition.subject).await?;
        if tx.blocking_conditions().count().await? >= MOST_BLOCKING_CONDITIONS {
            return Err(Error::InUse {
                noun: Noun::BlockingCondition,
                reason: format!(
                    "There are {MOST_BLOCKING_CONDITIONS} blocking conditions; delete one first."
                ),
            });
        }
        let inserted = tx.blocking_conditions().insert(&condition).await;
        inserted.map_err(|error| match error {
            StoreError::Duplicate { .. } => Error::AlreadyExists(Noun::BlockingCondition),
            other => other.into(),
        })?;
        self.write_down(tx, actor, "blocking_condition.create", &condition)
            .await?;
        Ok(condition)
    }

    /// Turns a condition on or off.
    pub async fn set_enabled(
        &self,
        actor: &Actor,
        id: BlockingConditionId,
        enabled: bool,
    ) -> Result<BlockingCondition, Error> {
        require(actor, MANAGING)?;
        let mut tx = self.control.begin().await?;
        let stored = find(&mut *tx, id).await?;
        let mut condition = BlockingCondition {
            enabled,
            updated_at: self.control.clock().now(),
            ..stored
        };
        tx.blocking_conditions().update(&condition).await?;
        condition.version += 1;
        self.write_down(tx, actor, "blocking_condition.update", &condition)
            .await?;
        Ok(condition)
    }

    pub async fn delete(&self, actor: &Actor, id: BlockingConditionId) -> Result<(), Error> {
        require(actor, MANAGING)?;
        let mut tx = self.control.begin().await?;
        let condition = find(&mut *tx, id).await?;
        tx.blocking_conditions().delete(id).await?;
        self.write_down(tx, actor, "blocking_condition.delete", &condition)
            .await
    }

    async fn write_down(
        &self,
        mut tx: crate::Transaction<'_>,
        actor: &Actor,
        action: &str,
        condition: &BlockingCondition,
    ) -> Result<(), Error> {
        let details = json!({
            "type": condition.subject.kind(),
            "value": condition.subject.text(),
            "enabled": condition.enabled,
        });
        tx.record_audit(&actor.username, action, condition.id, details)
            .await?;
        tx.changed(ChangedNoun::BlockingCondition(condition.id));
        tx.commit().await
    }
}

async fn find(tx: &mut dyn Tx, id: BlockingConditionId) -> Result<BlockingCondition, Error> {
    let found = tx.blocking_conditions().find(id).await?;
    found.ok_or(Error::NotFound(Noun::BlockingCondition))
}

/// Users are known to key managers, not here; addresses to nobody.
async fn check_exists(tx: &mut dyn Tx, subject: &BlockedSubject) -> Result<(), Error> {
    match subject {
        BlockedSubject::Api(base_path) => {
            let (context, version) = base_path.rsplit_once('/').unwrap_or((base_path, ""));
            check_api(tx, context, version).await
        }
        BlockedSubject::Application { owner, name } => {
            if has_application(tx, owner, name).await? {
                return Ok(());
            }
            Err(wrong(format!("{owner:?} has no application {name:?}")))
        }
        BlockedSubject::Subscription {
            context,
            version,
            application,
        } => {
            check_api(tx, context, version).await?;
            let without_key_type = ["-PRODUCTION", "-SANDBOX"]
                .iter()
                .find_map(|suffix| application.strip_suffix(suffix));
            for text in [Some(application.as_str()), without_key_type]
                .into_iter()
                .flatten()
            {
                // Names of users and of applications may hold dashes themselves.
                for (dash, _) in text.match_indices('-').take(MOST_DASHES) {
                    if has_application(tx, &text[..dash], &text[dash + 1..]).await? {
                        return Ok(());
                    }
                }
            }
            Err(wrong(format!("there is no application {application:?}")))
        }
        BlockedSubject::Ip { .. } | BlockedSubject::IpRange { .. } | BlockedSubject::User(_) => {
            Ok(())
        }
    }
}

async fn check_api(tx: &mut dyn Tx, context: &str, version: &str) -> Result<(), Error> {
    match tx.apis().find_at(context, version).await? {
        Some(_) => Ok(()),
        None => Err(wrong(format!(
            "there is no API with the context {context:?} in version {version:?}"
        ))),
    }
}

async fn has_application(tx: &mut dyn Tx, owner: &str, name: &str) -> Result<bool, Error> {
    let query = ApplicationQuery {
        name_contains: name.to_owned(),
        ..ApplicationQuery::default()
    };
    let mut page = Page::FIRST;
    loop {
        let listed = tx.applications().list_owned(owner, &query, page).await?;
        if listed.items.iter().any(|one| one.settings.name == name) {
            return Ok(true);
        }
        page.offset = page.offset.saturating_add(page.limit);
        if listed.items.is_empty() || u64::from(page.offset) >= listed.total {
            return Ok(false);
        }
    }
}

fn wrong(message: String) -> Error {
    Invalid::field("conditionValue", message).into()
}
