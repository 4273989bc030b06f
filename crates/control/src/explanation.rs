//! "Why was my token rejected?": asks whoever runs a gateway, and tells each person only what is theirs to know.
//!
//! The token is never stored and never logged.

use std::sync::Arc;

use async_trait::async_trait;
use domain::api::{Api, Verb};
use domain::explanation::{CheckOutcome, ExplainedCheck, Explanation};
use domain::id::ApiId;
use domain::user::Actor;
use domain::validation::Check;
use domain::{Invalid, SecretString};
use secrecy::ExposeSecret;

use crate::error::Noun;
use crate::{Control, Error};

/// The longest token that is looked at, in bytes: more than any gateway takes that was not told to take more.
pub(crate) const LONGEST_TOKEN: usize = 64 * 1024;

/// Bytes.
const LONGEST_PATH: usize = 8 * 1024;

/// The last check that speaks of the token alone, signed or introspected; what comes after it speaks of an
/// application.
const LAST_CHECKS_OF_THE_TOKEN: [&str; 2] = ["signature", "introspection"];

/// What a person asks.
#[derive(Clone, Debug)]
pub struct ExplainToken {
    pub token: SecretString,
    pub api: ApiReference,
    /// Verb and path (1 to 8,192 bytes, from its first slash) below the API's context and version; where either is
    /// missing, the API is asked about as a whole, and the scopes of its resources are not looked at.
    pub verb: Option<Verb>,
    pub path: Option<String>,
}

/// How the API is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiReference {
    Id(ApiId),
    ContextAndVersion { context: String, version: String },
}

/// What the gateway is asked.
#[derive(Clone, Debug)]
pub struct Question {
    pub token: SecretString,
    /// Nothing is said of another one, wherever the path may lead.
    pub api: ApiId,
    /// The API's context, without the version.
    pub context: String,
    pub version: String,
    pub verb: Option<Verb>,
    pub path: Option<String>,
}

/// Someone who decides as the gateway does, and says why. Implemented by the server over the gateway.
#[async_trait]
pub trait Explainer: Send + Sync {
    async fn explain(&self, question: &Question) -> Explanation;
}

#[derive(Clone, Copy)]
pub struct Explanations<'a> {
    control: &'a Control,
}

impl<'a> Explanations<'a> {
    pub(crate) const fn new(control: &'a Control) -> Self {
        Self { control }
    }

    /// Every check of a gateway in order. Where the token belongs to somebody else's application, a developer
    /// learns nothing beyond the token itself.
    pub async fn explain(&self, actor: &Actor, wanted: ExplainToken) -> Result<Explanation, Error> {
        let length = wanted.token.expose_secret().len();
        if length == 0 || length > LONGEST_TOKEN {
            let message = format!("must have 1 to {LONGEST_TOKEN} bytes, has {length}");
            return Err(Invalid::field("token", message).into());
        }
        if let Some(path) = &wanted.path {
            let mut check = Check::default();
            check.length("path", path, 1, LONGEST_PATH).that(
                path.starts_with('/'),
                "path",
                "must begin with /",
            );
            check.finish()?;
        }
        let api = self.visible_api(actor, &wanted.api).await?;
        let explainer: &Arc<dyn Explainer> = self.control.explainer().ok_or(Error::Forbidden(
            "no gateway runs in this process that could explain tokens",
        ))?;
        let question = Question {
            token: wanted.token,
            api: api.id,
            context: api.settings.context,
            version: api.settings.version,
            verb: wanted.verb,
            path: wanted.path,
        };
        let explanation = explainer.explain(&question).await;
        let Some(application) = explanation.application else {
            return Ok(explanation);
        };
        if actor.is_admin() {
            return Ok(explanation);
        }
        let mut tx = self.control.store().read().await?;
        let owned = tx
            .applications()
            .find_owned(&actor.username, application)
            .await?;
        Ok(match owned {
            Some(_) => explanation,
            None => without_the_application(explanation),
        })
    }

    /// An API that the actor may know.
    async fn visible_api(&self, actor: &Actor, reference: &ApiReference) -> Result<Api, Error> {
        let id = match reference {
            ApiReference::Id(id) => *id,
            ApiReference::ContextAndVersion { context, version } => {
                let mut tx = self.control.store().read().await?;
                let found = tx.apis().find_at(context, version).await?;
                found.ok_or(Error::NotFound(Noun::Api))?.id
            }
        };
        let apis = self.control.apis();
        if actor.is_admin() {
            return apis.get(actor, id).await;
        }
        Ok(apis.get_visible(actor, id).await?.api)
    }
}

/// What may be told about a token of an application that is not the asker's.
fn without_the_application(explanation: Explanation) -> Explanation {
    let of_the_token = explanation
        .checks
        .iter()
        .rposition(|check| LAST_CHECKS_OF_THE_TOKEN.contains(&check.name.as_str()))
        .map_or(0, |index| index + 1);
    let mut checks = explanation.checks;
    for check in checks.iter_mut().skip(of_the_token) {
        *check = ExplainedCheck {
            name: std::mem::take(&mut check.name),
            outcome: CheckOutcome::NotReached,
            seen: None,
            expected: None,
            fix: None,
        };
    }
    let reveals_itself = checks
        .iter()
        .any(|check| check.outcome == CheckOutcome::Failed);
    Explanation {
        accepted: false,
        code: explanation.code.filter(|_| reveals_itself),
        reason: if reveals_itself {
            explanation.reason
        } else {
            Some("not_your_application".to_owned())
        },
        checks,
        application: None,
    }
}
