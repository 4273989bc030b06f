//! WSO2's paging: `offset` and `limit` in, `{count, list, pagination}` out.

use control::{Listed, Page};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What WSO2 answers with when no limit is asked for.
const DEFAULT_LIMIT: u32 = 25;

#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// At most this many; 1 to 1000, 25 when absent.
    pub limit: Option<u32>,
    /// Skip this many.
    pub offset: Option<u32>,
}

impl PageQuery {
    /// A limit out of bounds is brought into them.
    pub(crate) fn page(self) -> Page {
        Page {
            offset: self.offset.unwrap_or(0),
            limit: self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, Page::MOST),
        }
    }
}

/// Where a page lies in its list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pagination {
    pub offset: u32,
    pub limit: u32,
    /// The size of the whole list.
    pub total: u64,
    /// Reference to the next page, relative to the API's base; empty on the last.
    pub next: String,
    /// Reference to the previous page; empty on the first.
    pub previous: String,
}

impl Pagination {
    /// `path` is the list's path below the API's base. `filter` is the rest of the query, each pair unescaped.
    pub(crate) fn of<T>(
        listed: &Listed<T>,
        page: Page,
        path: &str,
        filter: &[(&str, &str)],
    ) -> Self {
        let link = |offset: u32| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query
                .append_pair("limit", &page.limit.to_string())
                .append_pair("offset", &offset.to_string());
            for (name, value) in filter.iter().filter(|(_, value)| !value.is_empty()) {
                query.append_pair(name, value);
            }
            format!("{path}?{}", query.finish())
        };
        let after = page.offset.saturating_add(page.limit);
        Self {
            offset: page.offset,
            limit: page.limit,
            total: listed.total,
            next: if u64::from(after) < listed.total {
                link(after)
            } else {
                String::new()
            },
            previous: if page.offset > 0 {
                link(page.offset.saturating_sub(page.limit))
            } else {
                String::new()
            },
        }
    }
}

/// The entries' number as WSO2 writes it.
pub(crate) fn count<T>(list: &[T]) -> u64 {
    list.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pagination(offset: u32, limit: u32, total: u64) -> Pagination {
        let listed = Listed::<()> {
            items: Vec::new(),
            total,
        };
        let page = PageQuery {
            limit: Some(limit),
            offset: Some(offset),
        }
        .page();
        Pagination::of(&listed, page, "/applications", &[("query", "a b&c")])
    }

    #[test]
    fn a_page_in_the_middle_links_both_ways() {
        let middle = pagination(10, 5, 30);
        assert_eq!(middle.next, "/applications?limit=5&offset=15&query=a+b%26c");
        assert_eq!(
            middle.previous,
            "/applications?limit=5&offset=5&query=a+b%26c"
        );
    }

    #[test]
    fn the_only_page_links_nowhere() {
        let only = pagination(0, 25, 25);
        assert_eq!((only.next.as_str(), only.previous.as_str()), ("", ""));
    }

    #[test]
    fn a_limit_out_of_bounds_is_brought_into_them() {
        assert_eq!(pagination(0, 0, 1).limit, 1);
        assert_eq!(pagination(0, 9_999, 1).limit, Page::MOST);
    }
}
