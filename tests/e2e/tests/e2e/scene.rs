//! What nearly every test begins with: Entra, one node, a key manager between them, and a published API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::claviger::{Claviger, Portal};
use crate::entra::{Client, Entra};
use crate::secrecy::Secrets;
use crate::upstream::{DEFINITION, Upstream};

pub(crate) struct Scene {
    pub(crate) entra: Entra,
    pub(crate) claviger: Claviger,
    pub(crate) upstream: Upstream,
    pub(crate) management: Client,
    pub(crate) api: String,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        Self::set_with(&[]).await
    }

    /// With further settings of the node.
    pub(crate) async fn set_with(settings: &[(&str, String)]) -> Self {
        let entra = Entra::start();
        let management = entra.register_management_app().await;
        entra.begin_to_replicate().await;
        let upstream = Upstream::start().await;
        let mut all = settings_for(&entra);
        all.extend_from_slice(settings);
        let mut claviger = Claviger::start(&entra.http, &all);
        claviger.sign_in().await;
        add_key_manager(&claviger, &entra, &management).await;
        let api = publish(&claviger, &upstream).await;
        Self {
            entra,
            claviger,
            upstream,
            management,
            api,
        }
    }

    /// An application that may call the API.
    pub(crate) async fn subscribed(&self, name: &str) -> String {
        let application = self.claviger.create_application(name).await;
        self.claviger.subscribe(&application, &self.api).await;
        application
    }

    /// Exactly one registration, one service principal and one live secret stand in Entra for these keys.
    pub(crate) async fn has_exactly_one_client(&self, keys: &Value) {
        let (mapping, client_id) = (&keys["keyMappingId"], &keys["consumerKey"]);
        let unique_name = format!("claviger-{}", mapping.as_str().expect("an id"));
        let mut registrations = self.entra.made_by_claviger().await;
        registrations.retain(|application| {
            application["uniqueName"] == unique_name || application["appId"] == *client_id
        });
        let [registration] = registrations.as_slice() else {
            panic!("not one registration: {registrations:?}")
        };
        assert_eq!(registration["appId"], *client_id);
        let secrets = registration["passwordCredentials"]
            .as_array()
            .expect("a list");
        assert_eq!(secrets.len(), 1, "{secrets:?}");
        let mut principals = self.entra.objects("servicePrincipal").await;
        principals.retain(|principal| principal["appId"] == *client_id);
        assert_eq!(principals.len(), 1, "{principals:?}");
    }

    /// Reads what there is to read about an application, for [`Self::kept_its_secrets`] to look at.
    pub(crate) async fn read_everything(&self, application: &str, mapping: &str) {
        let listed = self
            .claviger
            .get(Portal::Admin, "/key-managers")
            .await
            .expect(200);
        let key_manager = listed.text_at("/list/0/id");
        let keys = format!("/applications/{application}/oauth-keys");
        for (portal, path) in [
            (Portal::Admin, format!("/key-managers/{key_manager}")),
            (
                Portal::Admin,
                format!("/key-managers/{key_manager}/app-usages"),
            ),
            (Portal::Admin, "/jobs?limit=1000".to_owned()),
            (Portal::Admin, "/audit-entries?limit=1000".to_owned()),
            (Portal::Publisher, "/key-managers".to_owned()),
            (Portal::Publisher, format!("/apis/{}", self.api)),
            (Portal::Developer, "/key-managers".to_owned()),
            (Portal::Developer, format!("/applications/{application}")),
            (Portal::Developer, keys.clone()),
            (Portal::Developer, format!("{keys}/{mapping}")),
            (Portal::Developer, format!("{keys}/{mapping}/steps")),
            (
                Portal::Developer,
                format!("/subscriptions?applicationId={application}"),
            ),
        ] {
            self.claviger.get(portal, &path).await.expect(200);
        }
        let path = format!("/key-managers/{key_manager}/check");
        let checked = self
            .claviger
            .call(Portal::Admin, Method::POST, &path, Value::Null)
            .await;
        assert_eq!(checked.expect(200).json["good"], true);
    }

    /// The whole run let nothing out: not in a log, not in an answer, not on the disk.
    pub(crate) fn kept_its_secrets(&self, clients: &[&Client], tokens: &[&str]) {
        let people = self.claviger.people();
        let mut secrets = Secrets::default();
        secrets.never_shown.push(self.management.secret.clone());
        secrets
            .never_shown
            .push(self.entra.administrator.secret.clone());
        let passwords = people
            .passwords
            .iter()
            .map(|(_, password)| password.clone());
        secrets.never_shown.extend(passwords);
        secrets
            .shown_once
            .extend(people.tokens().map(str::to_owned));
        secrets
            .shown_once
            .extend(clients.iter().map(|client| client.secret.clone()));
        for token in tokens {
            secrets.add_token(token);
        }
        secrets.absent_from_log("claviger", &self.claviger.log());
        secrets.absent_from_folder(self.claviger.data());
        let entra_log = self.entra.log();
        if !entra_log.is_empty() {
            secrets.absent_from_log("entra-emulator", &entra_log);
        }
        let heard = self.entra.http.heard();
        // Of every process that the node was, each at an address of its own.
        let ours = heard
            .iter()
            .filter(|answer| !answer.url.starts_with(&self.entra.base));
        secrets.absent_from_answers(ours);
    }
}

/// What a node needs to reach the emulated Entra.
pub(crate) fn settings_for(entra: &Entra) -> Vec<(&'static str, String)> {
    let authority = entra.folder.path().join("authority.pem");
    std::fs::write(&authority, &entra.authority).expect("the folder is writable");
    vec![
        (
            "CLAVIGER_OUTBOUND_EXTRA_CA_FILES",
            authority.display().to_string(),
        ),
        ("CLAVIGER_OUTBOUND_PRIVATE_TARGETS", "allowed".to_owned()),
    ]
}

/// As the product's guide fills in the form.
pub(crate) async fn add_key_manager(claviger: &Claviger, entra: &Entra, management: &Client) {
    let (base, tenant, token_endpoint) = (&entra.base, &entra.tenant, entra.token_endpoint());
    let well_known = format!("{base}/{tenant}/v2.0/.well-known/openid-configuration");
    let fields = [("url", well_known.clone()), ("type", "AzureAD".to_owned())];
    let discovered = claviger
        .post_form(Portal::Admin, "/key-managers/discover", &fields)
        .await
        .expect(200);
    assert_eq!(discovered.json["valid"], true, "{}", discovered.text);
    let discovered = &discovered.json["value"];
    let body = json!({
        "name": "Entra",
        "displayName": "Entra ID",
        "type": "AzureAD",
        "enabled": true,
        "wellKnownEndpoint": well_known,
        "issuer": discovered["issuer"],
        "clientRegistrationEndpoint": base,
        "introspectionEndpoint": token_endpoint,
        "tokenEndpoint": token_endpoint,
        "displayTokenEndpoint": token_endpoint,
        "revokeEndpoint": token_endpoint,
        "displayRevokeEndpoint": token_endpoint,
        "userInfoEndpoint": discovered["userInfoEndpoint"],
        "authorizeEndpoint": discovered["authorizeEndpoint"],
        "scopeManagementEndpoint": token_endpoint,
        "certificates": discovered["certificates"],
        "consumerKeyClaim": "azp",
        "scopesClaim": "",
        "availableGrantTypes": ["client_credentials"],
        "enableTokenGeneration": true,
        "enableMapOAuthConsumerApps": true,
        "enableOAuthAppCreation": true,
        "enableSelfValidationJWT": true,
        "permissions": { "permissionType": "PUBLIC", "roles": [] },
        "additionalProperties": {
            "microsoft_graph_api_endpoint": base,
            "microsoft_graph_api_endpoint_version": ["v1.0"],
            "azure_ad_client_id": management.id,
            "azure_ad_client_secret": management.secret,
            "polling_initial_delay_ms": "200",
            "polling_max_wait_time_ms": "5000"
        }
    });
    claviger
        .call(Portal::Admin, Method::POST, "/key-managers", body)
        .await
        .expect(201);
}

/// An API, deployed and published; gives its id.
pub(crate) async fn publish(claviger: &Claviger, upstream: &Upstream) -> String {
    let properties = json!({
        "name": "Weather",
        "version": "1.0.0",
        "context": "/weather",
        "policies": ["Unlimited"],
        "keyManagers": ["Entra"],
        "endpointConfig": {
            "endpoint_type": "http",
            "production_endpoints": { "url": upstream.url },
            "sandbox_endpoints": { "url": upstream.url }
        }
    });
    let fields = [
        ("inlineAPIDefinition", DEFINITION.to_owned()),
        ("additionalProperties", properties.to_string()),
    ];
    let api = claviger
        .post_form(Portal::Publisher, "/apis/import-openapi", &fields)
        .await
        .expect(201)
        .text_at("/id");
    let path = format!("/apis/{api}/revisions");
    let revision = claviger
        .call(
            Portal::Publisher,
            Method::POST,
            &path,
            json!({ "description": "First" }),
        )
        .await
        .expect(201)
        .text_at("/id");
    let path = format!("/apis/{api}/deploy-revision?revisionId={revision}");
    let targets = json!([{ "name": "Default", "vhost": "localhost", "displayOnDevportal": true }]);
    claviger
        .call(Portal::Publisher, Method::POST, &path, targets)
        .await
        .expect(201);
    let path = format!("/apis/change-lifecycle?apiId={api}&action=Publish");
    claviger
        .call(Portal::Publisher, Method::POST, &path, Value::Null)
        .await
        .expect(200);
    api
}
