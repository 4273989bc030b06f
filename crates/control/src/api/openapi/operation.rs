//! The operations of a document and the scopes that they need.

use std::collections::BTreeMap;

use domain::api::{ApiScope, Operation, Verb};
use domain::mediation::Mediation;
use serde_json::{Map, Value};

use super::{DefinitionError, Dialect, text_at};

/// How many references are followed one after the other.
const DEEPEST_REFERENCE: usize = 8;

/// What [`read`] found.
pub(super) struct Found {
    pub(super) operations: Vec<Operation>,
    pub(super) scopes: Vec<ApiScope>,
    pub(super) errors: Vec<DefinitionError>,
}

/// Reads every path item's operations, in path order, and gathers the scopes of the document's OAuth2 schemes.
pub(super) fn read(root: &Map<String, Value>, dialect: Dialect) -> Found {
    let mut reader = Reader {
        root,
        schemes: security_schemes(root, dialect),
        scopes: BTreeMap::new(),
        errors: Vec::new(),
    };
    reader.declare_scopes();
    let operations = reader.operations();
    Found {
        operations,
        scopes: reader.scopes.into_values().collect(),
        errors: reader.errors,
    }
}

struct Reader<'a> {
    root: &'a Map<String, Value>,
    schemes: Map<String, Value>,
    scopes: BTreeMap<String, ApiScope>,
    errors: Vec<DefinitionError>,
}

fn security_schemes(root: &Map<String, Value>, dialect: Dialect) -> Map<String, Value> {
    let schemes = match dialect {
        Dialect::OpenApi3 => root
            .get("components")
            .and_then(|components| components.get("securitySchemes")),
        Dialect::Swagger2 => root.get("securityDefinitions"),
    };
    schemes
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// OAuth2 schemes carry scopes; what other schemes list beside their name means something else.
fn carries_scopes(scheme: Option<&Value>) -> bool {
    let kind = scheme
        .and_then(|scheme| scheme.get("type"))
        .and_then(Value::as_str);
    matches!(kind, Some("oauth2" | "openIdConnect"))
}

impl Reader<'_> {
    /// Scopes of OAuth2 flows (3.x: `flows.*.scopes`; 2.0: `scopes`), with WSO2's role bindings.
    fn declare_scopes(&mut self) {
        let mut declared = Vec::new();
        for scheme in self
            .schemes
            .values()
            .filter(|scheme| carries_scopes(Some(scheme)))
        {
            let flows = scheme.get("flows").and_then(Value::as_object);
            let holders = flows
                .into_iter()
                .flat_map(Map::values)
                .chain(std::iter::once(scheme));
            for holder in holders {
                let Some(Value::Object(scopes)) = holder.get("scopes") else {
                    continue;
                };
                for (name, description) in scopes {
                    declared.push(ApiScope {
                        name: name.clone(),
                        display_name: name.clone(),
                        description: description.as_str().unwrap_or_default().to_owned(),
                        bindings: bindings(holder.get("x-scopes-bindings"), name),
                    });
                }
            }
        }
        for scope in declared {
            self.scopes.entry(scope.name.clone()).or_insert(scope);
        }
    }

    fn operations(&mut self) -> Vec<Operation> {
        let root = self.root;
        let Some(Value::Object(paths)) = root.get("paths") else {
            self.wrong("/paths".to_owned(), "is missing");
            return Vec::new();
        };
        let mut operations = Vec::new();
        for (target, item) in paths {
            if target.starts_with("x-") {
                continue;
            }
            let at = format!("/paths/{}", target.replace('~', "~0").replace('/', "~1"));
            if !target.starts_with('/') {
                self.wrong(at, "a path begins with /");
                continue;
            }
            let Some(item) = self.resolve(item, &at) else {
                continue;
            };
            for (member, operation) in &item {
                if let Some(verb) = lower_case_verb(member)
                    && let Value::Object(operation) = operation
                {
                    operations.push(self.operation(verb, target, operation));
                }
            }
        }
        operations
    }

    /// A path item, behind local references. External ones are never followed.
    fn resolve(&mut self, item: &Value, at: &str) -> Option<Map<String, Value>> {
        let mut item = item;
        for _ in 0..DEEPEST_REFERENCE {
            let Some(reference) = item.get("$ref").and_then(Value::as_str) else {
                break;
            };
            let found = reference.strip_prefix('#').and_then(|pointer| {
                let (first, rest) = pointer.strip_prefix('/')?.split_once('/')?;
                self.root.get(first)?.pointer(&format!("/{rest}"))
            });
            let Some(found) = found else {
                self.wrong(
                    at.to_owned(),
                    format!(
                        "the reference {reference:?} does not lead to something in this document"
                    ),
                );
                return None;
            };
            item = found;
        }
        let Value::Object(item) = item else {
            self.wrong(at.to_owned(), "must be an object");
            return None;
        };
        if item.contains_key("$ref") {
            self.wrong(at.to_owned(), "references lead on and on");
            return None;
        }
        Some(item.clone())
    }

    fn operation(&mut self, verb: Verb, target: &str, operation: &Map<String, Value>) -> Operation {
        let security = operation
            .get("security")
            .or_else(|| self.root.get("security"));
        let alternatives = security.and_then(Value::as_array);
        let is_open = match operation.get("x-auth-type").and_then(Value::as_str) {
            Some(kind) => kind.eq_ignore_ascii_case("none"),
            // `security: []` says: none. An empty alternative beside others leaves the choice to us: closed.
            None => alternatives.is_some_and(|alternatives| {
                alternatives
                    .iter()
                    .all(|requirement| requirement.as_object().is_some_and(Map::is_empty))
            }),
        };
        let mut scopes: Vec<String> = Vec::new();
        for (scheme, names) in alternatives
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .flatten()
        {
            if !carries_scopes(self.schemes.get(scheme)) {
                continue;
            }
            let names = names.as_array().into_iter().flatten();
            for name in names.filter_map(Value::as_str) {
                if !scopes.iter().any(|known| known == name) {
                    scopes.push(name.to_owned());
                }
            }
        }
        if let Some(name) = operation.get("x-scope").and_then(Value::as_str)
            && !name.is_empty()
            && !scopes.iter().any(|known| known == name)
        {
            scopes.push(name.to_owned());
        }
        for name in &scopes {
            self.scopes.entry(name.clone()).or_insert_with(|| ApiScope {
                name: name.clone(),
                display_name: name.clone(),
                description: String::new(),
                bindings: Vec::new(),
            });
        }
        let policy = text_at(operation, "x-throttling-tier");
        Operation {
            verb,
            target: target.to_owned(),
            auth_required: !is_open,
            scopes: if is_open { Vec::new() } else { scopes },
            throttling_policy: (!policy.is_empty()).then(|| policy.to_owned()),
            mediation: Mediation::default(),
        }
    }

    fn wrong(&mut self, at: String, message: impl Into<String>) {
        self.errors.push(DefinitionError {
            at,
            message: message.into(),
        });
    }
}

/// Verbs are members in lower case; anything else in a path item is not an operation.
fn lower_case_verb(member: &str) -> Option<Verb> {
    if member.chars().any(|c| c.is_ascii_uppercase()) {
        return None;
    }
    Verb::parse(member)
}

/// WSO2 writes the roles of a scope as one text with commas.
fn bindings(all: Option<&Value>, scope: &str) -> Vec<String> {
    all.and_then(|all| all.get(scope))
        .and_then(Value::as_str)
        .into_iter()
        .flat_map(|roles| roles.split(','))
        .map(str::trim)
        .filter(|role| !role.is_empty())
        .map(str::to_owned)
        .collect()
}
