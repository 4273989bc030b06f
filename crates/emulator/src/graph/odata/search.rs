//! `$search`: quoted `"property:term"` clauses joined by AND and OR.

use super::{Filterable, Operand, SearchMode, filter::starts_with};
use crate::graph::error::GraphError;

const MAXIMUM_LENGTH: usize = 2048;

/// A parsed `$search`: any of the groups must hold, a group holds when all its clauses do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Search {
    groups: Vec<Vec<Clause>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Clause {
    property: String,
    term: String,
}

impl Search {
    /// Parses `input` for a resource.
    ///
    /// # Errors
    /// 400 when it does not parse or names a property that cannot be searched.
    pub(crate) fn parse<T: Filterable>(input: &str) -> Result<Self, GraphError> {
        let invalid = || {
            GraphError::malformed(format!(
                "Syntax error: character is not valid in '{}'.",
                shown(input)
            ))
        };
        if input.len() > MAXIMUM_LENGTH {
            return Err(invalid());
        }
        let mut groups = vec![Vec::new()];
        let mut rest = input.trim();
        loop {
            let body = rest.strip_prefix('"').ok_or_else(invalid)?;
            let (clause, after) = body.split_once('"').ok_or_else(invalid)?;
            let (property, term) = clause.split_once(':').ok_or_else(invalid)?;
            if T::search_mode(property).is_none() {
                return Err(GraphError::unsupported_query(format!(
                    "Unrecognized property '{property}' in the search clause."
                )));
            }
            let clause = Clause {
                property: property.to_owned(),
                term: term.trim().to_owned(),
            };
            if let Some(group) = groups.last_mut() {
                group.push(clause);
            }
            rest = after.trim();
            if rest.is_empty() {
                return Ok(Self { groups });
            }
            if let Some(next) = rest.strip_prefix("OR ") {
                groups.push(Vec::new());
                rest = next.trim();
            } else {
                rest = rest.strip_prefix("AND ").ok_or_else(invalid)?.trim();
            }
        }
    }

    /// Whether `object` is found.
    pub(crate) fn matches<T: Filterable>(&self, object: &T) -> bool {
        self.groups
            .iter()
            .any(|group| group.iter().all(|clause| clause.matches(object)))
    }
}

impl Clause {
    fn matches<T: Filterable>(&self, object: &T) -> bool {
        let Some(mode) = T::search_mode(&self.property) else {
            return false;
        };
        match object.operand(&self.property) {
            Some(Operand::Text(text)) => found_in(&text, &self.term, mode),
            Some(Operand::Texts(values)) => {
                values.iter().any(|value| found_in(value, &self.term, mode))
            }
            _ => false,
        }
    }
}

fn found_in(text: &str, term: &str, mode: SearchMode) -> bool {
    match mode {
        SearchMode::Start => starts_with(text, term),
        SearchMode::Words => {
            let words = || text.split(|next: char| !next.is_alphanumeric());
            term.split(|next: char| !next.is_alphanumeric())
                .filter(|part| !part.is_empty())
                .all(|part| words().any(|word| starts_with(word, part)))
        }
    }
}

fn shown(input: &str) -> String {
    input.chars().take(100).collect()
}
