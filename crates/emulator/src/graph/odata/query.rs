//! The query options of a request.

use url::form_urlencoded;

use crate::graph::error::GraphError;

/// The largest `$top`.
const MAXIMUM_TOP: usize = 999;
const MAXIMUM_LENGTH: usize = 16 * 1024;

/// The query options of a request, as text; the resource parses what depends on its type.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) filter: Option<String>,
    pub(crate) search: Option<String>,
    pub(crate) select: Option<Vec<String>>,
    pub(crate) order_by: Option<String>,
    pub(crate) expand: Option<String>,
    /// `$top`, already checked to be 1 to 999.
    pub(crate) top: Option<usize>,
    /// `$count=true`.
    pub(crate) count: bool,
    pub(crate) skip_token: Option<String>,
    /// `ConsistencyLevel: eventual`, as header or as query parameter.
    pub(crate) is_eventual: bool,
}

impl Query {
    /// Parses a query string.
    ///
    /// # Errors
    /// 400 `BadRequest` for an unknown option, a repeated option or a value that does not parse.
    pub(crate) fn parse(text: &str) -> Result<Self, GraphError> {
        if text.len() > MAXIMUM_LENGTH {
            return Err(GraphError::malformed("The query string is too long."));
        }
        let mut query = Self::default();
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let name = name.to_ascii_lowercase();
            if name == "consistencylevel" {
                query.is_eventual |= value.eq_ignore_ascii_case("eventual");
                continue;
            }
            let Some(option) = name.strip_prefix('$') else {
                continue;
            };
            if seen.contains(&name) {
                return Err(GraphError::malformed(format!(
                    "Query option '{name}' was specified more than once, but it must be specified at most once."
                )));
            }
            query.set(option, &value)?;
            seen.push(name);
        }
        Ok(query)
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), GraphError> {
        let text = || Some(value.to_owned()).filter(|value| !value.trim().is_empty());
        match option {
            "filter" => self.filter = text(),
            "search" => self.search = text(),
            "orderby" => self.order_by = text(),
            "expand" => self.expand = text(),
            "skiptoken" => self.skip_token = text(),
            "select" => {
                let names: Vec<_> = value
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect();
                self.select =
                    (!names.is_empty() && !names.iter().any(|name| name == "*")).then_some(names);
            }
            "top" => {
                let top = value
                    .parse()
                    .ok()
                    .filter(|top| (1..=MAXIMUM_TOP).contains(top));
                self.top = Some(top.ok_or_else(|| {
                    GraphError::malformed(format!(
                        "Invalid page size specified: '{}'. Must be between 1 and 999 inclusive.",
                        value.chars().take(20).collect::<String>()
                    ))
                })?);
            }
            "count" => {
                self.count = match value {
                    "true" => true,
                    "false" => false,
                    _ => {
                        return Err(GraphError::malformed(
                            "Invalid value for $count query option.",
                        ));
                    }
                };
            }
            "format" => {}
            "skip" => {
                return Err(GraphError::malformed(
                    "'$skip' is not supported by the service.",
                ));
            }
            _ => {
                return Err(GraphError::malformed(format!(
                    "The query parameter '${}' is not supported.",
                    option.chars().take(50).collect::<String>()
                )));
            }
        }
        Ok(())
    }
}
