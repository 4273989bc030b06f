//! Access tokens of Claviger's own REST APIs, by their hash.

use async_trait::async_trait;
use domain::user::AccessTokenGrant;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::sql::{Row, SqlTx, Statement, Table};

#[async_trait]
pub trait AccessTokens: Send {
    async fn insert(&mut self, grant: &AccessTokenGrant) -> Result<(), StoreError>;

    /// Expired or not: the caller has the clock.
    async fn find(&mut self, token_hash: &str) -> Result<Option<AccessTokenGrant>, StoreError>;

    async fn delete(&mut self, token_hash: &str) -> Result<(), StoreError>;

    /// Removes a user's, expired or not.
    async fn delete_of(&mut self, username: &str) -> Result<(), StoreError>;

    /// Removes what has expired; says how many.
    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError>;
}

static ACCESS_TOKENS: Table = Table {
    name: "access_tokens",
    noun: "access token",
    key: "hash",
    unique: &[],
};

#[async_trait]
impl AccessTokens for SqlTx {
    async fn insert(&mut self, grant: &AccessTokenGrant) -> Result<(), StoreError> {
        let statement = Statement::new(
            &ACCESS_TOKENS,
            "INSERT INTO access_tokens
                 (token_hash, client_id, username, scopes, issued_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .text(&grant.token_hash)
        .text(&grant.client_id)
        .text(&grant.username)
        .json(&grant.scopes)
        .time(grant.issued_at)
        .time(grant.expires_at);
        self.execute(statement).await.map(|_| ())
    }

    async fn find(&mut self, token_hash: &str) -> Result<Option<AccessTokenGrant>, StoreError> {
        let statement = Statement::new(
            &ACCESS_TOKENS,
            "SELECT token_hash, client_id, username, scopes, issued_at, expires_at
             FROM access_tokens WHERE token_hash = $1",
        )
        .text(token_hash);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(grant)
            .transpose()
    }

    async fn delete(&mut self, token_hash: &str) -> Result<(), StoreError> {
        let statement = Statement::new(
            &ACCESS_TOKENS,
            "DELETE FROM access_tokens WHERE token_hash = $1",
        )
        .text(token_hash);
        self.execute(statement).await.map(|_| ())
    }

    async fn delete_of(&mut self, username: &str) -> Result<(), StoreError> {
        let statement = Statement::new(
            &ACCESS_TOKENS,
            "DELETE FROM access_tokens WHERE username = $1",
        )
        .text(username);
        self.execute(statement).await.map(|_| ())
    }

    async fn delete_expired(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let statement = Statement::new(
            &ACCESS_TOKENS,
            "DELETE FROM access_tokens WHERE expires_at <= $1",
        )
        .time(now);
        self.execute(statement).await
    }
}

fn grant(row: &Row) -> Result<AccessTokenGrant, StoreError> {
    Ok(AccessTokenGrant {
        token_hash: row.text("token_hash")?,
        client_id: row.text("client_id")?,
        username: row.text("username")?,
        scopes: row.json("scopes")?,
        issued_at: row.time("issued_at")?,
        expires_at: row.time("expires_at")?,
    })
}
