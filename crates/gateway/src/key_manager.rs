//! A key manager as the gateway uses it: its profile with everything compiled that requests would wait for.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::id::KeyManagerId;
use domain::key_manager::{TokenType, TokenValidation};
use domain::snapshot::{KeyManagerEntry, ValidationMethod};
use domain::token_profile::{SignatureAlgorithm, TokenProfile};
use regex::Regex;

use crate::access_log;
use crate::claims::Claims;
use crate::key_set::KeySource;

#[derive(Debug)]
pub(crate) struct KeyManager {
    pub(crate) entry: Arc<KeyManagerEntry>,
    /// New with every change of the entry: what was verified under another generation is void.
    pub(crate) generation: u64,
    pub(crate) keys: KeySource,
    jwt_rules: Vec<JwtRule>,
    /// Patterns of opaque tokens.
    reference_rules: Vec<Regex>,
    has_rules: bool,
    /// What the access log says about it.
    pub(crate) log_fields: Box<[u8]>,
}

/// One "token handling option": every claim must match its pattern.
#[derive(Debug)]
struct JwtRule {
    claims: Vec<(String, Regex)>,
}

impl KeyManager {
    pub(crate) fn compile(entry: Arc<KeyManagerEntry>, generation: u64, keys: KeySource) -> Self {
        let jwt_rules = entry
            .token_validation
            .iter()
            .filter_map(|rule| match rule {
                TokenValidation::Jwt { claims } => JwtRule::compile(claims, &entry.name),
                TokenValidation::Reference { .. } => None,
            })
            .collect();
        let reference_rules = entry
            .token_validation
            .iter()
            .filter_map(|rule| match rule {
                TokenValidation::Reference { pattern } => {
                    usable(TokenValidation::pattern(pattern), &entry.name)
                }
                TokenValidation::Jwt { .. } => None,
            })
            .collect();
        Self {
            generation,
            keys,
            jwt_rules,
            reference_rules,
            has_rules: !entry.token_validation.is_empty(),
            log_fields: access_log::fields(|line| line.text("key_manager.name", &entry.name)),
            entry,
        }
    }

    pub(crate) fn id(&self) -> KeyManagerId {
        self.entry.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.entry.name
    }

    pub(crate) fn profile(&self) -> &TokenProfile {
        &self.entry.profile
    }

    pub(crate) fn allows(&self, algorithm: SignatureAlgorithm) -> bool {
        self.profile().algorithms.contains(&algorithm)
    }

    pub(crate) fn takes_direct_tokens(&self) -> bool {
        matches!(self.entry.token_type, TokenType::Direct | TokenType::Both)
    }

    pub(crate) fn introspects(&self) -> bool {
        matches!(self.entry.validation, ValidationMethod::Introspect { .. })
    }

    /// Whether there are opaque tokens that are this key manager's.
    pub(crate) fn handles_some_opaque(&self) -> bool {
        !self.reference_rules.is_empty() || (self.introspects() && !self.has_rules)
    }

    /// Whether a token that is no JWT is this key manager's: by a token handling option, or because it introspects
    /// and has no options. Which issuer such a token is of, nobody sees.
    pub(crate) fn handles_opaque(&self, token: &str) -> bool {
        let is_match = |rule: &Regex| rule.is_match(token);
        self.reference_rules.iter().any(is_match) || (self.introspects() && !self.has_rules)
    }

    /// Whether a token of this key manager's issuer is this key manager's by its token handling options. Without
    /// options it is; with options that cannot be compiled it is not.
    pub(crate) fn handles(&self, claims: &Claims) -> bool {
        !self.has_rules || self.jwt_rules.iter().any(|rule| rule.matches(claims))
    }
}

fn usable<P>(compiled: Result<P, regex::Error>, key_manager: &str) -> Option<P> {
    match compiled {
        Ok(compiled) => Some(compiled),
        Err(error) => {
            tracing::warn!(
                key_manager.name = key_manager,
                %error,
                "a token handling option has an unusable pattern and matches nothing"
            );
            None
        }
    }
}

impl JwtRule {
    fn compile(claims: &BTreeMap<String, String>, key_manager: &str) -> Option<Self> {
        let compiled = claims
            .iter()
            .map(|(claim, pattern)| Ok((claim.clone(), TokenValidation::pattern(pattern)?)))
            .collect::<Result<Vec<_>, regex::Error>>();
        usable(compiled, key_manager).map(|claims| Self { claims })
    }

    fn matches(&self, claims: &Claims) -> bool {
        self.claims.iter().all(|(claim, pattern)| {
            claims
                .texts(claim)
                .iter()
                .any(|text| pattern.is_match(text))
        })
    }
}
