//! A key manager's settings as this connector reads them: typed, with their bounds.

#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::key_manager::KeyManagerSettings;
use domain::validation::Check;
use domain::{FieldError, Invalid, SecretString};
use serde_json::Value;
use url::Url;

use super::polling::PollingSettings;
use super::{cloud, descriptor as field};

/// The longest that a secret may live: what Entra's own portal allows.
const LONGEST_LIFETIME_DAYS: u64 = 730;

#[derive(Clone, Debug)]
pub(super) struct EntraSettings {
    pub(super) issuer: String,
    /// Microsoft Graph with its version, without a final slash.
    pub(super) graph_base: String,
    /// What Claviger's own token is asked for.
    pub(super) graph_scope: String,
    pub(super) token_endpoint: Url,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    /// `api.requestedAccessTokenVersion` of new clients.
    pub(super) token_version: u8,
    pub(super) secret_lifetime: Duration,
    pub(super) purge_deleted: bool,
    pub(super) polling: PollingSettings,
}

impl EntraSettings {
    pub(super) fn parse(settings: &KeyManagerSettings) -> Result<Self, Invalid> {
        let mut reader = Reader {
            settings,
            check: Check::default(),
        };
        let graph = reader.graph_endpoint();
        let client_id = reader.text(field::CLIENT_ID, "");
        reader.check.present(
            !client_id.is_empty(),
            &wire_name(field::CLIENT_ID),
            "Client ID",
        );
        let client_secret = settings.secrets.get(field::CLIENT_SECRET).cloned();
        reader.check.present(
            client_secret.is_some(),
            &wire_name(field::CLIENT_SECRET),
            "Client Secret",
        );
        let token_endpoint = settings.endpoints.token.clone();
        reader
            .check
            .present(token_endpoint.is_some(), "tokenEndpoint", "Token Endpoint");
        let initial_delay = reader.milliseconds(field::POLLING_INITIAL_DELAY, 500, 1, 60_000);
        let maximum_delay = reader.milliseconds(field::POLLING_MAXIMUM_WAIT, 5_000, 1, 600_000);
        let budget = reader.milliseconds(field::POLLING_BUDGET, 120_000, 1_000, 3_600_000);
        reader.check.that(
            initial_delay <= maximum_delay,
            &wire_name(field::POLLING_MAXIMUM_WAIT),
            "must not be less than the initial delay",
        );
        let days = reader.number(field::SECRET_LIFETIME, 180, 1, LONGEST_LIFETIME_DAYS);
        let token_version = match reader.text(field::TOKEN_VERSION, "v2.0").as_str() {
            "v1.0" => 1,
            _ => 2,
        };
        let purge_deleted = !matches!(
            settings.configuration.get(field::PURGE_DELETED),
            Some(Value::Bool(false))
        ) && reader.text(field::PURGE_DELETED, "true") != "false";
        reader.check.finish()?;
        let (Some(client_secret), Some(token_endpoint)) = (client_secret, token_endpoint) else {
            return Err(FieldError::missing("tokenEndpoint", "Token Endpoint").into());
        };
        Ok(Self {
            issuer: settings.issuer.clone(),
            graph_base: format!("{graph}/v1.0"),
            graph_scope: format!("{graph}/.default"),
            token_endpoint,
            client_id,
            client_secret,
            token_version,
            secret_lifetime: Duration::from_secs(days * 24 * 60 * 60),
            purge_deleted,
            polling: PollingSettings {
                initial_delay,
                maximum_delay,
                budget,
            },
        })
    }
}

/// The wire name of a configuration field, as errors name it.
pub(super) fn wire_name(name: &str) -> String {
    format!("additionalProperties.{name}")
}

struct Reader<'s> {
    settings: &'s KeyManagerSettings,
    check: Check,
}

impl Reader<'_> {
    fn text(&self, name: &str, default: &str) -> String {
        match self.settings.configuration.get(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            _ => default.to_owned(),
        }
    }

    fn number(&mut self, name: &str, default: u64, least: u64, most: u64) -> u64 {
        let text = self.text(name, &default.to_string());
        let number = text
            .parse()
            .ok()
            .filter(|number| (least..=most).contains(number));
        self.check.that(
            number.is_some(),
            &wire_name(name),
            format!("must be a whole number from {least} to {most}"),
        );
        number.unwrap_or(default)
    }

    fn milliseconds(&mut self, name: &str, default: u64, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.number(name, default, least, most))
    }

    /// Without version and final slash, as people paste either.
    fn graph_endpoint(&mut self) -> String {
        let given = self.text(field::GRAPH_ENDPOINT, cloud::GLOBAL_GRAPH);
        let trimmed = given.trim_end_matches('/');
        let trimmed = trimmed.strip_suffix("/v1.0").unwrap_or(trimmed);
        let usable = Url::parse(trimmed).is_ok_and(|url| {
            matches!(url.scheme(), "https" | "http")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        self.check.that(
            usable,
            &wire_name(field::GRAPH_ENDPOINT),
            "must be an http or https URL",
        );
        // Whoever chooses a national cloud and leaves the endpoint alone means that cloud's.
        let chosen = cloud::by_name(&self.text(field::CLOUD, "global"));
        match chosen {
            Some(cloud) if trimmed == cloud::GLOBAL_GRAPH => cloud.graph.to_owned(),
            _ => trimmed.to_owned(),
        }
    }
}
