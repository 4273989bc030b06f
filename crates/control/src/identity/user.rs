//! Local users: the first ones, adding more, new passwords.

use domain::id::UserId;
use domain::user::{ADMIN_ROLE, Actor, PUBLISHER_ROLE, RoleName, SUBSCRIBER_ROLE, User};
use domain::validation::Check;
use domain::{Invalid, SecretString};
use futures_util::future::try_join_all;
use secrecy::ExposeSecret;
use serde_json::json;
use store::{StoreError, Tx};

use super::Identity;
use super::authorization::require;
use crate::error::Noun;
use crate::{Error, Transaction};

const MANAGE: &[&str] = &["apim:admin"];

/// A user to be added.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub username: String,
    /// 8 to 256 characters.
    pub password: SecretString,
    /// `admin`, `publisher`, `subscriber`, or labels that permissions may name.
    pub roles: Vec<RoleName>,
}

/// A user of the first start with the one copy of the password that is ever shown.
#[derive(Clone, Debug)]
pub struct FirstUser {
    pub username: String,
    pub password: SecretString,
}

impl Identity<'_> {
    /// Adds `admin`, `publisher` and `developer` with generated passwords when there is no user at all, and
    /// `None` otherwise. For the start of a server.
    pub async fn first_start(&self) -> Result<Option<Vec<FirstUser>>, Error> {
        let mut tx = self.control.store().read().await?;
        let count = tx.users().count().await?;
        drop(tx);
        if count > 0 {
            return Ok(None);
        }
        let wanted = [
            ("admin", ADMIN_ROLE),
            ("publisher", PUBLISHER_ROLE),
            ("developer", SUBSCRIBER_ROLE),
        ]
        .map(|(username, role)| NewUser {
            username: username.to_owned(),
            password: SecretString::from(self.control.random().hex::<12>()),
            roles: vec![role.to_owned()],
        });
        // Side by side: a slow hash is meant to be slow, and somebody waits for the first start.
        let users = try_join_all(wanted.iter().map(|new| self.user(new))).await?;
        // Hashing took a while: another process may have been first.
        let mut tx = self.control.begin().await?;
        if tx.users().count().await? > 0 {
            return Ok(None);
        }
        for user in &users {
            match tx.users().insert(user).await {
                Ok(()) => {}
                Err(StoreError::Duplicate { .. }) => return Ok(None),
                Err(other) => return Err(other.into()),
            }
            record(&mut tx, "claviger", "user.create", user).await?;
        }
        tx.commit().await?;
        let shown = wanted.map(|new| FirstUser {
            username: new.username,
            password: new.password,
        });
        Ok(Some(shown.into()))
    }

    /// Adds a user. Administrators only.
    pub async fn create_user(&self, actor: &Actor, new: NewUser) -> Result<User, Error> {
        require(actor, MANAGE)?;
        let user = self.user(&new).await?;
        let mut tx = self.control.begin().await?;
        tx.users()
            .insert(&user)
            .await
            .map_err(|error| match error {
                StoreError::Duplicate { .. } => Error::AlreadyExists(Noun::User),
                other => other.into(),
            })?;
        record(&mut tx, &actor.username, "user.create", &user).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// All users, by name. Administrators only.
    pub async fn list_users(&self, actor: &Actor) -> Result<Vec<User>, Error> {
        require(actor, MANAGE)?;
        let mut tx = self.control.store().read().await?;
        Ok(tx.users().list().await?)
    }

    /// Replaces a user's password and ends the user's access tokens: whoever knew the old one is out. Administrators
    /// only.
    pub async fn set_password(
        &self,
        actor: &Actor,
        username: &str,
        password: &SecretString,
    ) -> Result<(), Error> {
        require(actor, MANAGE)?;
        validate_password(password)?;
        let password_hash = self.hash(password).await?;
        let mut tx = self.control.begin().await?;
        let found = tx.users().find(username).await?;
        let user = User {
            password_hash,
            updated_at: self.control.clock().now(),
            ..found.ok_or(Error::NotFound(Noun::User))?
        };
        tx.users().update(&user).await?;
        tx.access_tokens().delete_of(username).await?;
        record(&mut tx, &actor.username, "user.set_password", &user).await?;
        tx.commit().await
    }

    /// Lets a user in or keeps the user out; open tokens of one who is kept out are worth nothing at once.
    /// Administrators only.
    pub async fn change_access(
        &self,
        actor: &Actor,
        username: &str,
        access: UserAccess,
    ) -> Result<(), Error> {
        require(actor, MANAGE)?;
        let mut tx = self.control.begin().await?;
        let found = tx.users().find(username).await?;
        let user = User {
            enabled: access == UserAccess::Enabled,
            updated_at: self.control.clock().now(),
            ..found.ok_or(Error::NotFound(Noun::User))?
        };
        tx.users().update(&user).await?;
        record(&mut tx, &actor.username, "user.change_access", &user).await?;
        tx.commit().await
    }

    /// Whether the role is one of the three, or any user holds it.
    pub async fn role_exists(&self, actor: &Actor, role: &str) -> Result<bool, Error> {
        require(
            actor,
            &[
                "apim:admin",
                "apim:role_manage",
                "apim:api_view",
                "apim:api_create",
            ],
        )?;
        let mut tx = self.control.store().read().await?;
        role_exists(&mut *tx, role).await
    }

    async fn user(&self, new: &NewUser) -> Result<User, Error> {
        User::validate_username(&new.username)?;
        validate_password(&new.password)?;
        validate_roles(&new.roles)?;
        let now = self.control.clock().now();
        Ok(User {
            id: UserId::generate(self.control.clock(), self.control.random()),
            username: new.username.clone(),
            password_hash: self.hash(&new.password).await?,
            roles: new.roles.clone(),
            enabled: true,
            created_at: now,
            updated_at: now,
            version: 1,
        })
    }

    async fn hash(&self, password: &SecretString) -> Result<String, Error> {
        let Some(turn) = self.state().hasher.turn().await else {
            return Err(Error::Internal(
                "too many passwords are being hashed".into(),
            ));
        };
        turn.hash(password, self.control.random()).await
    }
}

/// Whether a user may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAccess {
    Enabled,
    Disabled,
}

/// A role that somebody can hold: one of the three, or a label that any user holds.
pub(crate) async fn role_exists(tx: &mut dyn Tx, role: &str) -> Result<bool, Error> {
    if matches!(role, ADMIN_ROLE | PUBLISHER_ROLE | SUBSCRIBER_ROLE) {
        return Ok(true);
    }
    Ok(tx.users().role_exists(role).await?)
}

async fn record(
    tx: &mut Transaction<'_>,
    username: &str,
    action: &str,
    user: &User,
) -> Result<(), Error> {
    let details = json!({
        "username": user.username,
        "roles": user.roles,
        "enabled": user.enabled,
    });
    tx.record_audit(username, action, user.id, details).await
}

fn validate_password(password: &SecretString) -> Result<(), Invalid> {
    // Not Check::length: a message that tells how long a password is has no place in a log.
    let length = password.expose_secret().chars().count();
    let mut check = Check::default();
    check.that(
        (8..=256).contains(&length),
        "password",
        "must have 8 to 256 characters",
    );
    check.finish()
}

fn validate_roles(roles: &[RoleName]) -> Result<(), Invalid> {
    let mut check = Check::default();
    check.that(roles.len() <= 50, "roles", "at most 50");
    for role in roles {
        check.length("roles", role, 1, 100).that(
            role.chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c)),
            "roles",
            "may contain letters, digits and . _ - /",
        );
    }
    check.finish()
}
