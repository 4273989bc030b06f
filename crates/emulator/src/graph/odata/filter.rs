//! `$filter` as a tree: what it needs, and whether an object passes it. `filter_parser` reads it.

use jiff::Timestamp;

use super::{Filterable, Operand};
use crate::graph::error::GraphError;

/// A parsed `$filter`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    /// `property op literal`.
    Compare {
        property: String,
        comparison: Comparison,
        literal: Literal,
    },
    /// `property in (…)`.
    In {
        property: String,
        literals: Vec<Literal>,
    },
    /// `startswith(property,'…')`.
    StartsWith {
        property: String,
        prefix: String,
    },
    /// `endswith(property,'…')`.
    EndsWith {
        property: String,
        suffix: String,
    },
    /// `property/any(x:x op literal)`.
    Any {
        property: String,
        test: ElementTest,
    },
    /// `property/$count op number`, of which Graph serves `eq 0` and `ne 0`.
    Count {
        property: String,
        is_zero: bool,
    },
}

/// What an element of a collection must satisfy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ElementTest {
    Exists,
    Is(String),
    StartsWith(String),
    EndsWith(String),
    OneOf(Vec<String>),
}

/// `eq`, `ne`, `gt`, `ge`, `lt`, `le`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Text(String),
    Time(Timestamp),
}

impl Filter {
    /// Refuses what cannot be filtered by, and advanced expressions without the header they need.
    ///
    /// # Errors
    /// 400 `Request_UnsupportedQuery`.
    pub(crate) fn check<T: Filterable>(&self, is_advanced: bool) -> Result<(), GraphError> {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.check::<T>(is_advanced)?;
                right.check::<T>(is_advanced)
            }
            Self::Not(inner) => {
                require_advanced("Operator 'not'", is_advanced)?;
                inner.check::<T>(is_advanced)
            }
            Self::Compare {
                property,
                comparison,
                ..
            } => {
                require_filterable::<T>(property)?;
                if *comparison == Comparison::NotEqual {
                    require_advanced("Operator 'ne'", is_advanced)?;
                }
                Ok(())
            }
            Self::EndsWith { property, .. } => {
                require_filterable::<T>(property)?;
                require_advanced("Function 'endsWith'", is_advanced)
            }
            Self::Count { property, .. } => {
                require_filterable::<T>(property)?;
                require_advanced("Segment '$count'", is_advanced)
            }
            Self::Any { property, test } => {
                require_filterable::<T>(property)?;
                match test {
                    ElementTest::EndsWith(_) => {
                        require_advanced("Function 'endsWith'", is_advanced)
                    }
                    _ => Ok(()),
                }
            }
            Self::In { property, .. } | Self::StartsWith { property, .. } => {
                require_filterable::<T>(property)
            }
        }
    }

    /// Whether `object` passes.
    pub(crate) fn matches<T: Filterable>(&self, object: &T) -> bool {
        match self {
            Self::And(left, right) => left.matches(object) && right.matches(object),
            Self::Or(left, right) => left.matches(object) || right.matches(object),
            Self::Not(inner) => !inner.matches(object),
            Self::Compare {
                property,
                comparison,
                literal,
            } => object
                .operand(property)
                .is_some_and(|operand| compare(&operand, *comparison, literal)),
            Self::In { property, literals } => object.operand(property).is_some_and(|operand| {
                literals
                    .iter()
                    .any(|literal| compare(&operand, Comparison::Equal, literal))
            }),
            Self::StartsWith { property, prefix } => {
                is_text(object, property, |text| starts_with(text, prefix))
            }
            Self::EndsWith { property, suffix } => {
                is_text(object, property, |text| ends_with(text, suffix))
            }
            Self::Any { property, test } => match object.operand(property) {
                Some(Operand::Texts(values)) => values.iter().any(|value| test.holds(value)),
                _ => false,
            },
            Self::Count { property, is_zero } => match object.operand(property) {
                Some(Operand::Texts(values)) => values.is_empty() == *is_zero,
                _ => false,
            },
        }
    }

    /// The expressions that must all hold.
    pub(crate) fn conjuncts(&self) -> Vec<&Self> {
        match self {
            Self::And(left, right) => {
                let mut all = left.conjuncts();
                all.extend(right.conjuncts());
                all
            }
            other => vec![other],
        }
    }
}

impl ElementTest {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Exists => true,
            Self::Is(text) => value.eq_ignore_ascii_case(text),
            Self::StartsWith(prefix) => starts_with(value, prefix),
            Self::EndsWith(suffix) => ends_with(value, suffix),
            Self::OneOf(texts) => texts.iter().any(|text| value.eq_ignore_ascii_case(text)),
        }
    }
}

fn require_filterable<T: Filterable>(property: &str) -> Result<(), GraphError> {
    if T::FILTERABLE.contains(&property) {
        return Ok(());
    }
    Err(GraphError::unsupported_query("Unsupported Query."))
}

fn require_advanced(what: &str, is_advanced: bool) -> Result<(), GraphError> {
    if is_advanced {
        return Ok(());
    }
    Err(GraphError::unsupported_query(format!(
        "{what} is not supported because the required parameters might be missing. Try adding $count=true query parameter and ConsistencyLevel:eventual header. Refer to https://aka.ms/graph-docs/advanced-queries for more information"
    )))
}

fn compare(operand: &Operand<'_>, comparison: Comparison, literal: &Literal) -> bool {
    use std::cmp::Ordering;
    let ordering = match (operand, literal) {
        (Operand::Null, Literal::Null) => Some(Ordering::Equal),
        (Operand::Bool(left), Literal::Bool(right)) => Some(left.cmp(right)),
        (Operand::Text(left), Literal::Text(right)) => {
            Some(left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase()))
        }
        (Operand::Time(left), Literal::Time(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match comparison {
        Comparison::Equal => ordering == Some(Ordering::Equal),
        Comparison::NotEqual => ordering != Some(Ordering::Equal),
        Comparison::Greater => ordering == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
        Comparison::Less => ordering == Some(Ordering::Less),
        Comparison::LessOrEqual => ordering.is_some_and(Ordering::is_le),
    }
}

fn is_text<T: Filterable>(object: &T, property: &str, test: impl Fn(&str) -> bool) -> bool {
    matches!(object.operand(property), Some(Operand::Text(text)) if test(&text))
}

/// Whether `text` begins with `prefix`, without regard to ASCII case.
pub(super) fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

fn ends_with(text: &str, suffix: &str) -> bool {
    text.len()
        .checked_sub(suffix.len())
        .and_then(|start| text.get(start..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
}
