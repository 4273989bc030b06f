//! Throttling policies, and who names them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::api::ApiSettings;
use domain::id::ThrottlingPolicyId;
use domain::throttling_policy::{PolicyLevel, ThrottlingPolicy};

use crate::error::StoreError;
use crate::sql::{Row, SqlTx, Statement, Table, Unique};

#[async_trait]
pub trait ThrottlingPolicies: Send {
    /// `Duplicate { key: "level and name" }` when the name is taken at its level.
    async fn insert(&mut self, policy: &ThrottlingPolicy) -> Result<(), StoreError>;

    /// Compares and advances the version. Level, name and whether it is built in stay as they are.
    async fn update(&mut self, policy: &ThrottlingPolicy) -> Result<(), StoreError>;

    async fn delete(&mut self, id: ThrottlingPolicyId) -> Result<(), StoreError>;

    async fn find(
        &mut self,
        id: ThrottlingPolicyId,
    ) -> Result<Option<ThrottlingPolicy>, StoreError>;

    async fn find_by_name(
        &mut self,
        level: PolicyLevel,
        name: &str,
    ) -> Result<Option<ThrottlingPolicy>, StoreError>;

    /// Of one level, by name. There are never many policies, so there is no paging.
    async fn list(&mut self, level: PolicyLevel) -> Result<Vec<ThrottlingPolicy>, StoreError>;

    /// Who names the policy of this level: an API by its settings or by those of a revision.
    async fn usage(&mut self, level: PolicyLevel, name: &str) -> Result<PolicyUsage, StoreError>;
}

/// Who names a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyUsage {
    /// Name and version, in their order.
    pub apis: Vec<String>,
    pub applications: u64,
    pub subscriptions: u64,
}

static THROTTLING_POLICIES: Table = Table {
    name: "throttling_policies",
    noun: "throttling policy",
    key: "id",
    unique: &[Unique {
        constraint: "throttling_policies_level_name",
        columns: "throttling_policies.level, throttling_policies.name",
        key: "level and name",
    }],
};

/// One column list for all that reads policies.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, level, is_built_in, settings, created_at, updated_at, version
             FROM throttling_policies ",
            $rest
        )
    };
}

#[async_trait]
impl ThrottlingPolicies for SqlTx {
    async fn insert(&mut self, policy: &ThrottlingPolicy) -> Result<(), StoreError> {
        let settings = &policy.settings;
        let statement = Statement::new(
            &THROTTLING_POLICIES,
            "INSERT INTO throttling_policies
                 (id, level, name, name_folded, is_built_in, settings, created_at, updated_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .id(policy.id)
        .text(policy.level.as_str())
        .text(&settings.name)
        .text(settings.name.to_lowercase())
        .flag(policy.is_built_in)
        .json(settings)
        .time(policy.created_at)
        .time(policy.updated_at)
        .integer(policy.version);
        self.execute(statement).await.map(|_| ())
    }

    async fn update(&mut self, policy: &ThrottlingPolicy) -> Result<(), StoreError> {
        let statement = Statement::new(
            &THROTTLING_POLICIES,
            "UPDATE throttling_policies
             SET settings = $1, updated_at = $2, version = version + 1
             WHERE id = $3 AND version = $4 AND name = $5",
        )
        .json(&policy.settings)
        .time(policy.updated_at)
        .id(policy.id)
        .integer(policy.version)
        .text(&policy.settings.name);
        self.execute_one(statement).await
    }

    async fn delete(&mut self, id: ThrottlingPolicyId) -> Result<(), StoreError> {
        let statement = Statement::new(
            &THROTTLING_POLICIES,
            "DELETE FROM throttling_policies WHERE id = $1",
        )
        .id(id);
        self.execute(statement).await.map(|_| ())
    }

    async fn find(
        &mut self,
        id: ThrottlingPolicyId,
    ) -> Result<Option<ThrottlingPolicy>, StoreError> {
        let statement = Statement::new(&THROTTLING_POLICIES, select!("WHERE id = $1")).id(id);
        let row = self.fetch_optional(statement).await?;
        row.as_ref().map(policy).transpose()
    }

    async fn find_by_name(
        &mut self,
        level: PolicyLevel,
        name: &str,
    ) -> Result<Option<ThrottlingPolicy>, StoreError> {
        let statement = Statement::new(
            &THROTTLING_POLICIES,
            select!("WHERE level = $1 AND name = $2"),
        )
        .text(level.as_str())
        .text(name);
        let row = self.fetch_optional(statement).await?;
        row.as_ref().map(policy).transpose()
    }

    async fn list(&mut self, level: PolicyLevel) -> Result<Vec<ThrottlingPolicy>, StoreError> {
        let statement = Statement::new(
            &THROTTLING_POLICIES,
            select!("WHERE level = $1 ORDER BY name_folded COLLATE \"C\", name COLLATE \"C\""),
        )
        .text(level.as_str());
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(policy).collect()
    }

    async fn usage(&mut self, level: PolicyLevel, name: &str) -> Result<PolicyUsage, StoreError> {
        let mut usage = PolicyUsage::default();
        if level == PolicyLevel::Application {
            let statement = Statement::new(
                &THROTTLING_POLICIES,
                "SELECT COUNT(*) AS total FROM applications WHERE throttling_policy = $1",
            );
            usage.applications = self.fetch_count(statement.text(name)).await?;
            return Ok(usage);
        }
        if level == PolicyLevel::Subscription {
            let statement = Statement::new(
                &THROTTLING_POLICIES,
                "SELECT COUNT(*) AS total FROM subscriptions WHERE throttling_policy = $1",
            );
            usage.subscriptions = self.fetch_count(statement.text(name)).await?;
        }
        // The text says who may name it, the settings themselves who does. A policy's name needs no escape in
        // JSON; where a character of it stands for any other in LIKE, more rows are looked at.
        let statement = Statement::new(
            &THROTTLING_POLICIES,
            "SELECT settings FROM apis WHERE settings LIKE $1
             UNION ALL SELECT settings FROM revisions WHERE settings LIKE $1",
        )
        .text(format!("%\"{name}\"%"));
        let mut apis = BTreeSet::new();
        for row in self.fetch_all(statement).await? {
            let settings: ApiSettings = row.json("settings")?;
            if names(&settings, level, name) {
                apis.insert(format!("{} {}", settings.name, settings.version));
            }
        }
        usage.apis = apis.into_iter().collect();
        Ok(usage)
    }
}

fn names(settings: &ApiSettings, level: PolicyLevel, name: &str) -> bool {
    let is_named = |policy: &Option<String>| policy.as_deref() == Some(name);
    match level {
        PolicyLevel::Subscription => settings.policies.iter().any(|policy| policy == name),
        PolicyLevel::Api => {
            let operations = settings.operations.iter();
            let mut operations = operations.map(|operation| &operation.throttling_policy);
            is_named(&settings.api_throttling_policy) || operations.any(is_named)
        }
        PolicyLevel::Application => false,
    }
}

fn policy(row: &Row) -> Result<ThrottlingPolicy, StoreError> {
    Ok(ThrottlingPolicy {
        id: row.id("id")?,
        level: row.word("level")?,
        is_built_in: row.flag("is_built_in")?,
        settings: row.json("settings")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        version: row.integer("version")?,
    })
}
