//! From a document to an API's settings and back.

use domain::api::{ApiScope, ApiSettings, KeyManagerSelection, Operation, validate_definition};
use domain::{FieldError, Invalid};

use super::ImportApi;
use super::openapi::{self, DefinitionReport};

/// Business plan of an API whose publisher named none.
const DEFAULT_PLAN: &str = "Unlimited";

/// What an import makes of a document and of what the publisher says beside it.
pub(super) fn import(definition: &str, overrides: ImportApi) -> Result<ApiSettings, Invalid> {
    let report = read(definition)?;
    let operations = with_what_is_said(report.operations, overrides.operations)?;
    let scopes = with_bindings(report.scopes, overrides.scopes);
    let name = overrides.name.unwrap_or(report.name);
    Ok(ApiSettings {
        context: with_slash(overrides.context.unwrap_or(report.context)),
        version: overrides.version.unwrap_or(report.version),
        description: overrides.description.unwrap_or(report.description),
        is_default_version: overrides.is_default_version.unwrap_or_default(),
        endpoints: overrides.endpoints.unwrap_or(report.endpoints),
        operations,
        scopes,
        key_managers: overrides.key_managers.unwrap_or_default(),
        audiences: overrides.audiences.unwrap_or_default(),
        authorization_header: overrides.authorization_header.unwrap_or_default(),
        policies: overrides
            .policies
            .unwrap_or_else(|| vec![DEFAULT_PLAN.to_owned()]),
        api_throttling_policy: overrides.api_throttling_policy,
        max_tps: overrides.max_tps.unwrap_or_default(),
        visibility: overrides.visibility.unwrap_or_default(),
        cors: overrides.cors,
        mediation: overrides.mediation.unwrap_or_default(),
        name,
    })
}

/// The document's operations with what the publisher says of them.
fn with_what_is_said(
    mut operations: Vec<Operation>,
    said: Vec<Operation>,
) -> Result<Vec<Operation>, Invalid> {
    let mut errors = Vec::new();
    for said in said {
        let is_same = |one: &&mut Operation| one.verb == said.verb && one.target == said.target;
        let Some(operation) = operations.iter_mut().find(is_same) else {
            let (verb, target) = (said.verb.as_str(), said.target);
            let message = format!("{verb} {target} is not in the document; add it there");
            errors.push(FieldError::wrong("operations", message));
            continue;
        };
        // What is open in either place is meant to be.
        operation.auth_required &= said.auth_required;
        if !said.scopes.is_empty() {
            operation.scopes = said.scopes;
        }
        operation.throttling_policy = said
            .throttling_policy
            .or(operation.throttling_policy.take());
        operation.mediation = said.mediation;
    }
    if errors.is_empty() {
        Ok(operations)
    } else {
        Err(Invalid(errors))
    }
}

fn with_bindings(mut scopes: Vec<ApiScope>, said: Vec<ApiScope>) -> Vec<ApiScope> {
    for said in said {
        match scopes.iter_mut().find(|scope| scope.name == said.name) {
            Some(scope) => *scope = said,
            None => scopes.push(said),
        }
    }
    scopes
}

/// The settings as they are stored, however a client wrote them.
pub(super) fn normalise(mut settings: ApiSettings) -> ApiSettings {
    settings.context = with_slash(settings.context);
    if let KeyManagerSelection::Only(names) = &settings.key_managers
        && names.iter().any(|name| name.eq_ignore_ascii_case("all"))
    {
        settings.key_managers = KeyManagerSelection::All;
    }
    settings
}

/// Takes the operations from the document, and the scopes when there are none.
pub(super) fn take_operations(
    mut settings: ApiSettings,
    definition: &str,
) -> Result<ApiSettings, Invalid> {
    let report = read(definition)?;
    settings.operations = report.operations;
    if settings.scopes.is_empty() {
        settings.scopes = report.scopes;
    }
    Ok(settings)
}

/// A document without errors.
pub(super) struct Document {
    pub(super) text: String,
    report: DefinitionReport,
}

impl Document {
    pub(super) fn read(text: String) -> Result<Self, Invalid> {
        validate_definition(&text)?;
        let report = read(&text)?;
        Ok(Self { text, report })
    }

    /// The settings as this document says; role bindings of scopes and header edits of operations that stay are
    /// kept.
    pub(super) fn describe(&self, mut settings: ApiSettings) -> ApiSettings {
        let mut scopes = self.report.scopes.clone();
        for scope in &mut scopes {
            let old = settings.scopes.iter().find(|old| old.name == scope.name);
            if let Some(old) = old
                && scope.bindings.is_empty()
            {
                scope.bindings.clone_from(&old.bindings);
            }
        }
        let mut operations = self.report.operations.clone();
        for operation in &mut operations {
            let is_same =
                |old: &&Operation| old.verb == operation.verb && old.target == operation.target;
            // A document has no word for it: what an operation that stays does with headers, it goes on doing.
            if let Some(old) = settings.operations.iter().find(is_same) {
                operation.mediation.clone_from(&old.mediation);
            }
        }
        settings.operations = operations;
        settings.scopes = scopes;
        settings
    }
}

/// The report of a document without errors.
fn read(definition: &str) -> Result<DefinitionReport, Invalid> {
    let report = openapi::read(definition);
    if report.valid {
        return Ok(report);
    }
    let errors = report.errors.into_iter().map(|error| {
        let message = if error.at.is_empty() {
            error.message
        } else {
            format!("{}: {}", error.at, error.message)
        };
        FieldError::wrong("definition", message)
    });
    Err(Invalid(errors.collect()))
}

/// WSO2's clients also write a context without its first slash.
fn with_slash(context: String) -> String {
    if context.is_empty() || context.starts_with('/') {
        context
    } else {
        format!("/{context}")
    }
}
