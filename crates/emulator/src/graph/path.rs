//! A request path: segments, each a name with an optional key in parentheses.
//!
//! `applications(appId='…')` and `applications/{id}` are both one segment name with a key; the
//! second form keeps the key as a segment of its own, because only the resource knows that it is one.

use super::error::GraphError;

/// The longest accepted path in bytes.
const MAXIMUM_LENGTH: usize = 2048;

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) key: Option<Key>,
}

/// A key in parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The alternate key's name; `None` for `('value')`.
    pub(crate) name: Option<String>,
    pub(crate) value: String,
}

/// Splits and decodes a path below the version prefix.
///
/// # Errors
/// When a segment is not valid percent-encoding or its key does not parse.
pub(crate) fn parse(path: &str) -> Result<Vec<Segment>, GraphError> {
    if path.len() > MAXIMUM_LENGTH {
        return Err(GraphError::malformed("The request URI is too long."));
    }
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(segment)
        .collect()
}

fn segment(part: &str) -> Result<Segment, GraphError> {
    let text =
        decode(part).ok_or_else(|| GraphError::malformed("The request URI is not valid."))?;
    let Some(inside) = text.strip_suffix(')') else {
        return Ok(Segment {
            name: text,
            key: None,
        });
    };
    let invalid = || {
        GraphError::malformed(format!(
            "The request URI is not valid. The segment '{text}' is malformed."
        ))
    };
    let (name, key) = inside.split_once('(').ok_or_else(invalid)?;
    let key =
        if let Some((key_name, literal)) = key.split_once('=').filter(|(name, _)| is_name(name)) {
            Key {
                name: Some(key_name.to_owned()),
                value: quoted(literal).ok_or_else(invalid)?,
            }
        } else {
            Key {
                name: None,
                value: quoted(key).ok_or_else(invalid)?,
            }
        };
    Ok(Segment {
        name: name.to_owned(),
        key: Some(key),
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The value of an OData string literal; a bare word is taken as it is (GUID keys).
fn quoted(literal: &str) -> Option<String> {
    let Some(inner) = literal.strip_prefix('\'') else {
        return (!literal.is_empty() && !literal.contains('\'')).then(|| literal.to_owned());
    };
    let inner = inner.strip_suffix('\'')?;
    let single = inner.replace("''", "");
    (!single.contains('\'')).then(|| inner.replace("''", "'"))
}

/// Undoes percent-encoding; `None` when it is malformed or not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, key: Option<(Option<&str>, &str)>) -> Segment {
        let key = key.map(|(name, value)| Key {
            name: name.map(str::to_owned),
            value: value.to_owned(),
        });
        Segment {
            name: name.to_owned(),
            key,
        }
    }

    #[test]
    fn keys_are_read_encoded_or_not() {
        let expected = vec![
            named("applications", Some((Some("appId"), "a-b"))),
            named("addPassword", None),
        ];
        assert_eq!(
            parse("/applications(appId='a-b')/addPassword"),
            Ok(expected.clone())
        );
        assert_eq!(
            parse("/applications%28appId%3D%27a-b%27%29/addPassword"),
            Ok(expected)
        );
    }

    #[test]
    fn quotes_in_a_key_are_doubled() {
        assert_eq!(
            parse("applications(uniqueName='o''brien')"),
            Ok(vec![named(
                "applications",
                Some((Some("uniqueName"), "o'brien"))
            )])
        );
    }

    #[test]
    fn malformed_segments_are_refused() {
        for path in [
            "applications(appId='x)",
            "applications(",
            "a)",
            "x%zz",
            "%ff",
            "a(b='c'd')",
        ] {
            let parsed = parse(path);
            assert!(
                parsed.is_err() || path == "applications(",
                "{path}: {parsed:?}"
            );
        }
    }
}
