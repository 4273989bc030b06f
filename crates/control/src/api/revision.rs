//! Revisions of an API and their deployments: what gateways really serve.

use domain::Invalid;
use domain::api::{Deployment, Revision};
use domain::id::{ApiId, RevisionId};
use domain::user::Actor;
use domain::validation::Check;
use serde_json::json;
use store::snapshot_change::ChangedNoun;
use store::{StoreError, Tx};

use super::{Apis, VIEW_STATE, find, rules};
use crate::error::{NotPossible, Noun};
use crate::identity::authorization::require;
use crate::{Error, GatewayEnvironment};

const REVISE: &[&str] = &[
    "apim:api_create",
    "apim:api_manage",
    "apim:api_publish",
    "apim:api_import_export",
];
const DEPLOY: &[&str] = &["apim:api_publish", "apim:api_create", "apim:api_manage"];
const UNDEPLOY: &[&str] = REVISE;

/// A revision and where it is deployed.
#[derive(Clone, Debug)]
pub struct RevisionView {
    pub revision: Revision,
    pub deployments: Vec<Deployment>,
}

/// Where a revision is to be deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentTarget {
    /// Name of a configured gateway environment.
    pub environment: String,
    /// Empty means the environment's own.
    pub vhost: String,
    pub display_on_devportal: bool,
}

impl Apis<'_> {
    /// Copies the API as it is now. At most [`Revision::MOST_PER_API`] exist at a time.
    pub async fn create_revision(
        &self,
        actor: &Actor,
        id: ApiId,
        description: String,
    ) -> Result<Revision, Error> {
        require(actor, REVISE)?;
        let mut check = Check::default();
        check.length("description", &description, 0, 1_024);
        check.finish()?;
        let mut tx = self.control.begin().await?;
        let api = find(&mut *tx, id).await?;
        let count = tx.revisions().list_of(id).await?.len();
        if u64::try_from(count).is_ok_and(|count| count >= Revision::MOST_PER_API) {
            return Err(NotPossible::TooManyRevisions(Revision::MOST_PER_API).into());
        }
        let revision = Revision {
            id: RevisionId::generate(self.control.clock(), self.control.random()),
            api_id: id,
            number: tx.revisions().next_number(id).await?,
            description,
            settings: api.settings,
            created_at: self.control.clock().now(),
        };
        tx.revisions().insert(&revision).await?;
        let details = json!({ "revision": revision.id, "number": revision.number });
        tx.record_audit(&actor.username, "api.create_revision", id, details)
            .await?;
        tx.commit().await?;
        Ok(revision)
    }

    /// By number.
    pub async fn revisions(&self, actor: &Actor, id: ApiId) -> Result<Vec<RevisionView>, Error> {
        require(actor, VIEW_STATE)?;
        let mut tx = self.control.store().read().await?;
        find(&mut *tx, id).await?;
        let deployments = tx.revisions().deployments_of(id).await?;
        let revisions = tx.revisions().list_of(id).await?;
        Ok(revisions
            .into_iter()
            .map(|revision| view(revision, &deployments))
            .collect())
    }

    pub async fn revision(
        &self,
        actor: &Actor,
        id: ApiId,
        revision: RevisionId,
    ) -> Result<RevisionView, Error> {
        require(actor, VIEW_STATE)?;
        let mut tx = self.control.store().read().await?;
        let found = find_revision(&mut *tx, id, revision).await?;
        let deployments = tx.revisions().deployments_of(id).await?;
        Ok(view(found, &deployments))
    }

    /// `InUse` while it is deployed.
    pub async fn delete_revision(
        &self,
        actor: &Actor,
        id: ApiId,
        revision: RevisionId,
    ) -> Result<(), Error> {
        require(actor, REVISE)?;
        let in_use = || Error::InUse {
            noun: Noun::Revision,
            reason: "the revision is deployed; undeploy it first".to_owned(),
        };
        let mut tx = self.control.begin().await?;
        let found = find_revision(&mut *tx, id, revision).await?;
        let deployments = tx.revisions().deployments_of(id).await?;
        if deployments.iter().any(|one| one.revision_id == revision) {
            return Err(in_use());
        }
        tx.revisions()
            .delete(revision)
            .await
            .map_err(|error| match error {
                StoreError::Reference { .. } => in_use(),
                other => other.into(),
            })?;
        let details = json!({ "revision": revision, "number": found.number });
        tx.record_audit(&actor.username, "api.delete_revision", id, details)
            .await?;
        tx.commit().await
    }

    /// Puts a revision onto gateways, in place of what was deployed of this API there.
    pub async fn deploy(
        &self,
        actor: &Actor,
        id: ApiId,
        revision: RevisionId,
        targets: Vec<DeploymentTarget>,
    ) -> Result<Vec<Deployment>, Error> {
        require(actor, DEPLOY)?;
        if targets.is_empty() {
            return Err(Invalid::field("name", "names no gateway environment").into());
        }
        let mut tx = self.control.begin().await?;
        let found = find_revision(&mut *tx, id, revision).await?;
        let endpoints = &found.settings.endpoints;
        if endpoints.production.is_empty() && endpoints.sandbox.is_empty() {
            let message = "the revision has no endpoint; a gateway could not serve it";
            return Err(Invalid::field("endpointConfig", message).into());
        }
        let mut deployed = Vec::with_capacity(targets.len());
        for target in targets {
            let environment = environment(&self.control.settings().environments, &target)?;
            let deployment = Deployment {
                api_id: id,
                revision_id: revision,
                environment: environment.name.clone(),
                vhost: environment.vhost.clone(),
                display_on_devportal: target.display_on_devportal,
                deployed_at: self.control.clock().now(),
            };
            tx.revisions().deploy(&deployment).await?;
            let details = json!({
                "revision": revision,
                "number": found.number,
                "environment": deployment.environment,
            });
            tx.record_audit(&actor.username, "api.deploy", id, details)
                .await?;
            deployed.push(deployment);
        }
        tx.changed(ChangedNoun::Api(id));
        let api = find(&mut *tx, id).await?;
        if api.settings.is_default_version && found.settings.is_default_version {
            rules::keep_one_default_version(&mut tx, &api).await?;
        }
        tx.commit().await?;
        Ok(deployed)
    }

    /// Takes a revision down from environments. `NotFound(Deployment)` when it is not deployed in one of them.
    pub async fn undeploy(
        &self,
        actor: &Actor,
        id: ApiId,
        revision: RevisionId,
        environments: &[String],
    ) -> Result<(), Error> {
        require(actor, UNDEPLOY)?;
        let mut tx = self.control.begin().await?;
        find_revision(&mut *tx, id, revision).await?;
        let deployments = tx.revisions().deployments_of(id).await?;
        for environment in environments {
            let is_deployed = deployments
                .iter()
                .any(|one| one.revision_id == revision && one.environment == *environment);
            if !is_deployed {
                return Err(Error::NotFound(Noun::Deployment));
            }
            tx.revisions().undeploy(id, environment).await?;
            let details = json!({ "revision": revision, "environment": environment });
            tx.record_audit(&actor.username, "api.undeploy", id, details)
                .await?;
        }
        tx.changed(ChangedNoun::Api(id));
        tx.commit().await
    }

    pub async fn deployments(&self, actor: &Actor, id: ApiId) -> Result<Vec<Deployment>, Error> {
        require(actor, VIEW_STATE)?;
        let mut tx = self.control.store().read().await?;
        find(&mut *tx, id).await?;
        Ok(tx.revisions().deployments_of(id).await?)
    }
}

fn view(revision: Revision, deployments: &[Deployment]) -> RevisionView {
    let deployments = deployments
        .iter()
        .filter(|deployment| deployment.revision_id == revision.id)
        .cloned()
        .collect();
    RevisionView {
        revision,
        deployments,
    }
}

async fn find_revision(tx: &mut dyn Tx, api: ApiId, id: RevisionId) -> Result<Revision, Error> {
    find(tx, api).await?;
    let found = tx.revisions().find_in(api, id).await?;
    found.ok_or(Error::NotFound(Noun::Revision))
}

/// The configured environment that a target names; a virtual host other than its own is refused.
fn environment<'a>(
    configured: &'a [GatewayEnvironment],
    target: &DeploymentTarget,
) -> Result<&'a GatewayEnvironment, Error> {
    let found = configured
        .iter()
        .find(|environment| environment.name == target.environment);
    let Some(environment) = found else {
        let names: Vec<&str> = configured.iter().map(|one| one.name.as_str()).collect();
        let message = format!(
            "there is no gateway environment {:?}; there is: {}",
            target.environment,
            names.join(", ")
        );
        return Err(Invalid::field("name", message).into());
    };
    if !target.vhost.is_empty() && target.vhost != environment.vhost {
        let message = format!(
            "environment {:?} has the virtual host {:?}",
            environment.name, environment.vhost
        );
        return Err(Invalid::field("vhost", message).into());
    }
    Ok(environment)
}
