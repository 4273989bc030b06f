//! Key managers: configuration in columns and JSON, secrets sealed.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::SecretString;
use domain::id::KeyManagerId;
use domain::key_manager::{KeyManager, KeyManagerSettings};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::seal::Place;
use crate::sql::{Row, SqlTx, Statement, Table, Unique};

#[async_trait]
pub trait KeyManagers: Send {
    /// `Duplicate { key: "name" }` when the name is taken.
    async fn insert(&mut self, key_manager: &KeyManager) -> Result<(), StoreError>;

    /// Compares and advances the version.
    async fn update(&mut self, key_manager: &KeyManager) -> Result<(), StoreError>;

    /// `Reference` when a key mapping still names it.
    async fn delete(&mut self, id: KeyManagerId) -> Result<(), StoreError>;

    async fn find(&mut self, id: KeyManagerId) -> Result<Option<KeyManager>, StoreError>;

    async fn find_by_name(&mut self, name: &str) -> Result<Option<KeyManager>, StoreError>;

    /// By name. There are never many key managers, so there is no paging.
    async fn list(&mut self) -> Result<Vec<KeyManager>, StoreError>;
}

static KEY_MANAGERS: Table = Table {
    name: "key_managers",
    noun: "key manager",
    key: "id",
    unique: &[Unique {
        constraint: "key_managers_name",
        columns: "key_managers.name",
        key: "name",
    }],
};

/// One column list for all that reads key managers.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, display_name, connector_type, description, enabled, endpoints, issuer, alias,
                    certificates, consumer_key_claim, scopes_claim, claim_mappings, available_grant_types,
                    capabilities, token_validation, token_type, permissions, allowed_organizations,
                    visible_everywhere, configuration, secrets, created_at, updated_at, version
             FROM key_managers ",
            $rest
        )
    };
}

#[async_trait]
impl KeyManagers for SqlTx {
    async fn insert(&mut self, key_manager: &KeyManager) -> Result<(), StoreError> {
        let statement = Statement::new(
            &KEY_MANAGERS,
            "INSERT INTO key_managers
                 (name, name_folded, display_name, connector_type, description, enabled, endpoints, issuer,
                  alias, certificates, consumer_key_claim, scopes_claim, claim_mappings,
                  available_grant_types, capabilities, token_validation, token_type, permissions,
                  allowed_organizations, visible_everywhere, configuration, secrets, updated_at, id, version,
                  created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                     $20, $21, $22, $23, $24, $25, $26)",
        );
        let statement = self
            .bind_key_manager(statement, key_manager)
            .time(key_manager.created_at);
        self.execute(statement).await.map(|_| ())
    }

    async fn update(&mut self, key_manager: &KeyManager) -> Result<(), StoreError> {
        let statement = Statement::new(
            &KEY_MANAGERS,
            "UPDATE key_managers
             SET name = $1, name_folded = $2, display_name = $3, connector_type = $4, description = $5,
                 enabled = $6, endpoints = $7, issuer = $8, alias = $9, certificates = $10,
                 consumer_key_claim = $11, scopes_claim = $12, claim_mappings = $13,
                 available_grant_types = $14, capabilities = $15, token_validation = $16, token_type = $17,
                 permissions = $18, allowed_organizations = $19, visible_everywhere = $20,
                 configuration = $21, secrets = $22, updated_at = $23, version = version + 1
             WHERE id = $24 AND version = $25",
        );
        let statement = self.bind_key_manager(statement, key_manager);
        self.execute_one(statement).await
    }

    async fn delete(&mut self, id: KeyManagerId) -> Result<(), StoreError> {
        let statement =
            Statement::new(&KEY_MANAGERS, "DELETE FROM key_managers WHERE id = $1").id(id);
        self.execute(statement).await.map(|_| ())
    }

    async fn find(&mut self, id: KeyManagerId) -> Result<Option<KeyManager>, StoreError> {
        let statement = Statement::new(&KEY_MANAGERS, select!("WHERE id = $1")).id(id);
        let row = self.fetch_optional(statement).await?;
        row.map(|row| self.key_manager(&row)).transpose()
    }

    async fn find_by_name(&mut self, name: &str) -> Result<Option<KeyManager>, StoreError> {
        let statement = Statement::new(&KEY_MANAGERS, select!("WHERE name = $1")).text(name);
        let row = self.fetch_optional(statement).await?;
        row.map(|row| self.key_manager(&row)).transpose()
    }

    async fn list(&mut self) -> Result<Vec<KeyManager>, StoreError> {
        let statement = Statement::new(
            &KEY_MANAGERS,
            select!("ORDER BY name_folded COLLATE \"C\", name COLLATE \"C\""),
        );
        let rows = self.fetch_all(statement).await?;
        rows.iter().map(|row| self.key_manager(row)).collect()
    }
}

impl SqlTx {
    /// $1 to $25, which insert and update share.
    fn bind_key_manager(&self, statement: Statement, key_manager: &KeyManager) -> Statement {
        let id = key_manager.id.to_string();
        let settings = &key_manager.settings;
        statement
            .text(&settings.name)
            .text(settings.name.to_lowercase())
            .text(&settings.display_name)
            .text(&settings.connector_type)
            .text(&settings.description)
            .flag(settings.enabled)
            .json(&settings.endpoints)
            .text(&settings.issuer)
            .optional_text(settings.alias.clone())
            .optional_json(settings.certificates.as_ref())
            .text(&settings.consumer_key_claim)
            .text(&settings.scopes_claim)
            .json(&settings.claim_mappings)
            .json(&settings.available_grant_types)
            .json(&settings.capabilities)
            .json(&settings.token_validation)
            .word(&settings.token_type)
            .json(&settings.permissions)
            .json(&settings.allowed_organizations)
            .flag(settings.global)
            .json(&settings.configuration)
            .sealed(&self.seal, secrets_of(&id), &clear_text(&settings.secrets))
            .time(key_manager.updated_at)
            .text(id.as_str())
            .integer(key_manager.version)
    }

    fn key_manager(&self, row: &Row) -> Result<KeyManager, StoreError> {
        let id = row.text("id")?;
        let secrets = row.sealed(&self.seal, secrets_of(&id))?;
        Ok(KeyManager {
            id: row.id("id")?,
            settings: KeyManagerSettings {
                name: row.text("name")?,
                display_name: row.text("display_name")?,
                connector_type: row.text("connector_type")?,
                description: row.text("description")?,
                enabled: row.flag("enabled")?,
                endpoints: row.json("endpoints")?,
                issuer: row.text("issuer")?,
                alias: row.optional_text("alias")?,
                certificates: row.optional_json("certificates")?,
                consumer_key_claim: row.text("consumer_key_claim")?,
                scopes_claim: row.text("scopes_claim")?,
                claim_mappings: row.json("claim_mappings")?,
                available_grant_types: row.json("available_grant_types")?,
                capabilities: row.json("capabilities")?,
                token_validation: row.json("token_validation")?,
                token_type: row.word("token_type")?,
                permissions: row.json("permissions")?,
                allowed_organizations: row.json("allowed_organizations")?,
                global: row.flag("visible_everywhere")?,
                configuration: row.json("configuration")?,
                secrets: from_clear_text(&secrets).ok_or_else(|| row.corrupt("secrets"))?,
            },
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
            version: row.integer("version")?,
        })
    }
}

fn secrets_of(id: &str) -> Place<'_> {
    Place {
        table: "key_managers",
        column: "secrets",
        row: id,
    }
}

/// All secrets of a key manager as one text, which is sealed as a whole: not even their names stay readable.
fn clear_text(secrets: &BTreeMap<String, SecretString>) -> Zeroizing<String> {
    let exposed: BTreeMap<&str, &str> = secrets
        .iter()
        .map(|(name, secret)| (name.as_str(), secret.expose_secret()))
        .collect();
    Zeroizing::new(serde_json::to_string(&exposed).expect("a map of texts always serialises"))
}

fn from_clear_text(text: &SecretString) -> Option<BTreeMap<String, SecretString>> {
    let secrets: BTreeMap<String, String> = serde_json::from_str(text.expose_secret()).ok()?;
    Some(
        secrets
            .into_iter()
            .map(|(name, secret)| (name, SecretString::from(secret)))
            .collect(),
    )
}
