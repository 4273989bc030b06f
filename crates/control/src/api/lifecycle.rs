//! The lifecycle of an API: which events are open, and taking one.

use domain::api::{Api, LifecycleState};
use domain::id::ApiId;
use domain::user::Actor;
use serde_json::json;
use store::snapshot_change::ChangedNoun;

use super::{Apis, VIEW_STATE, find};
use crate::Error;
use crate::error::NotPossible;
use crate::identity::authorization::require;

const PUBLISH: &[&str] = &[
    "apim:api_publish",
    "apim:api_manage",
    "apim:api_import_export",
];

impl Apis<'_> {
    /// The present state; [`LifecycleState::transitions`] says which events are open.
    pub async fn lifecycle(&self, actor: &Actor, id: ApiId) -> Result<LifecycleState, Error> {
        require(actor, VIEW_STATE)?;
        let mut tx = self.control.store().read().await?;
        Ok(find(&mut *tx, id).await?.lifecycle)
    }

    /// Takes an event (named as WSO2 names it, for example `Publish`) and says where it led.
    pub async fn change_lifecycle(
        &self,
        actor: &Actor,
        id: ApiId,
        event: &str,
    ) -> Result<LifecycleState, Error> {
        require(actor, PUBLISH)?;
        let mut tx = self.control.begin().await?;
        let mut api = find(&mut *tx, id).await?;
        let from = api.lifecycle;
        let Some(to) = from.after(event) else {
            return Err(NotPossible::LifecycleTransition(not_open(from, event)).into());
        };
        may_enter(&api, to)?;
        api.lifecycle = to;
        api.updated_at = self.control.clock().now();
        tx.apis().update(&api).await?;
        let details = json!({ "event": event, "from": from, "to": to });
        tx.record_audit(&actor.username, "api.change_lifecycle", id, details)
            .await?;
        tx.changed(ChangedNoun::Api(id));
        tx.commit().await?;
        Ok(to)
    }
}

/// A published API must lead somewhere.
fn may_enter(api: &Api, to: LifecycleState) -> Result<(), Error> {
    let endpoints = &api.settings.endpoints;
    let leads_nowhere = endpoints.production.is_empty() && endpoints.sandbox.is_empty();
    if to == LifecycleState::Published && leads_nowhere {
        let reason = "an API needs at least one endpoint before it can be published";
        return Err(NotPossible::LifecycleTransition(reason.to_owned()).into());
    }
    Ok(())
}

fn not_open(from: LifecycleState, event: &str) -> String {
    let open: Vec<&str> = from.transitions().iter().map(|&(name, _)| name).collect();
    let open = if open.is_empty() {
        "nothing is".to_owned()
    } else {
        format!("open are: {}", open.join(", "))
    };
    format!("{event:?} is not open in state {}; {open}", from.as_str())
}
