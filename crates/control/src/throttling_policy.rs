//! Throttling policies (business plans), as portals and REST clients read them.
//!
//! There are the built-in ones only; which of them a noun may name is asked here, enforcing them is the
//! gateway's work.

use domain::throttling_policy::{PolicyLevel, ThrottlingPolicy, built_in};
use domain::user::Actor;

use crate::error::Noun;
use crate::{Control, Error};

/// Whether a policy of this level bears this name.
pub(crate) fn exists(level: PolicyLevel, name: &str) -> bool {
    built_in(level).iter().any(|policy| policy.name == name)
}

/// Reading throttling policies.
pub struct ThrottlingPolicies<'a> {
    _control: &'a Control,
}

impl<'a> ThrottlingPolicies<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { _control: control }
    }

    /// All policies of a level. Whoever can reach a portal may read them (WSO2 asks for no scope).
    #[expect(
        clippy::unused_async,
        reason = "one shape for all use-cases; policies become rows once administrators edit them"
    )]
    pub async fn list(
        &self,
        _actor: &Actor,
        level: PolicyLevel,
    ) -> Result<Vec<ThrottlingPolicy>, Error> {
        Ok(built_in(level))
    }

    /// One policy by its name, which is also its id.
    pub async fn get(
        &self,
        actor: &Actor,
        level: PolicyLevel,
        name: &str,
    ) -> Result<ThrottlingPolicy, Error> {
        self.list(actor, level)
            .await?
            .into_iter()
            .find(|policy| policy.name == name)
            .ok_or(Error::NotFound(Noun::ThrottlingPolicy))
    }
}
