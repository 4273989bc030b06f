//! What an API offers: verbs on path templates, and the scopes that they may ask for.

use serde::{Deserialize, Serialize};

use crate::mediation::Mediation;
use crate::user::RoleName;

/// One verb on one path template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub verb: Verb,
    /// Path template below the context and version, for example `/orders/{id}` or `/*`.
    pub target: String,
    /// False: the resource is open to anyone ("auth type: None").
    pub auth_required: bool,
    /// Any one of these scopes is enough; empty means none is needed.
    pub scopes: Vec<String>,
    pub throttling_policy: Option<String>,
    #[serde(default, skip_serializing_if = "Mediation::is_empty")]
    pub mediation: Mediation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    Get,
    Post,
    Put,
    Delete,
    Patch,
    Head,
    Options,
}

impl Verb {
    pub const ALL: [Self; 7] = [
        Self::Get,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Patch,
        Self::Head,
        Self::Options,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }

    /// As a request says it: `get` is another method (RFC 9110 section 9.1). `None` for one that an API cannot offer.
    pub fn of_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == method)
    }

    /// As documents say it, in any letter case; `None` for a verb that an API cannot offer.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verb| verb.as_str().eq_ignore_ascii_case(text))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiScope {
    /// 1 to 255 characters.
    pub name: String,
    pub display_name: String,
    pub description: String,
    /// Roles that may obtain the scope (resident key manager).
    pub bindings: Vec<RoleName>,
}
