//! Key mappings: one per application, key type and key manager; consumer secrets sealed.

use async_trait::async_trait;
use domain::id::{ApplicationId, KeyManagerId, KeyMappingId};
use domain::key_mapping::{KeyMapping, KeyType};

use crate::error::StoreError;
use crate::seal::Place;
use crate::sql::{Row, SqlTx, Statement, Table, Unique};

#[async_trait]
pub trait KeyMappings: Send {
    /// `Duplicate { key: "application, key type and key manager" }`, or `Duplicate { key: "consumer key" }` when
    /// another mapping of the same key manager has it.
    async fn insert(&mut self, mapping: &KeyMapping) -> Result<(), StoreError>;

    /// Compares and advances the version. `Duplicate { key: "consumer key" }` as for insert.
    async fn update(&mut self, mapping: &KeyMapping) -> Result<(), StoreError>;

    /// Takes finished jobs and their journals along; `Reference` when a job is unfinished.
    async fn delete(&mut self, id: KeyMappingId) -> Result<(), StoreError>;

    async fn find(&mut self, id: KeyMappingId) -> Result<Option<KeyMapping>, StoreError>;

    /// Within one application: a mapping of another application is not found.
    async fn find_in(
        &mut self,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<Option<KeyMapping>, StoreError>;

    async fn find_for(
        &mut self,
        application: ApplicationId,
        key_type: KeyType,
        key_manager: KeyManagerId,
    ) -> Result<Option<KeyMapping>, StoreError>;

    async fn find_by_consumer_key(
        &mut self,
        key_manager: KeyManagerId,
        consumer_key: &str,
    ) -> Result<Option<KeyMapping>, StoreError>;

    /// By key type, then by key manager in the order of their creation.
    async fn list_of(&mut self, application: ApplicationId) -> Result<Vec<KeyMapping>, StoreError>;

    /// How many mappings name this key manager.
    async fn count_using(&mut self, key_manager: KeyManagerId) -> Result<u64, StoreError>;

    async fn scan(
        &mut self,
        after: Option<KeyMappingId>,
        limit: u32,
    ) -> Result<Vec<KeyMapping>, StoreError>;

    /// Everything at one key manager, in id order after `after`.
    async fn scan_using(
        &mut self,
        key_manager: KeyManagerId,
        after: Option<KeyMappingId>,
        limit: u32,
    ) -> Result<Vec<KeyMapping>, StoreError>;
}

static KEY_MAPPINGS: Table = Table {
    name: "key_mappings",
    noun: "key mapping",
    key: "id",
    unique: &[
        Unique {
            constraint: "key_mappings_application",
            columns: "key_mappings.application_id, key_mappings.key_type, key_mappings.key_manager_id",
            key: "application, key type and key manager",
        },
        Unique {
            constraint: "key_mappings_consumer_key",
            columns: "key_mappings.key_manager_id, key_mappings.consumer_key",
            key: "consumer key",
        },
    ],
};

/// One column list for all that reads key mappings.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, application_id, key_manager_id, key_type, mode, state, consumer_key, consumer_secret,
                    provider_reference, grant_types, callback_url, additional_properties, created_at,
                    updated_at, version
             FROM key_mappings ",
            $rest
        )
    };
}

#[async_trait]
impl KeyMappings for SqlTx {
    async fn insert(&mut self, mapping: &KeyMapping) -> Result<(), StoreError> {
        let statement = Statement::new(
            &KEY_MAPPINGS,
            "INSERT INTO key_mappings
                 (mode, state, consumer_key, consumer_secret, provider_reference, grant_types, callback_url,
                  additional_properties, updated_at, id, version, application_id, key_manager_id, key_type,
                  created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        );
        let statement = self
            .bind_key_mapping(statement, mapping)
            .id(mapping.application_id)
            .id(mapping.key_manager_id)
            .word(&mapping.key_type)
            .time(mapping.created_at);
        self.execute(statement).await.map(|_| ())
    }

    async fn update(&mut self, mapping: &KeyMapping) -> Result<(), StoreError> {
        // Application, key manager and key type are what the mapping is; they stay.
        let statement = Statement::new(
            &KEY_MAPPINGS,
            "UPDATE key_mappings
             SET mode = $1, state = $2, consumer_key = $3, consumer_secret = $4, provider_reference = $5,
                 grant_types = $6, callback_url = $7, additional_properties = $8, updated_at = $9,
                 version = version + 1
             WHERE id = $10 AND version = $11",
        );
        let statement = self.bind_key_mapping(statement, mapping);
        self.execute_one(statement).await
    }

    async fn delete(&mut self, id: KeyMappingId) -> Result<(), StoreError> {
        let jobs = Statement::new(
            &KEY_MAPPINGS,
            "DELETE FROM provisioning_jobs
             WHERE key_mapping_id = $1 AND state IN ('succeeded', 'failed')",
        )
        .id(id);
        self.execute(jobs).await?;
        let statement =
            Statement::new(&KEY_MAPPINGS, "DELETE FROM key_mappings WHERE id = $1").id(id);
        self.execute(statement).await.map(|_| ())
    }

    async fn find(&mut self, id: KeyMappingId) -> Result<Option<KeyMapping>, StoreError> {
        let statement = Statement::new(&KEY_MAPPINGS, select!("WHERE id = $1")).id(id);
        self.find_key_mapping(statement).await
    }

    async fn find_in(
        &mut self,
        application: ApplicationId,
        id: KeyMappingId,
    ) -> Result<Option<KeyMapping>, StoreError> {
        let statement = Statement::new(
            &KEY_MAPPINGS,
            select!("WHERE application_id = $1 AND id = $2"),
        )
        .id(application)
        .id(id);
        self.find_key_mapping(statement).await
    }

    async fn find_for(
        &mut self,
        application: ApplicationId,
        key_type: KeyType,
        key_manager: KeyManagerId,
    ) -> Result<Option<KeyMapping>, StoreError> {
        let statement = Statement::new(
            &KEY_MAPPINGS,
            select!("WHERE application_id = $1 AND key_type = $2 AND key_manager_id = $3"),
        )
        .id(application)
        .word(&key_type)
        .id(key_manager);
        self.find_key_mapping(statement).await
    }

    async fn find_by_consumer_key(
        &mut self,
        key_manager: KeyManagerId,
        consumer_key: &str,
    ) -> Result<Option<KeyMapping>, StoreError> {
        let statement = Statement::new(
            &KEY_MAPPINGS,
            select!("WHERE key_manager_id = $1 AND consumer_key = $2"),
        )
        .id(key_manager)
        .text(consumer_key);
        self.find_key_mapping(statement).await
    }

    async fn list_of(&mut self, application: ApplicationId) -> Result<Vec<KeyMapping>, StoreError> {
        let statement = Statement::new(
            &KEY_MAPPINGS,
            select!("WHERE application_id = $1 ORDER BY key_type, key_manager_id"),
        )
        .id(application);
        self.list_key_mappings(statement).await
    }

    async fn count_using(&mut self, key_manager: KeyManagerId) -> Result<u64, StoreError> {
        let statement = Statement::new(
            &KEY_MAPPINGS,
            "SELECT COUNT(*) AS total FROM key_mappings WHERE key_manager_id = $1",
        )
        .id(key_manager);
        self.fetch_count(statement).await
    }

    async fn scan(
        &mut self,
        after: Option<KeyMappingId>,
        limit: u32,
    ) -> Result<Vec<KeyMapping>, StoreError> {
        let statement =
            Statement::new(&KEY_MAPPINGS, select!("WHERE id > $1 ORDER BY id LIMIT $2"))
                .after(after)
                .limit(limit);
        self.list_key_mappings(statement).await
    }

    async fn scan_using(
        &mut self,
        key_manager: KeyManagerId,
        after: Option<KeyMappingId>,
        limit: u32,
    ) -> Result<Vec<KeyMapping>, StoreError> {
        let statement = Statement::new(
            &KEY_MAPPINGS,
            select!("WHERE key_manager_id = $1 AND id > $2 ORDER BY id LIMIT $3"),
        )
        .id(key_manager)
        .after(after)
        .limit(limit);
        self.list_key_mappings(statement).await
    }
}

impl SqlTx {
    /// $1 to $11, which insert and update share.
    fn bind_key_mapping(&self, statement: Statement, mapping: &KeyMapping) -> Statement {
        let id = mapping.id.to_string();
        statement
            .word(&mapping.mode)
            .json(&mapping.state)
            .optional_text(mapping.consumer_key.clone())
            .optional_sealed(
                &self.seal,
                consumer_secret_of(&id),
                mapping.consumer_secret.as_ref(),
            )
            .json(&mapping.provider_reference)
            .json(&mapping.grant_types)
            .optional_text(mapping.callback_url.clone())
            .json(&mapping.additional_properties)
            .time(mapping.updated_at)
            .text(id.as_str())
            .integer(mapping.version)
    }

    async fn find_key_mapping(
        &mut self,
        statement: Statement,
    ) -> Result<Option<KeyMapping>, StoreError> {
        let row = self.fetch_optional(statement).await?;
        row.map(|row| self.key_mapping(&row)).transpose()
    }

    async fn list_key_mappings(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<KeyMapping>, StoreError> {
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| self.key_mapping(row)).collect()
    }

    fn key_mapping(&self, row: &Row) -> Result<KeyMapping, StoreError> {
        let id = row.text("id")?;
        Ok(KeyMapping {
            id: row.id("id")?,
            application_id: row.id("application_id")?,
            key_manager_id: row.id("key_manager_id")?,
            key_type: row.word("key_type")?,
            mode: row.word("mode")?,
            state: row.json("state")?,
            consumer_key: row.optional_text("consumer_key")?,
            consumer_secret: row.optional_sealed(&self.seal, consumer_secret_of(&id))?,
            provider_reference: row.json("provider_reference")?,
            grant_types: row.json("grant_types")?,
            callback_url: row.optional_text("callback_url")?,
            additional_properties: row.json("additional_properties")?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
            version: row.integer("version")?,
        })
    }
}

fn consumer_secret_of(id: &str) -> Place<'_> {
    Place {
        table: "key_mappings",
        column: "consumer_secret",
        row: id,
    }
}
