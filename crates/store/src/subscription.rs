//! Subscriptions.

use async_trait::async_trait;
use domain::id::{ApiId, ApplicationId, SubscriptionId};
use domain::subscription::Subscription;

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::sql::{Row, SqlTx, Statement, Table, Unique};

#[async_trait]
pub trait Subscriptions: Send {
    /// `Duplicate { key: "application and API" }`.
    async fn insert(&mut self, subscription: &Subscription) -> Result<(), StoreError>;

    /// Compares and advances the version.
    async fn update(&mut self, subscription: &Subscription) -> Result<(), StoreError>;

    async fn delete(&mut self, id: SubscriptionId) -> Result<(), StoreError>;

    async fn find(&mut self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError>;

    async fn list_of_application(
        &mut self,
        application: ApplicationId,
        page: Page,
    ) -> Result<Listed<Subscription>, StoreError>;

    async fn list_of_api(
        &mut self,
        api: ApiId,
        page: Page,
    ) -> Result<Listed<Subscription>, StoreError>;

    /// Of all applications of this owner to this API.
    async fn list_of_owner_to_api(
        &mut self,
        owner: &str,
        api: ApiId,
        page: Page,
    ) -> Result<Listed<Subscription>, StoreError>;

    async fn count_of_application(&mut self, application: ApplicationId)
    -> Result<u64, StoreError>;

    async fn scan(
        &mut self,
        after: Option<SubscriptionId>,
        limit: u32,
    ) -> Result<Vec<Subscription>, StoreError>;
}

static SUBSCRIPTIONS: Table = Table {
    name: "subscriptions",
    noun: "subscription",
    key: "id",
    unique: &[Unique {
        constraint: "subscriptions_application_api",
        columns: "subscriptions.application_id, subscriptions.api_id",
        key: "application and API",
    }],
};

/// One column list for all that reads subscriptions.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, application_id, api_id, throttling_policy, status, created_at, updated_at, version
             FROM subscriptions ",
            $rest
        )
    };
}

/// The same for how many there are.
macro_rules! count {
    ($rest:literal) => {
        concat!("SELECT COUNT(*) AS total FROM subscriptions ", $rest)
    };
}

#[async_trait]
impl Subscriptions for SqlTx {
    async fn insert(&mut self, subscription: &Subscription) -> Result<(), StoreError> {
        let statement = Statement::new(
            &SUBSCRIPTIONS,
            "INSERT INTO subscriptions
                 (id, application_id, api_id, throttling_policy, status, created_at, updated_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .id(subscription.id)
        .id(subscription.application_id)
        .id(subscription.api_id)
        .text(&subscription.throttling_policy)
        .word(&subscription.status)
        .time(subscription.created_at)
        .time(subscription.updated_at)
        .integer(subscription.version);
        self.execute(statement).await.map(|_| ())
    }

    async fn update(&mut self, subscription: &Subscription) -> Result<(), StoreError> {
        // Application and API are what the subscription is; they stay.
        let statement = Statement::new(
            &SUBSCRIPTIONS,
            "UPDATE subscriptions
             SET throttling_policy = $1, status = $2, updated_at = $3, version = version + 1
             WHERE id = $4 AND version = $5",
        )
        .text(&subscription.throttling_policy)
        .word(&subscription.status)
        .time(subscription.updated_at)
        .id(subscription.id)
        .integer(subscription.version);
        self.execute_one(statement).await
    }

    async fn delete(&mut self, id: SubscriptionId) -> Result<(), StoreError> {
        let statement =
            Statement::new(&SUBSCRIPTIONS, "DELETE FROM subscriptions WHERE id = $1").id(id);
        self.execute(statement).await.map(|_| ())
    }

    async fn find(&mut self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        let statement = Statement::new(&SUBSCRIPTIONS, select!("WHERE id = $1")).id(id);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(subscription)
            .transpose()
    }

    async fn list_of_application(
        &mut self,
        application: ApplicationId,
        page: Page,
    ) -> Result<Listed<Subscription>, StoreError> {
        let total = self.count_of_application(application).await?;
        let statement = Statement::new(
            &SUBSCRIPTIONS,
            select!("WHERE application_id = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3"),
        )
        .id(application)
        .page(page);
        self.list_subscriptions(total, statement).await
    }

    async fn list_of_api(
        &mut self,
        api: ApiId,
        page: Page,
    ) -> Result<Listed<Subscription>, StoreError> {
        let total = self
            .fetch_count(Statement::new(&SUBSCRIPTIONS, count!("WHERE api_id = $1")).id(api))
            .await?;
        let statement = Statement::new(
            &SUBSCRIPTIONS,
            select!("WHERE api_id = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3"),
        )
        .id(api)
        .page(page);
        self.list_subscriptions(total, statement).await
    }

    async fn list_of_owner_to_api(
        &mut self,
        owner: &str,
        api: ApiId,
        page: Page,
    ) -> Result<Listed<Subscription>, StoreError> {
        let total = Statement::new(
            &SUBSCRIPTIONS,
            count!(
                "WHERE api_id = $1
                   AND application_id IN (SELECT id FROM applications WHERE owner = $2)"
            ),
        )
        .id(api)
        .text(owner);
        let total = self.fetch_count(total).await?;
        let statement = Statement::new(
            &SUBSCRIPTIONS,
            select!(
                "WHERE api_id = $1
                   AND application_id IN (SELECT id FROM applications WHERE owner = $2)
                 ORDER BY created_at, id LIMIT $3 OFFSET $4"
            ),
        )
        .id(api)
        .text(owner)
        .page(page);
        self.list_subscriptions(total, statement).await
    }

    async fn count_of_application(
        &mut self,
        application: ApplicationId,
    ) -> Result<u64, StoreError> {
        let statement =
            Statement::new(&SUBSCRIPTIONS, count!("WHERE application_id = $1")).id(application);
        self.fetch_count(statement).await
    }

    async fn scan(
        &mut self,
        after: Option<SubscriptionId>,
        limit: u32,
    ) -> Result<Vec<Subscription>, StoreError> {
        let statement = Statement::new(
            &SUBSCRIPTIONS,
            select!("WHERE id > $1 ORDER BY id LIMIT $2"),
        )
        .after(after)
        .limit(limit);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(subscription)
            .collect()
    }
}

impl SqlTx {
    async fn list_subscriptions(
        &mut self,
        total: u64,
        statement: Statement,
    ) -> Result<Listed<Subscription>, StoreError> {
        let rows = self.fetch_all(statement).await?;
        let items = rows.iter().map(subscription).collect::<Result<_, _>>()?;
        Ok(Listed { items, total })
    }
}

fn subscription(row: &Row) -> Result<Subscription, StoreError> {
    Ok(Subscription {
        id: row.id("id")?,
        application_id: row.id("application_id")?,
        api_id: row.id("api_id")?,
        throttling_policy: row.text("throttling_policy")?,
        status: row.word("status")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        version: row.integer("version")?,
    })
}
