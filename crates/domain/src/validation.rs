//! What is wrong with an input, field by field.

use std::fmt;

/// One field and what is wrong with it, in words for the person who filled it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's wire name, for example `issuer` or `additionalProperties.azure_ad_client_id`.
    pub field: String,
    pub message: String,
}

/// An input that breaks the rules of its noun. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![FieldError {
            field: field.into(),
            message: message.into(),
        }])
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{}: {}", error.field, error.message)?;
        }
        Ok(())
    }
}

/// Gathers field errors, so that a person sees all of them at once.
#[derive(Default)]
pub struct Check(Vec<FieldError>);

impl Check {
    /// Records `message` against `field` when `holds` is false.
    pub fn that(&mut self, holds: bool, field: &str, message: impl Into<String>) -> &mut Self {
        if !holds {
            self.0.push(FieldError {
                field: field.to_owned(),
                message: message.into(),
            });
        }
        self
    }

    /// The text's length in characters must lie within the bounds.
    pub fn length(&mut self, field: &str, text: &str, least: usize, most: usize) -> &mut Self {
        let count = text.chars().count();
        self.that(
            (least..=most).contains(&count),
            field,
            format!("must have {least} to {most} characters, has {count}"),
        )
    }

    pub fn finish(self) -> Result<(), Invalid> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Invalid(self.0))
        }
    }
}

/// RFC 9110 section 5.1: at least one of the characters that names of headers are made of.
pub(crate) fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_token_character)
}

/// RFC 9110 section 5.6.2.
fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
