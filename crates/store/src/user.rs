//! Local users.

use async_trait::async_trait;
use domain::user::User;

use crate::error::StoreError;
use crate::sql::{Row, SqlTx, Statement, Table, Unique};

#[async_trait]
pub trait Users: Send {
    /// `Duplicate { key: "username" }`.
    async fn insert(&mut self, user: &User) -> Result<(), StoreError>;

    /// Compares and advances the version.
    async fn update(&mut self, user: &User) -> Result<(), StoreError>;

    async fn find(&mut self, username: &str) -> Result<Option<User>, StoreError>;

    async fn list(&mut self) -> Result<Vec<User>, StoreError>;

    async fn count(&mut self) -> Result<u64, StoreError>;

    /// Whether any user holds this role.
    async fn role_exists(&mut self, role: &str) -> Result<bool, StoreError>;
}

static USERS: Table = Table {
    name: "users",
    noun: "user",
    key: "id",
    unique: &[Unique {
        constraint: "users_username",
        columns: "users.username",
        key: "username",
    }],
};

/// One column list for all that reads users.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, username, password_hash, roles, enabled, created_at, updated_at, version FROM users ",
            $rest
        )
    };
}

#[async_trait]
impl Users for SqlTx {
    async fn insert(&mut self, user: &User) -> Result<(), StoreError> {
        let statement = Statement::new(
            &USERS,
            "INSERT INTO users
                 (id, username, password_hash, roles, enabled, created_at, updated_at, version)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .id(user.id)
        .text(&user.username)
        .text(&user.password_hash)
        .json(&user.roles)
        .flag(user.enabled)
        .time(user.created_at)
        .time(user.updated_at)
        .integer(user.version);
        self.execute(statement).await?;
        self.replace_roles(user).await
    }

    async fn update(&mut self, user: &User) -> Result<(), StoreError> {
        let statement = Statement::new(
            &USERS,
            "UPDATE users
             SET username = $1, password_hash = $2, roles = $3, enabled = $4, updated_at = $5,
                 version = version + 1
             WHERE id = $6 AND version = $7",
        )
        .text(&user.username)
        .text(&user.password_hash)
        .json(&user.roles)
        .flag(user.enabled)
        .time(user.updated_at)
        .id(user.id)
        .integer(user.version);
        self.execute_one(statement).await?;
        self.replace_roles(user).await
    }

    async fn find(&mut self, username: &str) -> Result<Option<User>, StoreError> {
        let statement = Statement::new(&USERS, select!("WHERE username = $1")).text(username);
        self.fetch_optional(statement)
            .await?
            .as_ref()
            .map(user)
            .transpose()
    }

    async fn list(&mut self) -> Result<Vec<User>, StoreError> {
        let statement = Statement::new(&USERS, select!("ORDER BY username COLLATE \"C\""));
        self.fetch_all(statement).await?.iter().map(user).collect()
    }

    async fn count(&mut self) -> Result<u64, StoreError> {
        self.fetch_count(Statement::new(
            &USERS,
            "SELECT COUNT(*) AS total FROM users",
        ))
        .await
    }

    async fn role_exists(&mut self, role: &str) -> Result<bool, StoreError> {
        let statement = Statement::new(
            &USERS,
            "SELECT COUNT(*) AS total FROM user_roles WHERE role = $1",
        )
        .text(role);
        Ok(self.fetch_count(statement).await? > 0)
    }
}

impl SqlTx {
    async fn replace_roles(&mut self, user: &User) -> Result<(), StoreError> {
        let forget =
            Statement::new(&USERS, "DELETE FROM user_roles WHERE user_id = $1").id(user.id);
        self.execute(forget).await?;
        for role in &user.roles {
            let statement = Statement::new(
                &USERS,
                "INSERT INTO user_roles (role, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .text(role)
            .id(user.id);
            self.execute(statement).await?;
        }
        Ok(())
    }
}

fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: row.id("id")?,
        username: row.text("username")?,
        password_hash: row.text("password_hash")?,
        roles: row.json("roles")?,
        enabled: row.flag("enabled")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        version: row.integer("version")?,
    })
}
