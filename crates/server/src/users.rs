//! `claviger users`: accounts, for whoever runs the binary beside its database; a running node sees the changes at once.
//!
//! Passwords come from standard input or are generated, never from the command line, where other processes see them.

use std::io::BufRead;

use control::identity::authorization::local_operator;
use control::identity::user::UserAccess;
use control::{Control, error::chain};
use domain::Random;
use secrecy::{ExposeSecret, SecretString};

use crate::cli::{PasswordSource, UsersCommand};
use crate::config::Config;
use crate::node;
use crate::system::SystemRandom;
use crate::terminal::say;

/// Far more than the longest password; a line that does not end is not read to its end.
const LONGEST_LINE: u64 = 4_096;

/// `Err` holds a sentence for the person at the terminal.
pub(crate) async fn run(command: &UsersCommand, config: &Config) -> Result<(), String> {
    // A password is asked for before anything is opened: a person may take a while.
    let password = match command {
        UsersCommand::Add { password, .. } | UsersCommand::SetPassword { password, .. } => {
            Some(Password::obtain(password)?)
        }
        UsersCommand::List { .. } | UsersCommand::Enable { .. } | UsersCommand::Disable { .. } => {
            None
        }
    };
    let control = node::open_control(config).await?;
    perform(command, password, &control)
        .await
        .map_err(|error| chain(&error))
}

async fn perform(
    command: &UsersCommand,
    password: Option<Password>,
    control: &Control,
) -> Result<(), control::Error> {
    let (identity, operator) = (control.identity(), local_operator());
    let password = password.unwrap_or_else(Password::generate);
    match command {
        UsersCommand::List { .. } => {
            for user in identity.list_users(&operator).await? {
                let access = if user.enabled { "enabled" } else { "disabled" };
                let roles = user.roles.join(" ");
                say(&format!("{:<24} {access:<8} {roles}", user.username));
            }
        }
        UsersCommand::Add { name, roles, .. } => {
            let new = control::identity::NewUser {
                username: name.clone(),
                password: password.secret.clone(),
                roles: roles.clone(),
            };
            identity.create_user(&operator, new).await?;
            password.tell(name, "added");
        }
        UsersCommand::SetPassword { name, .. } => {
            identity
                .set_password(&operator, name, &password.secret)
                .await?;
            password.tell(name, "changed");
        }
        UsersCommand::Enable { name, .. } => {
            identity
                .change_access(&operator, name, UserAccess::Enabled)
                .await?;
            say(&format!("User {name} enabled."));
        }
        UsersCommand::Disable { name, .. } => {
            identity
                .change_access(&operator, name, UserAccess::Disabled)
                .await?;
            say(&format!("User {name} disabled."));
        }
    }
    Ok(())
}

struct Password {
    secret: SecretString,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Generated,
    Given,
}

impl Password {
    fn obtain(source: &PasswordSource) -> Result<Self, String> {
        if !source.password_stdin {
            return Ok(Self::generate());
        }
        Ok(Self {
            secret: first_line(std::io::stdin().lock())?,
            origin: Origin::Given,
        })
    }

    fn generate() -> Self {
        Self {
            secret: SecretString::from((&SystemRandom::new() as &dyn Random).hex::<12>()),
            origin: Origin::Generated,
        }
    }

    /// The only time that a generated password is shown.
    fn tell(&self, name: &str, what: &str) {
        match self.origin {
            Origin::Generated => say(&format!(
                "User {name} {what}: password {}",
                self.secret.expose_secret()
            )),
            Origin::Given => say(&format!("User {name} {what}.")),
        }
    }
}

/// Without its line end.
fn first_line(source: impl BufRead) -> Result<SecretString, String> {
    let mut line = secrecy::zeroize::Zeroizing::new(String::new());
    source
        .take(LONGEST_LINE)
        .read_line(&mut line)
        .map_err(|error| format!("cannot read the password from standard input: {error}"))?;
    Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        for text in ["s3cret word\n", "s3cret word\r\nmore\n", "s3cret word"] {
            let password = first_line(text.as_bytes()).expect("readable");
            assert_eq!(password.expose_secret(), "s3cret word", "{text:?}");
        }
    }

    #[test]
    fn an_endless_line_is_not_read_to_its_end() {
        let endless = std::io::BufReader::new(std::io::repeat(b'x'));
        let password = first_line(endless).expect("readable");
        assert_eq!(password.expose_secret().len(), 4_096);
    }
}
