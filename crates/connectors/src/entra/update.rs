//! Brings an app registration's name and marks in line with its application. Never adds a secret.

use reqwest::Method;

use super::EntraConnector;
use super::classify::Stage;
use super::create::descriptive_properties;
use super::graph::GraphRequest;
use crate::contract::{ClientReference, ClientSpecification, ConnectorError, Journal};

const UPDATE_APPLICATION: &str = "update_application";

impl EntraConnector {
    pub(super) async fn update(
        &self,
        client: &ClientReference,
        wanted: &ClientSpecification,
        journal: &mut dyn Journal,
    ) -> Result<(), ConnectorError> {
        let polling = self.polling();
        let object_id = self.object_id_of(client, &polling).await?;
        let body = descriptive_properties(wanted);
        journal.started(UPDATE_APPLICATION, body.clone()).await?;
        let path = format!("/applications/{object_id}");
        let request =
            GraphRequest::new("update application", Method::PATCH, path).with_body(body.clone());
        polling
            .run(Stage::Settled, || self.graph.call(&request))
            .await?;
        journal.finished(UPDATE_APPLICATION, body).await
    }
}
