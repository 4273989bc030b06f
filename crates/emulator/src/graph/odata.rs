//! OData as far as Graph's directory understands it: query options, `$filter`, `$search`, paging.

mod filter;
mod filter_parser;
mod lexer;
mod page;
mod query;
mod search;

pub(crate) use filter::{Comparison, Filter, Literal};
pub(crate) use page::{Source, collect, collect_where};
pub(crate) use query::Query;
pub(crate) use search::Search;

use jiff::Timestamp;

/// A property as filters see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand<'a> {
    Null,
    Bool(bool),
    Text(std::borrow::Cow<'a, str>),
    Texts(&'a [String]),
    Time(Timestamp),
}

/// An object that can be filtered.
pub(crate) trait Filterable {
    /// The value of a filterable property; `None` when it cannot be filtered by.
    fn operand(&self, property: &str) -> Option<Operand<'_>>;

    /// Whether `$search` may name the property, and whether it is searched by words.
    fn search_mode(property: &str) -> Option<SearchMode>;

    /// The properties that can be filtered by, for checking a filter before any object is read.
    const FILTERABLE: &'static [&'static str];
}

/// How `$search` compares a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchMode {
    /// Any word of the value may begin with the term.
    Words,
    /// The value begins with the term.
    Start,
}

/// Text of an identifier or another computed value.
pub(crate) fn text<'a>(value: impl Into<std::borrow::Cow<'a, str>>) -> Operand<'a> {
    Operand::Text(value.into())
}

/// Text or null.
pub(crate) fn optional(value: Option<&str>) -> Operand<'_> {
    value.map_or(Operand::Null, text)
}
