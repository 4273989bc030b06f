//! Applications. Whoever reads for an owner names the owner: the `WHERE` holds it.

use async_trait::async_trait;
use domain::application::{Application, ApplicationSettings};
use domain::id::{ApplicationId, KeyManagerId};

use crate::error::StoreError;
use crate::page::{Listed, Page, SortOrder};
use crate::sql::{Row, SqlTx, Statement, Table, Unique, contains_pattern};

#[async_trait]
pub trait Applications: Send {
    /// `Duplicate { key: "name" }` when the owner already has one of that name.
    async fn insert(&mut self, application: &Application) -> Result<(), StoreError>;

    async fn update(&mut self, application: &Application) -> Result<(), StoreError>;

    /// Takes subscriptions along; `Reference` when a key mapping still names it.
    async fn delete(&mut self, id: ApplicationId) -> Result<(), StoreError>;

    /// Whoever owns it: for jobs and the snapshot only.
    async fn find(&mut self, id: ApplicationId) -> Result<Option<Application>, StoreError>;

    async fn find_owned(
        &mut self,
        owner: &str,
        id: ApplicationId,
    ) -> Result<Option<Application>, StoreError>;

    /// Whose name contains `query.name_contains` (any letter case).
    async fn list_owned(
        &mut self,
        owner: &str,
        query: &ApplicationQuery,
        page: Page,
    ) -> Result<Listed<Application>, StoreError>;

    /// Applications with a key mapping at this key manager, by name.
    async fn list_using(
        &mut self,
        key_manager: KeyManagerId,
        page: Page,
    ) -> Result<Listed<Application>, StoreError>;

    /// Everything, in id order after `after`: for compiling a whole snapshot.
    async fn scan(
        &mut self,
        after: Option<ApplicationId>,
        limit: u32,
    ) -> Result<Vec<Application>, StoreError>;
}

#[derive(Clone, Debug, Default)]
pub struct ApplicationQuery {
    pub name_contains: String,
    pub sort_by: ApplicationSort,
    pub order: SortOrder,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplicationSort {
    #[default]
    Name,
    ThrottlingPolicy,
    Status,
    CreatedAt,
}

static APPLICATIONS: Table = Table {
    name: "applications",
    noun: "application",
    key: "id",
    unique: &[Unique {
        constraint: "applications_owner_name",
        columns: "applications.owner, applications.name",
        key: "name",
    }],
};

/// One column list for all that reads applications.
macro_rules! select {
    ($rest:expr) => {
        concat!(
            "SELECT id, owner, name, throttling_policy, description, token_type, attributes, group_names,
                    visibility, status, created_at, updated_at, version
             FROM applications ",
            $rest
        )
    };
}

/// An owner's list, sorted; the name decides between equals, and the id between equal names.
macro_rules! select_owned {
    ($order_by:literal) => {
        select!(concat!(
            "WHERE owner = $1 AND name_folded LIKE $2 ESCAPE '~' ORDER BY ",
            $order_by,
            ", name_folded COLLATE \"C\", id LIMIT $3 OFFSET $4"
        ))
    };
}

#[async_trait]
impl Applications for SqlTx {
    async fn insert(&mut self, application: &Application) -> Result<(), StoreError> {
        let statement = Statement::new(
            &APPLICATIONS,
            "INSERT INTO applications
                 (name, name_folded, throttling_policy, description, token_type, attributes, group_names,
                  visibility, status, updated_at, id, version, owner, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        );
        let statement = bind(statement, application)
            .text(&application.owner)
            .time(application.created_at);
        self.execute(statement).await.map(|_| ())
    }

    async fn update(&mut self, application: &Application) -> Result<(), StoreError> {
        // The owner stays.
        let statement = Statement::new(
            &APPLICATIONS,
            "UPDATE applications
             SET name = $1, name_folded = $2, throttling_policy = $3, description = $4, token_type = $5,
                 attributes = $6, group_names = $7, visibility = $8, status = $9, updated_at = $10,
                 version = version + 1
             WHERE id = $11 AND version = $12",
        );
        self.execute_one(bind(statement, application)).await
    }

    async fn delete(&mut self, id: ApplicationId) -> Result<(), StoreError> {
        let statement =
            Statement::new(&APPLICATIONS, "DELETE FROM applications WHERE id = $1").id(id);
        self.execute(statement).await.map(|_| ())
    }

    async fn find(&mut self, id: ApplicationId) -> Result<Option<Application>, StoreError> {
        let statement = Statement::new(&APPLICATIONS, select!("WHERE id = $1")).id(id);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(application)
            .transpose()
    }

    async fn find_owned(
        &mut self,
        owner: &str,
        id: ApplicationId,
    ) -> Result<Option<Application>, StoreError> {
        let statement = Statement::new(&APPLICATIONS, select!("WHERE owner = $1 AND id = $2"))
            .text(owner)
            .id(id);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(application)
            .transpose()
    }

    async fn list_owned(
        &mut self,
        owner: &str,
        query: &ApplicationQuery,
        page: Page,
    ) -> Result<Listed<Application>, StoreError> {
        let pattern = contains_pattern(&query.name_contains);
        let total = Statement::new(
            &APPLICATIONS,
            "SELECT COUNT(*) AS total FROM applications
             WHERE owner = $1 AND name_folded LIKE $2 ESCAPE '~'",
        )
        .text(owner)
        .text(pattern.as_str());
        let total = self.fetch_count(total).await?;
        let statement = Statement::new(&APPLICATIONS, sorted(query.sort_by, query.order))
            .text(owner)
            .text(pattern)
            .page(page);
        let rows = self.fetch_all(statement).await?;
        let items = rows.iter().map(application).collect::<Result<_, _>>()?;
        Ok(Listed { items, total })
    }

    async fn list_using(
        &mut self,
        key_manager: KeyManagerId,
        page: Page,
    ) -> Result<Listed<Application>, StoreError> {
        let total = Statement::new(
            &APPLICATIONS,
            "SELECT COUNT(*) AS total FROM applications
             WHERE id IN (SELECT application_id FROM key_mappings WHERE key_manager_id = $1)",
        )
        .id(key_manager);
        let total = self.fetch_count(total).await?;
        let statement = Statement::new(
            &APPLICATIONS,
            select!(
                "WHERE id IN (SELECT application_id FROM key_mappings WHERE key_manager_id = $1)
                 ORDER BY name_folded COLLATE \"C\", id LIMIT $2 OFFSET $3"
            ),
        )
        .id(key_manager)
        .page(page);
        let rows = self.fetch_all(statement).await?;
        let items = rows.iter().map(application).collect::<Result<_, _>>()?;
        Ok(Listed { items, total })
    }

    async fn scan(
        &mut self,
        after: Option<ApplicationId>,
        limit: u32,
    ) -> Result<Vec<Application>, StoreError> {
        let statement =
            Statement::new(&APPLICATIONS, select!("WHERE id > $1 ORDER BY id LIMIT $2"))
                .after(after)
                .limit(limit);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(application)
            .collect()
    }
}

const fn sorted(sort_by: ApplicationSort, order: SortOrder) -> &'static str {
    use ApplicationSort::{CreatedAt, Name, Status, ThrottlingPolicy};
    use SortOrder::{Ascending, Descending};
    match (sort_by, order) {
        (Name, Ascending) => select_owned!("name_folded COLLATE \"C\" ASC"),
        (Name, Descending) => select_owned!("name_folded COLLATE \"C\" DESC"),
        (ThrottlingPolicy, Ascending) => select_owned!("throttling_policy COLLATE \"C\" ASC"),
        (ThrottlingPolicy, Descending) => select_owned!("throttling_policy COLLATE \"C\" DESC"),
        (Status, Ascending) => select_owned!("status ASC"),
        (Status, Descending) => select_owned!("status DESC"),
        (CreatedAt, Ascending) => select_owned!("created_at ASC"),
        (CreatedAt, Descending) => select_owned!("created_at DESC"),
    }
}

/// $1 to $12, which insert and update share.
fn bind(statement: Statement, application: &Application) -> Statement {
    let settings = &application.settings;
    statement
        .text(&settings.name)
        .text(settings.name.to_lowercase())
        .text(&settings.throttling_policy)
        .text(&settings.description)
        .text(&settings.token_type)
        .json(&settings.attributes)
        .json(&settings.groups)
        .text(&settings.visibility)
        .word(&application.status)
        .time(application.updated_at)
        .id(application.id)
        .integer(application.version)
}

fn application(row: &Row) -> Result<Application, StoreError> {
    Ok(Application {
        id: row.id("id")?,
        owner: row.text("owner")?,
        settings: ApplicationSettings {
            name: row.text("name")?,
            throttling_policy: row.text("throttling_policy")?,
            description: row.text("description")?,
            token_type: row.text("token_type")?,
            attributes: row.json("attributes")?,
            groups: row.json("group_names")?,
            visibility: row.text("visibility")?,
        },
        status: row.word("status")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        version: row.integer("version")?,
    })
}
