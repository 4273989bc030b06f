//! APIs as developers see them: only those in a visible state that are meant for them.

use domain::api::{Api, Deployment, LifecycleState, Viewer};
use domain::id::ApiId;
use domain::user::Actor;
use store::api::ApiQuery;
use store::{Listed, Page, Tx};

use super::{Apis, find_definition, openapi};
use crate::error::Noun;
use crate::{Error, blocking};

/// States whose APIs stand in the catalogue.
const LISTED: [LifecycleState; 2] = [LifecycleState::Published, LifecycleState::Prototyped];
/// States in which an API that is known by its id can still be looked at: its subscribers need it.
const SHOWN: [LifecycleState; 4] = [
    LifecycleState::Published,
    LifecycleState::Prototyped,
    LifecycleState::Blocked,
    LifecycleState::Deprecated,
];

/// An API and the addresses at which gateways serve it.
#[derive(Clone, Debug)]
pub struct VisibleApi {
    pub api: Api,
    /// One per environment that shows it: the environment's name and the API's base address there.
    pub gateway_urls: Vec<(String, String)>,
}

impl Apis<'_> {
    /// The catalogue: what this actor (perhaps nobody, signed out) may see.
    pub async fn list_visible(
        &self,
        actor: &Actor,
        query: &ApiQuery,
        page: Page,
    ) -> Result<Listed<Api>, Error> {
        let query = ApiQuery {
            lifecycle: LISTED.to_vec(),
            viewer: viewer(actor),
            ..query.clone()
        };
        let mut tx = self.control.store().read().await?;
        Ok(tx.apis().list(&query, page).await?)
    }

    /// One API of the catalogue. `NotFound` for what is not meant for this actor.
    pub async fn get_visible(&self, actor: &Actor, id: ApiId) -> Result<VisibleApi, Error> {
        let mut tx = self.control.store().read().await?;
        self.view(&mut *tx, actor, id).await
    }

    async fn view(self, tx: &mut dyn Tx, actor: &Actor, id: ApiId) -> Result<VisibleApi, Error> {
        let api = find_visible(tx, actor, id).await?;
        let deployments = tx.revisions().deployments_of(id).await?;
        let gateway_urls = self.gateway_urls(&api, &deployments);
        Ok(VisibleApi { api, gateway_urls })
    }

    /// The API's document with the gateway's addresses in place of the backend's, as JSON.
    pub async fn visible_definition(&self, actor: &Actor, id: ApiId) -> Result<String, Error> {
        let mut tx = self.control.store().read().await?;
        let visible = self.view(&mut *tx, actor, id).await?;
        let definition = find_definition(&mut *tx, id).await?;
        drop(tx);
        let urls: Vec<String> = visible
            .gateway_urls
            .into_iter()
            .map(|(_, url)| url)
            .collect();
        let shown = blocking::run(move || openapi::with_servers(&definition, &urls)).await?;
        shown.ok_or_else(|| {
            Error::Internal(format!("the stored document of API {id} cannot be read").into())
        })
    }

    fn gateway_urls(self, api: &Api, deployments: &[Deployment]) -> Vec<(String, String)> {
        let shown = |name: &str| {
            deployments
                .iter()
                .any(|one| one.environment == name && one.display_on_devportal)
        };
        let environments = self.control.settings().environments.iter();
        environments
            .filter(|environment| shown(&environment.name))
            .map(|environment| {
                let base = environment.base_url.trim_end_matches('/');
                let url = format!("{base}{}", api.settings.base_path());
                (environment.name.clone(), url)
            })
            .collect()
    }
}

/// An API that a developer may look at.
pub(crate) async fn find_visible(tx: &mut dyn Tx, actor: &Actor, id: ApiId) -> Result<Api, Error> {
    let viewer = viewer(actor);
    let found = tx.apis().find(id).await?;
    found
        .filter(|api| SHOWN.contains(&api.lifecycle) && viewer.sees(&api.settings.visibility))
        .ok_or(Error::NotFound(Noun::Api))
}

/// Public ones are for everybody, private ones for whoever has signed in, restricted ones for holders of one of
/// their roles and administrators.
fn viewer(actor: &Actor) -> Viewer {
    if actor.is_admin() {
        Viewer::All
    } else if actor.username.is_empty() {
        Viewer::Anonymous
    } else {
        Viewer::SignedIn(actor.roles.clone())
    }
}
