//! An API's resources: path templates with verbs, compiled into a tree.
//!
//! Literals go before parameters, parameters before the wildcard. The first template in that order that offers the
//! verb is the resource; an OpenAPI document may spread verbs over templates of different width.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;

use domain::api::{Operation, Verb};

use crate::throttling_policy::Allowance;

/// All operations of one API.
#[derive(Debug, Default)]
pub(crate) struct ResourceTree {
    root: Node,
    resources: Vec<Resource>,
}

/// An operation, and how much of it is allowed.
#[derive(Debug)]
pub(crate) struct Resource {
    operation: Operation,
    /// `None` where no policy is given to it.
    pub(crate) allowance: Option<Allowance>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node>,
    parameter: Option<Box<Node>>,
    /// `/*`: this node and everything below.
    wildcard: Offer,
    here: Offer,
}

/// Index of the operation by verb.
type Offer = Vec<(Verb, usize)>;

/// What a verb on a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ResourceMatch<'t> {
    Found(&'t Resource),
    /// No template matches the path.
    NoResource,
    /// Templates match, but none offers the verb; these it could have been.
    NoVerb(BTreeSet<Verb>),
}

impl ResourceTree {
    pub(crate) fn compile(
        operations: &[Operation],
        mut allowance_of: impl FnMut(&Operation) -> Option<Allowance>,
    ) -> Self {
        let resources = operations.iter().map(|operation| Resource {
            operation: operation.clone(),
            allowance: allowance_of(operation),
        });
        let mut tree = Self {
            root: Node::default(),
            resources: resources.collect(),
        };
        for (index, operation) in operations.iter().enumerate() {
            let segments = operation.target.trim_matches('/').split('/');
            let mut segments = segments.filter(|segment| !segment.is_empty()).peekable();
            let mut node = &mut tree.root;
            let mut is_wildcard = false;
            while let Some(segment) = segments.next() {
                if segment == "*" && segments.peek().is_none() {
                    is_wildcard = true;
                    break;
                }
                node = if segment == "*" || segment.starts_with('{') {
                    node.parameter.get_or_insert_default()
                } else {
                    node.literals.entry(segment.into()).or_default()
                };
            }
            let offer = if is_wildcard {
                &mut node.wildcard
            } else {
                &mut node.here
            };
            offer.push((operation.verb, index));
        }
        tree
    }

    /// `verb` is `None` for a verb that no API can offer.
    pub(crate) fn find(&self, verb: Option<Verb>, segments: &[Cow<'_, str>]) -> ResourceMatch<'_> {
        let mut offered = BTreeSet::new();
        let mut matched = false;
        // HEAD is GET without a body (RFC 9110 section 9.3.2), unless the API says something else about it.
        let fallback = (verb == Some(Verb::Head)).then_some(Verb::Get);
        for verb in [verb, fallback].into_iter().flatten() {
            let mut search = Search {
                verb: Some(verb),
                offered: &mut offered,
                matched: &mut matched,
            };
            if let Some(index) = search.descend(&self.root, segments) {
                return ResourceMatch::Found(&self.resources[index]);
            }
        }
        if verb.is_none() {
            let mut search = Search {
                verb: None,
                offered: &mut offered,
                matched: &mut matched,
            };
            search.descend(&self.root, segments);
        }
        if matched {
            ResourceMatch::NoVerb(offered)
        } else {
            ResourceMatch::NoResource
        }
    }
}

impl ResourceTree {
    pub(crate) fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// What a path offers; empty when no template matches.
    pub(crate) fn offered(&self, segments: &[Cow<'_, str>]) -> BTreeSet<Verb> {
        let mut offered = BTreeSet::new();
        let mut search = Search {
            verb: None,
            offered: &mut offered,
            matched: &mut false,
        };
        search.descend(&self.root, segments);
        offered
    }
}

impl Deref for Resource {
    type Target = Operation;

    fn deref(&self) -> &Operation {
        &self.operation
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.operation == other.operation
    }
}

impl Eq for Resource {}

struct Search<'s> {
    verb: Option<Verb>,
    offered: &'s mut BTreeSet<Verb>,
    matched: &'s mut bool,
}

impl Search<'_> {
    /// Each node is visited at most once: the work is bounded by the API's templates, not by the path.
    fn descend(&mut self, node: &Node, segments: &[Cow<'_, str>]) -> Option<usize> {
        let Some((first, rest)) = segments.split_first() else {
            return self.take(&node.here).or_else(|| self.take(&node.wildcard));
        };
        if let Some(next) = node.literals.get(first.as_ref())
            && let Some(index) = self.descend(next, rest)
        {
            return Some(index);
        }
        if let Some(next) = &node.parameter
            && let Some(index) = self.descend(next, rest)
        {
            return Some(index);
        }
        self.take(&node.wildcard)
    }

    fn take(&mut self, offer: &Offer) -> Option<usize> {
        *self.matched |= !offer.is_empty();
        for &(verb, index) in offer {
            if Some(verb) == self.verb {
                return Some(index);
            }
            self.offered.insert(verb);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(operations: &[(Verb, &str)]) -> ResourceTree {
        let operations: Vec<_> = operations
            .iter()
            .map(|&(verb, target)| Operation {
                verb,
                target: target.to_owned(),
                auth_required: true,
                scopes: Vec::new(),
                throttling_policy: None,
                mediation: domain::mediation::Mediation::default(),
            })
            .collect();
        ResourceTree::compile(&operations, |_| None)
    }

    fn found<'t>(
        tree: &'t ResourceTree,
        verb: &str,
        path: &str,
    ) -> Result<&'t str, Option<BTreeSet<Verb>>> {
        let segments: Vec<_> = path
            .split('/')
            .filter(|s| !s.is_empty())
            .map(Cow::Borrowed)
            .collect();
        match tree.find(Verb::parse(verb), &segments) {
            ResourceMatch::Found(operation) => Ok(&operation.target),
            ResourceMatch::NoResource => Err(None),
            ResourceMatch::NoVerb(verbs) => Err(Some(verbs)),
        }
    }

    #[test]
    fn literals_go_before_parameters_before_wildcards() {
        let tree = tree(&[
            (Verb::Get, "/*"),
            (Verb::Get, "/orders/{id}"),
            (Verb::Get, "/orders/open"),
            (Verb::Get, "/orders/{id}/lines/*"),
            (Verb::Post, "/orders/*"),
        ]);
        assert_eq!(found(&tree, "GET", "/orders/open"), Ok("/orders/open"));
        assert_eq!(found(&tree, "GET", "/orders/7"), Ok("/orders/{id}"));
        assert_eq!(
            found(&tree, "GET", "/orders/7/lines"),
            Ok("/orders/{id}/lines/*")
        );
        assert_eq!(
            found(&tree, "GET", "/orders/open/lines/1/2"),
            Ok("/orders/{id}/lines/*")
        );
        assert_eq!(found(&tree, "GET", "/else/where"), Ok("/*"));
        assert_eq!(found(&tree, "GET", "/"), Ok("/*"));
        assert_eq!(found(&tree, "POST", "/orders/7"), Ok("/orders/*"));
    }

    #[test]
    fn head_falls_to_get_and_an_unknown_verb_finds_what_is_offered() {
        let tree = tree(&[
            (Verb::Get, "/orders"),
            (Verb::Put, "/orders"),
            (Verb::Head, "/own"),
        ]);
        assert_eq!(found(&tree, "HEAD", "/orders"), Ok("/orders"));
        assert_eq!(found(&tree, "HEAD", "/own"), Ok("/own"));
        let offered = Err(Some(BTreeSet::from([Verb::Get, Verb::Put])));
        assert_eq!(found(&tree, "DELETE", "/orders"), offered);
        assert_eq!(found(&tree, "TRACE", "/orders"), offered);
        assert_eq!(found(&tree, "GET", "/nothing"), Err(None));
        assert_eq!(found(&tree, "GET", "/orders/below"), Err(None));
    }
}
