//! OAuth clients of Claviger's own REST APIs.

use async_trait::async_trait;
use domain::oauth_client::OAuthClient;

use crate::error::StoreError;
use crate::sql::{Row, SqlTx, Statement, Table, Unique};

#[async_trait]
pub trait OAuthClients: Send {
    /// `Duplicate { key: "name" }` when the owner has one of that name.
    async fn insert(&mut self, client: &OAuthClient) -> Result<(), StoreError>;

    /// A new secret hash and new grant types for a client that registers again.
    async fn update(&mut self, client: &OAuthClient) -> Result<(), StoreError>;

    async fn find_by_client_id(
        &mut self,
        client_id: &str,
    ) -> Result<Option<OAuthClient>, StoreError>;

    async fn find_by_name(
        &mut self,
        owner: &str,
        name: &str,
    ) -> Result<Option<OAuthClient>, StoreError>;

    async fn count_of(&mut self, owner: &str) -> Result<u64, StoreError>;
}

static OAUTH_CLIENTS: Table = Table {
    name: "oauth_clients",
    noun: "OAuth client",
    key: "id",
    unique: &[
        Unique {
            constraint: "oauth_clients_owner_name",
            columns: "oauth_clients.owner, oauth_clients.name",
            key: "name",
        },
        Unique {
            constraint: "oauth_clients_client_id",
            columns: "oauth_clients.client_id",
            key: "client id",
        },
    ],
};

/// One column list for all that reads OAuth clients.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, client_id, secret_hash, name, owner, callback_url, grant_types, created_at
             FROM oauth_clients ",
            $rest
        )
    };
}

#[async_trait]
impl OAuthClients for SqlTx {
    async fn insert(&mut self, client: &OAuthClient) -> Result<(), StoreError> {
        let statement = Statement::new(
            &OAUTH_CLIENTS,
            "INSERT INTO oauth_clients
                 (id, client_id, secret_hash, name, owner, callback_url, grant_types, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .id(client.id)
        .text(&client.client_id)
        .text(&client.secret_hash)
        .text(&client.name)
        .text(&client.owner)
        .text(&client.callback_url)
        .json(&client.grant_types)
        .time(client.created_at);
        self.execute(statement).await.map(|_| ())
    }

    async fn update(&mut self, client: &OAuthClient) -> Result<(), StoreError> {
        // Name, owner and client id are what the client is; they stay.
        let statement = Statement::new(
            &OAUTH_CLIENTS,
            "UPDATE oauth_clients SET secret_hash = $1, callback_url = $2, grant_types = $3 WHERE id = $4",
        )
        .text(&client.secret_hash)
        .text(&client.callback_url)
        .json(&client.grant_types)
        .id(client.id);
        self.execute_one(statement).await
    }

    async fn find_by_client_id(
        &mut self,
        client_id: &str,
    ) -> Result<Option<OAuthClient>, StoreError> {
        let statement =
            Statement::new(&OAUTH_CLIENTS, select!("WHERE client_id = $1")).text(client_id);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(client)
            .transpose()
    }

    async fn find_by_name(
        &mut self,
        owner: &str,
        name: &str,
    ) -> Result<Option<OAuthClient>, StoreError> {
        let statement = Statement::new(&OAUTH_CLIENTS, select!("WHERE owner = $1 AND name = $2"))
            .text(owner)
            .text(name);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(client)
            .transpose()
    }

    async fn count_of(&mut self, owner: &str) -> Result<u64, StoreError> {
        let statement = Statement::new(
            &OAUTH_CLIENTS,
            "SELECT COUNT(*) AS total FROM oauth_clients WHERE owner = $1",
        )
        .text(owner);
        self.fetch_count(statement).await
    }
}

fn client(row: &Row) -> Result<OAuthClient, StoreError> {
    Ok(OAuthClient {
        id: row.id("id")?,
        client_id: row.text("client_id")?,
        secret_hash: row.text("secret_hash")?,
        name: row.text("name")?,
        owner: row.text("owner")?,
        callback_url: row.text("callback_url")?,
        grant_types: row.json("grant_types")?,
        created_at: row.time("created_at")?,
    })
}
