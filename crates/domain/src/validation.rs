//! What is wrong with an input, field by field.

use std::fmt;

/// One field and what is wrong with it, in words for the person who filled it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's wire name, for example `issuer` or `additionalProperties.azure_ad_client_id`.
    pub field: String,
    pub message: String,
    pub fault: FieldFault,
}

/// Faults that contracts tell apart; the message says which it is in each case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldFault {
    /// Nothing stands where something must.
    Missing,
    /// It may not be changed any more.
    Fixed,
    #[default]
    Wrong,
}

/// An input that breaks the rules of its noun. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Invalid(pub Vec<FieldError>);

impl FieldError {
    pub fn wrong(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            fault: FieldFault::Wrong,
        }
    }

    /// `label` is the field's name for people, or what it is needed for.
    pub fn missing(field: impl Into<String>, label: &str) -> Self {
        Self {
            fault: FieldFault::Missing,
            ..Self::wrong(field, format!("is required: {label}"))
        }
    }

    /// `why` follows "cannot be changed".
    pub fn fixed(field: impl Into<String>, why: &str) -> Self {
        Self {
            fault: FieldFault::Fixed,
            ..Self::wrong(field, format!("cannot be changed{why}"))
        }
    }
}

impl Invalid {
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        FieldError::wrong(field, message).into()
    }
}

impl From<FieldError> for Invalid {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
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
            self.0.push(FieldError::wrong(field, message));
        }
        self
    }

    /// Something must stand in the field; `label` is its name for people.
    pub fn present(&mut self, is_there: bool, field: &str, label: &str) -> &mut Self {
        if !is_there {
            self.0.push(FieldError::missing(field, label));
        }
        self
    }

    /// The text's length in characters must lie within the bounds.
    pub fn length(&mut self, field: &str, text: &str, least: usize, most: usize) -> &mut Self {
        let count = text.chars().count();
        if !(least..=most).contains(&count) {
            let message = format!("must have {least} to {most} characters, has {count}");
            self.0.push(FieldError {
                fault: if count == 0 {
                    FieldFault::Missing
                } else {
                    FieldFault::Wrong
                },
                ..FieldError::wrong(field, message)
            });
        }
        self
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
