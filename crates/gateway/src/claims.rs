//! The claims of a token: a JSON object in which every name stands once.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

/// More claims than any authorization server writes.
const MOST_CLAIMS: usize = 256;

/// A JWT claims set (RFC 7519 section 4), read but not believed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Vec<(String, Value)>);

/// A time claim (`exp`, `nbf`, `iat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeClaim {
    Absent,
    /// Not a number, or beyond what a clock can show.
    Malformed,
    /// Seconds since 1970, fractions cut off.
    At(i64),
}

impl Claims {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The claim as a list of texts: a string is a list of one, a list gives its strings, numbers and booleans are
    /// written out.
    pub(crate) fn texts(&self, name: &str) -> Vec<Cow<'_, str>> {
        fn scalar(value: &Value) -> Option<Cow<'_, str>> {
            match value {
                Value::String(text) => Some(Cow::Borrowed(text)),
                Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(value.to_string())),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            }
        }
        match self.get(name) {
            Some(Value::Array(items)) => items.iter().filter_map(scalar).collect(),
            Some(value) => scalar(value).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// RFC 7519 section 2, NumericDate: whole or fractional seconds.
    pub(crate) fn time(&self, name: &str) -> TimeClaim {
        /// The year 9999: later instants are mistakes.
        const LATEST: f64 = 253_402_300_799.0;
        let Some(value) = self.get(name) else {
            return TimeClaim::Absent;
        };
        if let Some(seconds) = value.as_i64() {
            return TimeClaim::At(seconds);
        }
        match value.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "bounded by the line itself"
            )]
            Some(seconds) if (0.0..=LATEST).contains(&seconds) => TimeClaim::At(seconds as i64),
            _ => TimeClaim::Malformed,
        }
    }
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    /// Two parties that read a repeated name differently is how tokens are smuggled (RFC 7519 section 4).
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims, A::Error> {
        let mut claims: Vec<(String, Value)> = Vec::with_capacity(20);
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if claims.len() == MOST_CLAIMS {
                return Err(A::Error::custom("too many claims"));
            }
            if claims.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom("a claim stands twice"));
            }
            claims.push((name, value));
        }
        Ok(Claims(claims))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_stands_twice_is_refused() {
        assert!(Claims::parse(br#"{"iss":"a","iss":"b"}"#).is_err());
        assert!(Claims::parse(br#"["iss"]"#).is_err());
        assert!(Claims::parse(b"{} trailing").is_err());
    }

    #[test]
    fn times_may_have_fractions_but_must_be_numbers() {
        let claims =
            Claims::parse(br#"{"exp":1700000000.9,"nbf":"1700000000","iat":1e300,"auth":-5}"#)
                .expect("an object");
        assert_eq!(claims.time("exp"), TimeClaim::At(1_700_000_000));
        assert_eq!(claims.time("nbf"), TimeClaim::Malformed);
        assert_eq!(claims.time("iat"), TimeClaim::Malformed);
        assert_eq!(claims.time("auth"), TimeClaim::At(-5));
        assert_eq!(claims.time("gone"), TimeClaim::Absent);
    }

    #[test]
    fn a_list_and_a_string_read_alike() {
        let claims =
            Claims::parse(br#"{"one":"a b","more":["a",7,null,{"x":1}]}"#).expect("an object");
        assert_eq!(claims.texts("one"), ["a b"]);
        assert_eq!(claims.texts("more"), ["a", "7"]);
        assert!(claims.texts("none").is_empty());
    }
}
