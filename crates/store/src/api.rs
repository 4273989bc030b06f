//! APIs. Their OpenAPI documents are large: only [`Apis::definition`] reads one.

use async_trait::async_trait;
use domain::api::{Api, KeyManagerSelection, LifecycleState, Viewer, Visibility};
use domain::id::ApiId;

use crate::error::StoreError;
use crate::page::{Listed, Page};
use crate::sql::{Row, SqlTx, Statement, Table, Unique, contains_pattern};

#[async_trait]
pub trait Apis: Send {
    /// `Duplicate { key: "name and version" }` or `Duplicate { key: "context and version" }`.
    async fn insert(&mut self, api: &Api, definition: &str) -> Result<(), StoreError>;

    /// Compares and advances the version; the document stays.
    async fn update(&mut self, api: &Api) -> Result<(), StoreError>;

    /// Replaces the document; `Stale` when there is no such API. The version is [`Self::update`]'s to advance.
    async fn replace_definition(&mut self, id: ApiId, definition: &str) -> Result<(), StoreError>;

    /// Takes revisions and deployments along; `Reference` when a subscription still names it.
    async fn delete(&mut self, id: ApiId) -> Result<(), StoreError>;

    async fn find(&mut self, id: ApiId) -> Result<Option<Api>, StoreError>;

    /// The API of this context, compared exactly, in this version.
    async fn find_at(&mut self, context: &str, version: &str) -> Result<Option<Api>, StoreError>;

    /// The OpenAPI document as it was given.
    async fn definition(&mut self, id: ApiId) -> Result<Option<String>, StoreError>;

    async fn list(&mut self, query: &ApiQuery, page: Page) -> Result<Listed<Api>, StoreError>;

    /// APIs that name this key manager, by name (those that accept all key managers are not listed).
    async fn list_naming_key_manager(
        &mut self,
        key_manager_name: &str,
        page: Page,
    ) -> Result<Listed<Api>, StoreError>;
}

#[derive(Clone, Debug, Default)]
pub struct ApiQuery {
    /// Any letter case; empty means any.
    pub name_contains: String,
    /// Empty means any.
    pub lifecycle: Vec<LifecycleState>,
    /// Only what [`Viewer::sees`] says yes to.
    pub viewer: Viewer,
}

static APIS: Table = Table {
    name: "apis",
    noun: "API",
    key: "id",
    unique: &[
        Unique {
            constraint: "apis_name_version",
            columns: "apis.name, apis.api_version",
            key: "name and version",
        },
        Unique {
            constraint: "apis_context_version",
            columns: "apis.context, apis.api_version",
            key: "context and version",
        },
    ],
};

/// One column list for all that reads APIs. Name, context and version are inside the settings.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, provider, settings, lifecycle, created_at, updated_at, version FROM apis ",
            $rest
        )
    };
}

/// The same for how many there are.
macro_rules! count {
    ($rest:literal) => {
        concat!("SELECT COUNT(*) AS total FROM apis ", $rest)
    };
}

#[async_trait]
impl Apis for SqlTx {
    async fn insert(&mut self, api: &Api, definition: &str) -> Result<(), StoreError> {
        let statement = Statement::new(
            &APIS,
            "INSERT INTO apis
                 (name, name_folded, context, api_version, settings, visibility, lifecycle, updated_at, id,
                  version, provider, created_at, definition, last_revision)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)",
        );
        let statement = bind(statement, api)
            .text(&api.provider)
            .time(api.created_at)
            .text(definition);
        self.execute(statement).await?;
        self.replace_named_key_managers(api).await?;
        self.replace_visible_roles(api).await
    }

    async fn update(&mut self, api: &Api) -> Result<(), StoreError> {
        let statement = Statement::new(
            &APIS,
            "UPDATE apis
             SET name = $1, name_folded = $2, context = $3, api_version = $4, settings = $5,
                 visibility = $6, lifecycle = $7, updated_at = $8, version = version + 1
             WHERE id = $9 AND version = $10",
        );
        self.execute_one(bind(statement, api)).await?;
        self.replace_named_key_managers(api).await?;
        self.replace_visible_roles(api).await
    }

    async fn replace_definition(&mut self, id: ApiId, definition: &str) -> Result<(), StoreError> {
        let statement = Statement::new(&APIS, "UPDATE apis SET definition = $1 WHERE id = $2")
            .text(definition)
            .id(id);
        self.execute_one(statement).await
    }

    async fn delete(&mut self, id: ApiId) -> Result<(), StoreError> {
        // Before the revisions, which it refers to.
        let deployments = Statement::new(&APIS, "DELETE FROM deployments WHERE api_id = $1").id(id);
        self.execute(deployments).await?;
        let statement = Statement::new(&APIS, "DELETE FROM apis WHERE id = $1").id(id);
        self.execute(statement).await.map(|_| ())
    }

    async fn find(&mut self, id: ApiId) -> Result<Option<Api>, StoreError> {
        let statement = Statement::new(&APIS, select!("WHERE id = $1")).id(id);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(api)
            .transpose()
    }

    async fn find_at(&mut self, context: &str, version: &str) -> Result<Option<Api>, StoreError> {
        let select = select!("WHERE context = $1 AND api_version = $2");
        let statement = Statement::new(&APIS, select).text(context).text(version);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(api)
            .transpose()
    }

    async fn definition(&mut self, id: ApiId) -> Result<Option<String>, StoreError> {
        let statement = Statement::new(&APIS, "SELECT definition FROM apis WHERE id = $1").id(id);
        self.fetch_optional(statement)
            .await?
            .map(|row| row.text("definition"))
            .transpose()
    }

    async fn list(&mut self, query: &ApiQuery, page: Page) -> Result<Listed<Api>, StoreError> {
        let total = Statement::new(
            &APIS,
            count!(
                "WHERE name_folded LIKE $1 ESCAPE '~'
                   AND ($2 = '' OR $2 LIKE '%,' || lifecycle || ',%')
                   AND ($3 = '' OR $3 LIKE '%,' || visibility || ',%'
                        OR EXISTS (SELECT 1 FROM api_roles
                                   WHERE api_id = apis.id AND REPLACE($4, ',' || role || ',', '') <> $4))"
            ),
        );
        let total = self.fetch_count(bind_query(total, query)).await?;
        let statement = Statement::new(
            &APIS,
            select!(
                "WHERE name_folded LIKE $1 ESCAPE '~'
                   AND ($2 = '' OR $2 LIKE '%,' || lifecycle || ',%')
                   AND ($3 = '' OR $3 LIKE '%,' || visibility || ',%'
                        OR EXISTS (SELECT 1 FROM api_roles
                                   WHERE api_id = apis.id AND REPLACE($4, ',' || role || ',', '') <> $4))
                 ORDER BY name_folded COLLATE \"C\", api_version COLLATE \"C\", id LIMIT $5 OFFSET $6"
            ),
        );
        self.list_apis(total, bind_query(statement, query).page(page))
            .await
    }

    async fn list_naming_key_manager(
        &mut self,
        key_manager_name: &str,
        page: Page,
    ) -> Result<Listed<Api>, StoreError> {
        let total = Statement::new(
            &APIS,
            count!("WHERE id IN (SELECT api_id FROM api_key_managers WHERE key_manager_name = $1)"),
        )
        .text(key_manager_name);
        let total = self.fetch_count(total).await?;
        let statement = Statement::new(
            &APIS,
            select!(
                "WHERE id IN (SELECT api_id FROM api_key_managers WHERE key_manager_name = $1)
                 ORDER BY name_folded COLLATE \"C\", api_version COLLATE \"C\", id LIMIT $2 OFFSET $3"
            ),
        )
        .text(key_manager_name)
        .page(page);
        self.list_apis(total, statement).await
    }
}

impl SqlTx {
    async fn list_apis(
        &mut self,
        total: u64,
        statement: Statement,
    ) -> Result<Listed<Api>, StoreError> {
        let rows = self.fetch_all(statement).await?;
        let items = rows.iter().map(api).collect::<Result<_, _>>()?;
        Ok(Listed { items, total })
    }

    async fn replace_named_key_managers(&mut self, api: &Api) -> Result<(), StoreError> {
        let forget =
            Statement::new(&APIS, "DELETE FROM api_key_managers WHERE api_id = $1").id(api.id);
        self.execute(forget).await?;
        let KeyManagerSelection::Only(names) = &api.settings.key_managers else {
            return Ok(());
        };
        for name in names {
            let statement = Statement::new(
                &APIS,
                "INSERT INTO api_key_managers (key_manager_name, api_id) VALUES ($1, $2)
                 ON CONFLICT DO NOTHING",
            )
            .text(name)
            .id(api.id);
            self.execute(statement).await?;
        }
        Ok(())
    }

    async fn replace_visible_roles(&mut self, api: &Api) -> Result<(), StoreError> {
        let forget = Statement::new(&APIS, "DELETE FROM api_roles WHERE api_id = $1").id(api.id);
        self.execute(forget).await?;
        let Visibility::Restricted(roles) = &api.settings.visibility else {
            return Ok(());
        };
        for role in roles.iter().filter(|role| can_be_searched(role)) {
            let statement = Statement::new(
                &APIS,
                "INSERT INTO api_roles (role, api_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .text(role)
            .id(api.id);
            self.execute(statement).await?;
        }
        Ok(())
    }
}

/// $1 to $10, which insert and update share.
fn bind(statement: Statement, api: &Api) -> Statement {
    let settings = &api.settings;
    statement
        .text(&settings.name)
        .text(settings.name.to_lowercase())
        .text(&settings.context)
        .text(&settings.version)
        .json(settings)
        .text(visibility_word(&settings.visibility))
        .word(&api.lifecycle)
        .time(api.updated_at)
        .id(api.id)
        .integer(api.version)
}

/// $1 to $5 of a list.
fn bind_query(statement: Statement, query: &ApiQuery) -> Statement {
    let states = in_commas(query.lifecycle.iter().map(|state| state.as_str()));
    let (open, roles) = match &query.viewer {
        Viewer::All => (String::new(), String::new()),
        Viewer::Anonymous => (in_commas(["PUBLIC"]), String::new()),
        Viewer::SignedIn(roles) => (
            in_commas(["PUBLIC", "PRIVATE"]),
            in_commas(
                roles
                    .iter()
                    .map(String::as_str)
                    .filter(|role| can_be_searched(role)),
            ),
        ),
    };
    statement
        .text(contains_pattern(&query.name_contains))
        .text(states)
        .text(open)
        .text(roles)
}

/// Several words as one value, which both engines can search: a comma before and after each of them.
fn in_commas<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for word in words {
        text.push(',');
        text.push_str(word);
        text.push(',');
    }
    text
}

/// No user's role contains a comma. One that does would match across two that do not, so that nobody holds it here.
fn can_be_searched(role: &str) -> bool {
    !role.contains(',')
}

fn visibility_word(visibility: &Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "PUBLIC",
        Visibility::Private => "PRIVATE",
        Visibility::Restricted(_) => "RESTRICTED",
    }
}

fn api(row: &Row) -> Result<Api, StoreError> {
    Ok(Api {
        id: row.id("id")?,
        provider: row.text("provider")?,
        settings: row.json("settings")?,
        lifecycle: row.word("lifecycle")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        version: row.integer("version")?,
    })
}
