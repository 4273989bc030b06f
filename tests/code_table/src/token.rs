//! Tokens as the table describes them: a good one, and how a row's differs from it.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::signer::{FIRST, SECOND, encode};

/// Longer than any gateway's default limit.
const LONG: usize = 20_000;

/// Header and claims. Text `{now-60}` stands for that time, in seconds since 1970.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

/// What of a token is different.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenEdit {
    /// `null` takes a member away.
    pub header: Map<String, Value>,
    /// `null` takes a claim away.
    pub claims: Map<String, Value>,
    /// Signed by a key that the authorization server does not have.
    pub forged: bool,
    /// Made of `{header}`, `{claims}`, `{signature}` and `{long}`; three parts if absent.
    pub compact: Option<String>,
}

impl Token {
    /// The compact form of the token with the row's edits. `now`: seconds since 1970.
    pub fn edited(&self, edit: &TokenEdit, now: i64) -> String {
        let header = merged(&self.header, &edit.header, now);
        let claims = merged(&self.claims, &edit.claims, now);
        let signer = if edit.forged { &SECOND } else { &FIRST };
        let whole = signer.token_with_header(&header, &claims);
        let Some(pattern) = &edit.compact else {
            return whole;
        };
        let signature = whole.rsplit('.').next().unwrap_or_default();
        pattern
            .replace("{header}", &encode(header.to_string()))
            .replace("{claims}", &encode(claims.to_string()))
            .replace("{signature}", signature)
            .replace("{long}", &"a".repeat(LONG))
    }
}

fn merged(base: &Map<String, Value>, edit: &Map<String, Value>, now: i64) -> Value {
    let mut members = base.clone();
    for (name, value) in edit {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    for value in members.values_mut() {
        if let Some(at) = value.as_str().and_then(|text| time(text, now)) {
            *value = at.into();
        }
    }
    Value::Object(members)
}

/// `{now}`, `{now-60}`, `{now+60}`.
fn time(text: &str, now: i64) -> Option<i64> {
    let offset = text.strip_prefix("{now")?.strip_suffix('}')?;
    if offset.is_empty() {
        return Some(now);
    }
    Some(now + offset.parse::<i64>().ok()?)
}
