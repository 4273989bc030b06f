//! The demonstration's users: passwords are generated at first start and kept in its folder, readable by its owner only.

use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use control::identity::FirstUser;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::journey::Login;

const FILE_NAME: &str = "users.json";

pub(super) struct Credentials {
    pub(super) administrator: Login,
    pub(super) publisher: Login,
    pub(super) developer: Login,
}

impl Credentials {
    /// From the first start just now, or from the folder.
    pub(super) fn obtain(folder: &Path, first_users: &[FirstUser]) -> Result<Self, String> {
        let file = folder.join(FILE_NAME);
        if !first_users.is_empty() {
            keep(&file, first_users)
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        }
        let text = std::fs::read_to_string(&file).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!(
                "{} is missing, so the users' passwords are not known; remove the folder {} to begin anew",
                file.display(),
                folder.display()
            ),
            _ => format!("cannot read {}: {error}", file.display()),
        })?;
        let users: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|error| format!("{} is damaged: {error}", file.display()))?;
        let login = |username: &str| {
            let password = users
                .get(username)
                .and_then(Value::as_str)
                .ok_or_else(|| format!("{} does not name the user {username}", file.display()))?;
            Ok::<_, String>(Login {
                username: username.to_owned(),
                password: SecretString::from(password),
            })
        };
        Ok(Self {
            administrator: login("admin")?,
            publisher: login("publisher")?,
            developer: login("developer")?,
        })
    }
}

fn keep(file: &Path, users: &[FirstUser]) -> std::io::Result<()> {
    let users: Map<String, Value> = users
        .iter()
        .map(|user| {
            (
                user.username.clone(),
                Value::from(user.password.expose_secret()),
            )
        })
        .collect();
    let mut options = std::fs::OpenOptions::new();
    let mut open = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    open.write_all(Value::Object(users).to_string().as_bytes())
}
