//! Reading the settings: defaults, then the file, then the environment.

use std::path::{Path, PathBuf};

use domain::cors::CorsPolicy;
use domain::validation::Check;
use toml::{Table, Value};

use super::gateway::{self, Upstreams};
use super::sections::{ClientCertificatesSetting, Config};

const VARIABLE_PREFIX: &str = "CLAVIGER_";

/// What is wrong with the settings, in words for the person who wrote them. Never holds a setting's value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {file}: {reason}")]
    Unreadable { file: PathBuf, reason: String },
    #[error("{file} is not valid TOML at line {line}: {reason}")]
    NotToml {
        file: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("{place}: there is no setting {setting:?}{suggestion}")]
    Unknown {
        place: String,
        setting: String,
        suggestion: String,
    },
    #[error("{place}: {setting} {reason}")]
    Invalid {
        place: String,
        setting: String,
        reason: String,
    },
}

/// Loads the settings. `file` is optional unless named explicitly; `variables` is the environment.
pub(crate) fn load(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let defaults =
        Table::try_from(Config::default()).expect("the default settings are a TOML table");
    let mut merged = defaults.clone();
    if let Some(file) = file {
        merge_file(&mut merged, &defaults, file)?;
    }
    let known = setting_paths(&defaults);
    for (name, value) in variables {
        if let Some(suffix) = name.strip_prefix(VARIABLE_PREFIX) {
            merge_variable(&mut merged, &known, &name, suffix, &value)?;
        }
    }
    let mut config = typed(merged)?;
    read_secret_files(&mut config)?;
    check(&config)?;
    Ok(config)
}

fn typed(merged: Table) -> Result<Config, ConfigError> {
    serde_path_to_error::deserialize(merged).map_err(
        |error: serde_path_to_error::Error<toml::de::Error>| ConfigError::Invalid {
            place: "settings".to_owned(),
            setting: error.path().to_string(),
            reason: without_the_value(error.inner().message()),
        },
    )
}

/// Serde's words end with what is expected; what stands before repeats the value, which nobody may see.
fn without_the_value(message: &str) -> String {
    let expected = message.rsplit_once(", expected ").map(|(_, words)| words);
    format!(
        "must be {}",
        match expected {
            Some("u32") => "a whole number from 0 to 4294967295",
            Some("u64" | "usize") => "a whole number that is not negative",
            Some("a string" | "path string") => "a text",
            Some(words) => words,
            // The only values with a grammar of their own.
            None => "an address such as 127.0.0.1:8280",
        }
    )
}

fn merge_file(merged: &mut Table, defaults: &Table, file: &Path) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError::Unreadable {
        file: file.to_owned(),
        reason: error.to_string(),
    })?;
    let given: Table = text
        .parse()
        .map_err(|error: toml::de::Error| ConfigError::NotToml {
            file: file.to_owned(),
            line: error.span().map_or(1, |span| {
                text[..span.start.min(text.len())].lines().count().max(1)
            }),
            reason: error.message().to_owned(),
        })?;
    merge(merged, defaults, given, "", &file.display().to_string())
}

/// Lays `given` over `merged`; `defaults` says what exists and of which type it is.
fn merge(
    merged: &mut Table,
    defaults: &Table,
    given: Table,
    path: &str,
    place: &str,
) -> Result<(), ConfigError> {
    for (name, value) in given {
        let setting = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let Some(default) = defaults.get(&name) else {
            let suggestion = suggest(&name, defaults.keys().map(String::as_str));
            return Err(ConfigError::Unknown {
                place: place.to_owned(),
                setting,
                suggestion,
            });
        };
        match (default, value) {
            (Value::Table(defaults), Value::Table(given)) => {
                let Some(Value::Table(merged)) = merged.get_mut(&name) else {
                    unreachable!("merged has the shape of the defaults")
                };
                merge(merged, defaults, given, &setting, place)?;
            }
            (default, value) if default.same_type(&value) => {
                merged.insert(name, value);
            }
            // Nobody writes 1.0 for "all".
            (Value::Float(_), Value::Integer(whole @ (0 | 1))) => {
                merged.insert(name, Value::Float(if whole == 0 { 0.0 } else { 1.0 }));
            }
            (default, value) => {
                return Err(ConfigError::Invalid {
                    place: place.to_owned(),
                    setting,
                    reason: format!(
                        "must be {}, not {}",
                        type_in_words(default),
                        type_in_words(&value)
                    ),
                });
            }
        }
    }
    Ok(())
}

/// `CLAVIGER_GATEWAY_CLOCK_LEEWAY_SECONDS` → `gateway.clock_leeway_seconds`. Lists are comma-separated.
fn merge_variable(
    merged: &mut Table,
    known: &[(String, Vec<String>)],
    name: &str,
    suffix: &str,
    value: &str,
) -> Result<(), ConfigError> {
    let place = "environment".to_owned();
    let Some((_, path)) = known.iter().find(|(variable, _)| variable == suffix) else {
        let suggestion = suggest(suffix, known.iter().map(|(variable, _)| variable.as_str()))
            .replace("mean ", &format!("mean {VARIABLE_PREFIX}"));
        return Err(ConfigError::Unknown {
            place,
            setting: name.to_owned(),
            suggestion,
        });
    };
    let mut target = merged
        .get_mut(&path[0])
        .expect("a known path exists in the merged settings");
    for segment in &path[1..] {
        target = target
            .get_mut(segment)
            .expect("a known path exists in the merged settings");
    }
    let wrong = |expected: &str| ConfigError::Invalid {
        place: place.clone(),
        setting: name.to_owned(),
        reason: format!("must be {expected}"),
    };
    *target = match target {
        Value::Integer(_) => Value::Integer(value.parse().map_err(|_| wrong("a whole number"))?),
        Value::Float(_) => Value::Float(value.parse().map_err(|_| wrong("a number"))?),
        Value::Boolean(_) => Value::Boolean(value.parse().map_err(|_| wrong("true or false"))?),
        Value::Array(_) => Value::Array(
            value
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        ),
        _ => Value::String(value.to_owned()),
    };
    Ok(())
}

/// Every setting as the environment names it, and its path.
fn setting_paths(defaults: &Table) -> Vec<(String, Vec<String>)> {
    let mut paths = Vec::new();
    for (name, value) in defaults {
        match value {
            Value::Table(section) => {
                for (variable, path) in setting_paths(section) {
                    let mut whole = vec![name.clone()];
                    whole.extend(path);
                    paths.push((format!("{}_{variable}", name.to_uppercase()), whole));
                }
            }
            _ => paths.push((name.to_uppercase(), vec![name.clone()])),
        }
    }
    paths
}

fn suggest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"))
}

fn type_in_words(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// `NAME_file` beside a secret: the file's content, without the line end, is the secret.
fn read_secret_files(config: &mut Config) -> Result<(), ConfigError> {
    for (setting, value, file) in [
        (
            "database.url",
            &mut config.database.url,
            &config.database.url_file,
        ),
        (
            "sealing.key",
            &mut config.sealing.key,
            &config.sealing.key_file,
        ),
        (
            "outbound.proxy",
            &mut config.outbound.proxy,
            &config.outbound.proxy_file,
        ),
    ] {
        if file.as_os_str().is_empty() {
            continue;
        }
        if !value.is_empty() {
            return Err(ConfigError::Invalid {
                place: "settings".to_owned(),
                setting: setting.to_owned(),
                reason: format!("is given both directly and as {setting}_file; keep one"),
            });
        }
        let content = std::fs::read_to_string(file).map_err(|error| ConfigError::Unreadable {
            file: file.clone(),
            reason: error.to_string(),
        })?;
        content.trim_end_matches(['\r', '\n']).clone_into(value);
    }
    Ok(())
}

fn check_upstreams(upstream: &Upstreams) -> Result<(), ConfigError> {
    let invalid = |setting: &str, reason: &str| {
        Err(ConfigError::Invalid {
            place: "settings".to_owned(),
            setting: format!("gateway.upstreams.{setting}"),
            reason: reason.to_owned(),
        })
    };
    let (certificate, key) = (&upstream.client_certificate_file, &upstream.client_key_file);
    if certificate.as_os_str().is_empty() != key.as_os_str().is_empty() {
        return invalid(
            "client_certificate_file",
            "and client_key_file go together: give both or neither",
        );
    }
    let is_origin = |text: &String| {
        url::Url::parse(text).is_ok_and(|url| url.scheme() == "http" && url.path() == "/")
    };
    if !upstream.http2.iter().all(is_origin) {
        return invalid("http2", "must be a list of addresses like http://host:port");
    }
    Ok(())
}

/// Rules that hold between settings.
fn check(config: &Config) -> Result<(), ConfigError> {
    let invalid = |setting: &str, reason: &str| {
        Err(ConfigError::Invalid {
            place: "settings".to_owned(),
            setting: setting.to_owned(),
            reason: reason.to_owned(),
        })
    };
    for (section, certificate, key) in [
        (
            "control",
            &config.control.tls_certificate_file,
            &config.control.tls_key_file,
        ),
        (
            "gateway",
            &config.gateway.tls_certificate_file,
            &config.gateway.tls_key_file,
        ),
    ] {
        if certificate.as_os_str().is_empty() != key.as_os_str().is_empty() {
            return invalid(
                &format!("{section}.tls_certificate_file"),
                "and tls_key_file go together: give both or neither",
            );
        }
    }
    check_upstreams(&config.gateway.upstreams)?;
    let url = &config.database.url;
    if !(url.is_empty()
        || ["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|scheme| url.starts_with(scheme)))
    {
        return invalid("database.url", "must begin with sqlite: or postgres:");
    }
    if !(1..=1_000).contains(&config.database.connections) {
        return invalid("database.connections", "must be between 1 and 1000");
    }
    let key = &config.sealing.key;
    if !key.is_empty() && (key.len() != 64 || !key.chars().all(|c| c.is_ascii_hexdigit())) {
        return invalid(
            "sealing.key",
            "must be 64 hexadecimal characters (32 bytes)",
        );
    }
    if config.control.request_patience_seconds > 600 {
        return invalid("control.request_patience_seconds", "must be at most 600");
    }
    if !(60..=86_400).contains(&config.control.access_token_lifetime_seconds) {
        return invalid(
            "control.access_token_lifetime_seconds",
            "must be between 60 and 86400",
        );
    }
    if config.control.secret_grace_period_seconds > 31_536_000 {
        return invalid(
            "control.secret_grace_period_seconds",
            "must be at most 31536000 (a year)",
        );
    }
    for (setting, value, bounds) in gateway::bounds(&config.gateway) {
        if !bounds.contains(&value) {
            let (least, most) = (bounds.start(), bounds.end());
            return invalid(
                &format!("gateway.{setting}"),
                &format!("must be between {least} and {most}"),
            );
        }
    }
    if config.gateway.introspection_cache_seconds > 3_600 {
        return invalid(
            "gateway.introspection_cache_seconds",
            "must be at most 3600",
        );
    }
    if config.gateway.client_certificates == ClientCertificatesSetting::Ask
        && config.gateway.tls_certificate_file.as_os_str().is_empty()
    {
        return invalid(
            "gateway.client_certificates",
            "asks over TLS only: give tls_certificate_file and tls_key_file",
        );
    }
    if !(60..=86_400).contains(&config.gateway.backend_jwt.lifetime_seconds) {
        return invalid(
            "gateway.backend_jwt.lifetime_seconds",
            "must be between 60 and 86400",
        );
    }
    for (setting, seconds) in [
        (
            "outbound.connect_timeout_seconds",
            config.outbound.connect_timeout_seconds,
        ),
        ("outbound.timeout_seconds", config.outbound.timeout_seconds),
    ] {
        if !(1..=600).contains(&seconds) {
            return invalid(setting, "must be between 1 and 600");
        }
    }
    if !(0.0..=1.0).contains(&config.telemetry.sample_ratio) {
        return invalid("telemetry.sample_ratio", "must be between 0 and 1");
    }
    let name = &config.telemetry.service_name;
    if !(1..=255).contains(&name.len()) || name.chars().any(char::is_control) {
        return invalid("telemetry.service_name", "must be a name of 1 to 255 bytes");
    }
    if let Some((setting, reason)) = config.gateway.cors().and_then(|policy| cors_error(&policy)) {
        return invalid(setting, reason);
    }
    Ok(())
}

/// The first setting that is wrong, and what it must be.
fn cors_error(policy: &CorsPolicy) -> Option<(&'static str, &'static str)> {
    let mut check = Check::default();
    policy.check("cors", &mut check);
    let invalid = check.finish().err()?;
    Some(match invalid.0.first()?.field.as_str() {
        "cors.accessControlAllowCredentials" => (
            "gateway.cors_credentials",
            "must be false while gateway.cors_origins is *",
        ),
        "cors.accessControlAllowHeaders" => (
            "gateway.cors_headers",
            "must be at most 100 names of headers",
        ),
        "cors.accessControlExposeHeaders" => (
            "gateway.cors_exposed_headers",
            "must be at most 100 names of headers",
        ),
        "cors.maxAge" => ("gateway.cors_max_age_seconds", "must be at most 86400"),
        _ => (
            "gateway.cors_origins",
            "must be * or at most 100 origins such as https://shop.example",
        ),
    })
}

#[cfg(test)]
mod tests;
