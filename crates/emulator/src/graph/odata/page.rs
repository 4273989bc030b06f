//! Collections: filtering, searching, ordering and cutting into pages.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::{Filter, Filterable, Literal, Query, Search, filter::ElementTest};
use crate::{
    directory::{Directory, Field, Stored},
    graph::error::GraphError,
    replica::View,
};

/// The page size without `$top`.
const DEFAULT_TOP: usize = 100;

/// Where a collection comes from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) tenant: Uuid,
    /// What plain lists and filters see.
    pub(crate) list: View,
    /// What `$search`, `$count` and advanced queries see.
    pub(crate) search: View,
}

/// One page of a collection.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<Arc<T>>,
    /// How many objects the whole collection has, when `$count=true` asked for it.
    pub(crate) count: Option<usize>,
    /// The token of the next page.
    pub(crate) next: Option<String>,
}

/// Reads one page of all objects of a tenant that pass `query`.
///
/// # Errors
/// 400 when the query cannot be served.
pub(crate) fn collect<T: Stored + Filterable>(
    source: Source<'_>,
    query: &Query,
) -> Result<Page<T>, GraphError> {
    collect_where(source, query, |_| true)
}

/// Reads one page of the objects of a tenant that pass `query` and `belongs`.
///
/// # Errors
/// 400 when the query cannot be served.
pub(crate) fn collect_where<T: Stored + Filterable>(
    source: Source<'_>,
    query: &Query,
    belongs: impl Fn(&T) -> bool,
) -> Result<Page<T>, GraphError> {
    let is_advanced = query.is_eventual && query.count;
    let filter = query.filter.as_deref().map(Filter::parse).transpose()?;
    if let Some(filter) = &filter {
        filter.check::<T>(is_advanced)?;
    }
    if query.search.is_some() && !query.is_eventual {
        return Err(GraphError::unsupported_query(
            "Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'",
        ));
    }
    let search = query
        .search
        .as_deref()
        .map(Search::parse::<T>)
        .transpose()?;
    let order = query
        .order_by
        .as_deref()
        .map(|text| order::<T>(text, query, is_advanced))
        .transpose()?;
    let top = query.top.unwrap_or(DEFAULT_TOP);
    let from = query
        .skip_token
        .as_deref()
        .map(position)
        .transpose()?
        .unwrap_or(0);
    let is_slow = search.is_some() || is_advanced || order.is_some();
    let view = if is_slow { source.search } else { source.list };
    let passes = |object: &T| {
        belongs(object)
            && filter.as_ref().is_none_or(|filter| filter.matches(object))
            && search.as_ref().is_none_or(|search| search.matches(object))
    };
    let table = source.directory.table::<T>();
    if let Some(order) = order {
        let mut all: Vec<_> = table
            .list(source.tenant, 0, view)
            .map(|(_, object)| object)
            .filter(|object| passes(object))
            .collect();
        order.sort(&mut all);
        return Ok(slice(all, from, top, query.count));
    }
    // The whole collection is walked only when it must be counted.
    let start = if query.count { 0 } else { from };
    let candidates: Box<dyn Iterator<Item = (u64, Arc<T>)>> = match filter
        .as_ref()
        .and_then(|filter| narrowed::<T>(source, filter, start, view))
    {
        Some(found) => Box::new(found.into_iter()),
        None => Box::new(table.list(source.tenant, start, view)),
    };
    let mut page = Page {
        items: Vec::new(),
        count: query.count.then_some(0),
        next: None,
    };
    for (number, object) in candidates.filter(|(_, object)| passes(object)) {
        if let Some(count) = &mut page.count {
            *count += 1;
        }
        if number < from || page.next.is_some() {
            continue;
        }
        if page.items.len() < top {
            page.items.push(object);
            continue;
        }
        page.next = Some(token(number));
        if page.count.is_none() {
            break;
        }
    }
    Ok(page)
}

/// Looks candidates up in an index when a part of the filter allows it.
fn narrowed<T: Stored>(
    source: Source<'_>,
    filter: &Filter,
    from: u64,
    view: View,
) -> Option<Vec<(u64, Arc<T>)>> {
    let table = source.directory.table::<T>();
    for part in filter.conjuncts() {
        let (field, value) = match part {
            Filter::Compare {
                property,
                comparison: super::Comparison::Equal,
                literal: Literal::Text(value),
            }
            | Filter::Any {
                property,
                test: ElementTest::Is(value),
            } => (field(property), value),
            Filter::StartsWith { property, prefix } if property == "displayName" => {
                return Some(table.find_prefix(
                    source.tenant,
                    Field::DisplayName,
                    prefix,
                    from,
                    view,
                ));
            }
            _ => continue,
        };
        // A property without an index is left to the scan, or to another part of the filter.
        let Some(field) = field else { continue };
        let mut found: Vec<_> = table
            .find(field, value, view)
            .into_iter()
            .filter(|object| object.tenant_id() == source.tenant)
            .filter_map(|object| Some((table.number(object.id())?, object)))
            .filter(|(number, _)| *number >= from)
            .collect();
        found.sort_by_key(|(number, _)| *number);
        return Some(found);
    }
    None
}

fn field(property: &str) -> Option<Field> {
    match property {
        "appId" => Some(Field::AppId),
        "displayName" => Some(Field::DisplayName),
        "uniqueName" => Some(Field::UniqueName),
        "identifierUris" | "servicePrincipalNames" => Some(Field::Uri),
        "tags" => Some(Field::Tag),
        "userPrincipalName" => Some(Field::UserPrincipalName),
        _ => None,
    }
}

/// `$orderby` on one property.
struct Order {
    property: String,
    is_descending: bool,
}

fn order<T: Filterable>(text: &str, query: &Query, is_advanced: bool) -> Result<Order, GraphError> {
    let mut words = text.split_whitespace();
    let property = words.next().unwrap_or_default().to_owned();
    let is_descending = match words.next() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => {
            return Err(GraphError::malformed(
                "Syntax error in the $orderby clause.",
            ));
        }
    };
    if words.next().is_some()
        || !["displayName", "createdDateTime", "userPrincipalName"].contains(&property.as_str())
    {
        return Err(GraphError::unsupported_query("Sort not supported."));
    }
    if !T::FILTERABLE.contains(&property.as_str()) {
        return Err(GraphError::unsupported_query("Sort not supported."));
    }
    if (query.filter.is_some() || query.search.is_some()) && !is_advanced {
        return Err(GraphError::unsupported_query(
            "Sorting not supported for current query.",
        ));
    }
    Ok(Order {
        property,
        is_descending,
    })
}

impl Order {
    fn sort<T: Filterable>(&self, all: &mut [Arc<T>]) {
        all.sort_by_cached_key(|object| match object.operand(&self.property) {
            Some(super::Operand::Text(text)) => text.to_ascii_lowercase(),
            // RFC 3339 in UTC sorts as text.
            Some(super::Operand::Time(time)) => time.to_string(),
            _ => String::new(),
        });
        if self.is_descending {
            all.reverse();
        }
    }
}

fn slice<T>(all: Vec<Arc<T>>, from: u64, top: usize, is_counted: bool) -> Page<T> {
    let total = all.len();
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let end = from.saturating_add(top);
    Page {
        items: all.into_iter().skip(from).take(top).collect(),
        count: is_counted.then_some(total),
        next: (end < total).then(|| token(end as u64)),
    }
}

fn token(number: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("emulator:{number}"))
}

fn position(token: &str) -> Result<u64, GraphError> {
    let invalid = || GraphError::bad_request("Invalid $skiptoken value.");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    text.strip_prefix("emulator:")
        .and_then(|number| number.parse().ok())
        .ok_or_else(invalid)
}
