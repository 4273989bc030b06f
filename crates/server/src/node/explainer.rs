//! Lets control ask the gateway what it makes of a token.

use std::sync::Weak;

use control::explanation::{Explainer, Question};
use domain::explanation::Explanation;
use gateway::{ExplainRequest, ExplainTarget, Gateway};

/// Does not keep the gateway alive: the node alone decides when it stops.
pub(crate) struct GatewayExplainer(pub(crate) Weak<Gateway>);

#[async_trait::async_trait]
impl Explainer for GatewayExplainer {
    async fn explain(&self, question: &Question) -> Explanation {
        let (context, version) = (question.context.clone(), question.version.clone());
        let target = match (question.verb, &question.path) {
            (Some(verb), Some(path)) => ExplainTarget::Request {
                api: Some(question.api),
                verb,
                path: format!("{context}/{version}{path}"),
            },
            _ => ExplainTarget::Api { context, version },
        };
        let Some(gateway) = self.0.upgrade() else {
            // The node is stopping; nothing passes any more.
            return Explanation {
                accepted: false,
                code: None,
                reason: Some("gateway_stopping".to_owned()),
                checks: Vec::new(),
                application: None,
            };
        };
        gateway
            .explain(&ExplainRequest {
                token: question.token.clone(),
                target,
            })
            .await
    }
}
