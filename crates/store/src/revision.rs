//! Revisions of APIs and their deployments.

use async_trait::async_trait;
use domain::api::{Deployment, Revision};
use domain::id::{ApiId, RevisionId};

use crate::error::StoreError;
use crate::sql::{Row, SqlTx, Statement, Table, Unique};

#[async_trait]
pub trait Revisions: Send {
    /// The API's document is copied as it stands. `Duplicate { key: "number" }` when a revision of this API has or had this number or a higher one.
    async fn insert(&mut self, revision: &Revision) -> Result<(), StoreError>;

    /// `Reference` when it is deployed.
    async fn delete(&mut self, id: RevisionId) -> Result<(), StoreError>;

    /// Within one API.
    async fn find_in(&mut self, api: ApiId, id: RevisionId)
    -> Result<Option<Revision>, StoreError>;

    /// By number.
    async fn list_of(&mut self, api: ApiId) -> Result<Vec<Revision>, StoreError>;

    /// One more than the highest number that this API ever had; `Reference` when there is no such API.
    async fn next_number(&mut self, api: ApiId) -> Result<i64, StoreError>;

    /// Replaces what is deployed of this API in this environment; `Reference` unless the revision is this API's.
    async fn deploy(&mut self, deployment: &Deployment) -> Result<(), StoreError>;

    /// Whether there was something to take down.
    async fn undeploy(&mut self, api: ApiId, environment: &str) -> Result<bool, StoreError>;

    async fn deployments_of(&mut self, api: ApiId) -> Result<Vec<Deployment>, StoreError>;

    /// Every deployment, for compiling a whole snapshot.
    async fn list_deployments(&mut self) -> Result<Vec<Deployment>, StoreError>;
}

static REVISIONS: Table = Table {
    name: "revisions",
    noun: "revision",
    key: "id",
    unique: &[Unique {
        constraint: "revisions_api_number",
        columns: "revisions.api_id, revisions.number",
        key: "number",
    }],
};

static DEPLOYMENTS: Table = Table {
    name: "deployments",
    noun: "deployment",
    key: "API and environment",
    unique: &[],
};

/// One column list for all that reads revisions.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, api_id, number, description, settings, created_at FROM revisions ",
            $rest
        )
    };
}

/// One column list for all that reads deployments.
macro_rules! select_deployments {
    ($rest:literal) => {
        concat!(
            "SELECT api_id, revision_id, environment, vhost, display_on_devportal, deployed_at
             FROM deployments ",
            $rest
        )
    };
}

#[async_trait]
impl Revisions for SqlTx {
    async fn insert(&mut self, revision: &Revision) -> Result<(), StoreError> {
        let statement = Statement::new(
            &REVISIONS,
            // Copied within the database; without an API it is the reference to it that is refused.
            "INSERT INTO revisions (id, api_id, number, description, settings, created_at, definition)
             VALUES ($1, $2, $3, $4, $5, $6, COALESCE((SELECT definition FROM apis WHERE id = $2), ''))",
        )
        .id(revision.id)
        .id(revision.api_id)
        .integer(revision.number)
        .text(&revision.description)
        .json(&revision.settings)
        .time(revision.created_at);
        self.execute(statement).await?;
        // A number that a deleted revision had is not given out again.
        let given_out = Statement::new(
            &REVISIONS,
            "UPDATE apis SET last_revision = $1 WHERE id = $2 AND last_revision < $1",
        )
        .integer(revision.number)
        .id(revision.api_id);
        match self.execute(given_out).await? {
            0 => Err(StoreError::Duplicate {
                noun: REVISIONS.noun,
                key: "number",
            }),
            _ => Ok(()),
        }
    }

    async fn delete(&mut self, id: RevisionId) -> Result<(), StoreError> {
        let statement = Statement::new(&REVISIONS, "DELETE FROM revisions WHERE id = $1").id(id);
        self.execute(statement).await.map(|_| ())
    }

    async fn find_in(
        &mut self,
        api: ApiId,
        id: RevisionId,
    ) -> Result<Option<Revision>, StoreError> {
        let statement = Statement::new(&REVISIONS, select!("WHERE api_id = $1 AND id = $2"))
            .id(api)
            .id(id);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(revision)
            .transpose()
    }

    async fn list_of(&mut self, api: ApiId) -> Result<Vec<Revision>, StoreError> {
        let statement =
            Statement::new(&REVISIONS, select!("WHERE api_id = $1 ORDER BY number")).id(api);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(revision)
            .collect()
    }

    async fn next_number(&mut self, api: ApiId) -> Result<i64, StoreError> {
        let statement = Statement::new(
            &REVISIONS,
            "SELECT last_revision + 1 AS next_number FROM apis WHERE id = $1",
        )
        .id(api);
        let row = self.fetch_optional(statement).await?;
        let noun = REVISIONS.noun;
        row.ok_or(StoreError::Reference { noun })?
            .integer("next_number")
    }

    async fn deploy(&mut self, deployment: &Deployment) -> Result<(), StoreError> {
        let statement = Statement::new(
            &DEPLOYMENTS,
            "INSERT INTO deployments
                 (api_id, revision_id, environment, vhost, display_on_devportal, deployed_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (api_id, environment) DO UPDATE
             SET revision_id = excluded.revision_id, vhost = excluded.vhost,
                 display_on_devportal = excluded.display_on_devportal, deployed_at = excluded.deployed_at",
        )
        .id(deployment.api_id)
        .id(deployment.revision_id)
        .text(&deployment.environment)
        .text(&deployment.vhost)
        .flag(deployment.display_on_devportal)
        .time(deployment.deployed_at);
        self.execute(statement).await.map(|_| ())
    }

    async fn undeploy(&mut self, api: ApiId, environment: &str) -> Result<bool, StoreError> {
        let statement = Statement::new(
            &DEPLOYMENTS,
            "DELETE FROM deployments WHERE api_id = $1 AND environment = $2",
        )
        .id(api)
        .text(environment);
        Ok(self.execute(statement).await? > 0)
    }

    async fn deployments_of(&mut self, api: ApiId) -> Result<Vec<Deployment>, StoreError> {
        let statement = Statement::new(
            &DEPLOYMENTS,
            select_deployments!("WHERE api_id = $1 ORDER BY environment COLLATE \"C\""),
        )
        .id(api);
        self.fetch_all(statement)
            .await?
            .iter()
            .map(deployment)
            .collect()
    }

    async fn list_deployments(&mut self) -> Result<Vec<Deployment>, StoreError> {
        let statement = Statement::new(
            &DEPLOYMENTS,
            select_deployments!("ORDER BY api_id, environment COLLATE \"C\""),
        );
        self.fetch_all(statement)
            .await?
            .iter()
            .map(deployment)
            .collect()
    }
}

fn revision(row: &Row) -> Result<Revision, StoreError> {
    Ok(Revision {
        id: row.id("id")?,
        api_id: row.id("api_id")?,
        number: row.integer("number")?,
        description: row.text("description")?,
        settings: row.json("settings")?,
        created_at: row.time("created_at")?,
    })
}

fn deployment(row: &Row) -> Result<Deployment, StoreError> {
    Ok(Deployment {
        api_id: row.id("api_id")?,
        revision_id: row.id("revision_id")?,
        environment: row.text("environment")?,
        vhost: row.text("vhost")?,
        display_on_devportal: row.flag("display_on_devportal")?,
        deployed_at: row.time("deployed_at")?,
    })
}
