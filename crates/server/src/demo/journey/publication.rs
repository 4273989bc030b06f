//! The publisher's part: an API from an OpenAPI document, its revision, deployment and publication.

use reqwest::Method;
use serde_json::json;

use super::narration::{Outcome, Told};
use super::script::{Portal, Script};

/// An API to publish.
pub(super) struct ApiToPublish {
    pub(super) name: &'static str,
    pub(super) context: &'static str,
}

pub(super) const WEATHER: ApiToPublish = ApiToPublish {
    name: "WeatherAPI",
    context: "/exampleapi",
};
pub(super) const TIDES: ApiToPublish = ApiToPublish {
    name: "TidesAPI",
    context: "/tides",
};
pub(super) const VERSIONS: ApiToPublish = ApiToPublish {
    name: "TokenVersionsAPI",
    context: "/versions",
};
pub(super) const EITHER_VERSION: ApiToPublish = ApiToPublish {
    name: "EitherVersionAPI",
    context: "/either",
};

/// An API that a gateway serves.
pub(crate) struct PublishedApi {
    pub(super) id: String,
    pub(super) context: String,
    pub(super) version: String,
}

const VERSION: &str = "1.0.0";

pub(super) async fn publish(
    script: &Script,
    api: ApiToPublish,
    key_managers: &[&str],
) -> Outcome<PublishedApi> {
    let published = publish_api(script, &api, key_managers).await?;
    let sentence = format!(
        "{} at {} for tokens of {}",
        api.name,
        script.api_url(&published, ""),
        key_managers.join(" and ")
    );
    Ok(Told::new(published, sentence))
}

pub(super) async fn publish_api(
    script: &Script,
    api: &ApiToPublish,
    key_managers: &[&str],
) -> Result<PublishedApi, String> {
    let properties = json!({
        "name": api.name,
        "version": VERSION,
        "context": api.context,
        "policies": ["Unlimited"],
        "keyManagers": key_managers,
        "endpointConfig": {
            "endpoint_type": "http",
            "production_endpoints": { "url": script.places.upstream },
            "sandbox_endpoints": { "url": script.places.upstream }
        }
    });
    let form = reqwest::multipart::Form::new()
        .text(
            "inlineAPIDefinition",
            include_str!("../sample_api.openapi.yaml"),
        )
        .text("additionalProperties", properties.to_string());
    let request = script
        .request(Portal::Publisher, Method::POST, "/apis/import-openapi")?
        .multipart(form);
    let id = script
        .send(request)
        .await?
        .expect(201, "import-openapi")?
        .text_at("/id")?;

    let description = json!({ "description": "First" });
    let revision = script
        .call(
            Portal::Publisher,
            Method::POST,
            &format!("/apis/{id}/revisions"),
            Some(&description),
        )
        .await?
        .expect(201, "new revision")?
        .text_at("/id")?;
    let targets = json!([{ "name": "Default", "vhost": "localhost", "displayOnDevportal": true }]);
    let path = format!("/apis/{id}/deploy-revision?revisionId={revision}");
    script
        .call(Portal::Publisher, Method::POST, &path, Some(&targets))
        .await?
        .expect(201, "deploy-revision")?;
    let path = format!("/apis/change-lifecycle?apiId={id}&action=Publish");
    script
        .call(Portal::Publisher, Method::POST, &path, None)
        .await?
        .expect(200, "Publish")?;
    Ok(PublishedApi {
        id,
        context: api.context.to_owned(),
        version: VERSION.to_owned(),
    })
}
