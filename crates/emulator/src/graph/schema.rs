//! Which properties a request body may have, and of what shape.
//!
//! A body is checked against a table before serde sees it, because Graph's refusals name the
//! property. Control information (`@odata.type` and the like) is accepted anywhere and dropped.

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::error::GraphError;

/// A property of an entity or complex type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) access: Access,
}

/// The shape of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Text of at most so many characters, or null.
    Text(usize),
    /// Text that must not be null or empty.
    RequiredText(usize),
    Bool,
    Int,
    Guid,
    Time,
    /// An object that null resets to its defaults.
    Complex(&'static [Property]),
    /// An object or null.
    Optional(&'static [Property]),
    List(&'static Shape),
    /// Anything, kept as it is.
    Open,
}

/// Who writes a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Writable,
    ReadOnly,
}

/// A writable property.
pub(crate) const fn property(name: &'static str, shape: Shape) -> Property {
    Property {
        name,
        shape,
        access: Access::Writable,
    }
}

/// A property that only the directory sets.
pub(crate) const fn read_only(name: &'static str) -> Property {
    Property {
        name,
        shape: Shape::Open,
        access: Access::ReadOnly,
    }
}

/// Checks `body` and returns what is to be written.
///
/// # Errors
/// 400 naming the property that is unknown, read-only or of the wrong shape.
pub(crate) fn check(
    body: Map<String, Value>,
    properties: &[Property],
    resource: &str,
) -> Result<Map<String, Value>, GraphError> {
    let mut checked = Map::new();
    for (name, value) in body {
        if name.contains('@') {
            continue;
        }
        let Some(property) = properties.iter().find(|property| property.name == name) else {
            return Err(GraphError::unknown_property(&shorten(&name)));
        };
        if property.access == Access::ReadOnly {
            return Err(GraphError::read_only(&name));
        }
        let value = shaped(value, property.shape, property.name, resource)?;
        checked.insert(name, value);
    }
    Ok(checked)
}

/// Merges a checked patch into an object: complex values member by member, everything else whole.
pub(crate) fn merge(
    target: &mut Map<String, Value>,
    patch: Map<String, Value>,
    properties: &[Property],
) {
    for (name, value) in patch {
        let shape = properties
            .iter()
            .find(|property| property.name == name)
            .map(|property| property.shape);
        match (shape, value, target.get_mut(&name)) {
            (
                Some(Shape::Complex(inner) | Shape::Optional(inner)),
                Value::Object(patch),
                Some(Value::Object(current)),
            ) => merge(current, patch, inner),
            (_, value, _) => {
                target.insert(name, value);
            }
        }
    }
}

fn shaped(value: Value, shape: Shape, name: &str, resource: &str) -> Result<Value, GraphError> {
    let invalid = || GraphError::invalid_value(name, resource);
    match (shape, value) {
        (Shape::Open, value) => Ok(value),
        (Shape::List(_), Value::Null) => Ok(Value::Array(Vec::new())),
        (Shape::Complex(_), Value::Null) => Ok(Value::Object(Map::new())),
        (Shape::RequiredText(_), Value::Null) => Err(invalid()),
        (_, Value::Null) => Ok(Value::Null),
        (Shape::Text(most), Value::String(text)) if text.chars().count() <= most => {
            Ok(Value::String(text))
        }
        (Shape::RequiredText(most), Value::String(text))
            if !text.trim().is_empty() && text.chars().count() <= most =>
        {
            Ok(Value::String(text))
        }
        (Shape::Bool, Value::Bool(value)) => Ok(Value::Bool(value)),
        (Shape::Int, Value::Number(number))
            if number
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok()) =>
        {
            Ok(Value::Number(number))
        }
        (Shape::Guid, Value::String(text)) if Uuid::try_parse(&text).is_ok() => {
            Ok(Value::String(text))
        }
        (Shape::Time, Value::String(text)) if text.parse::<Timestamp>().is_ok() => {
            Ok(Value::String(text))
        }
        (Shape::Complex(inner) | Shape::Optional(inner), Value::Object(object)) => {
            Ok(Value::Object(check(object, inner, resource)?))
        }
        (Shape::List(element), Value::Array(values)) => values
            .into_iter()
            .map(|value| {
                if value.is_null() {
                    Err(invalid())
                } else {
                    shaped(value, *element, name, resource)
                }
            })
            .collect(),
        _ => Err(invalid()),
    }
}

/// A client's text, short enough to repeat to it.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().take(100).collect()
}
