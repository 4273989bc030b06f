//! The page's "Configure AzureAD" steps 1 to 4 and the manifest steps, followed by hand: forms are
//! found on the pages and sent as a browser without JavaScript sends them.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::Application;
use crate::token_service::tests::{Answer, TestClient, World};

/// A person with a browser.
struct Person {
    world: World,
    base: String,
}

impl Person {
    fn new() -> Self {
        let mut world = World::new();
        world.router = axum::Router::new()
            .merge(crate::token_service::router())
            .merge(crate::graph::router())
            .merge(super::router(&world.state))
            .with_state(std::sync::Arc::clone(&world.state));
        let base = format!("/_portal/{}", world.tenant);
        Self { world, base }
    }

    async fn reads(&self, path: &str) -> String {
        let answer = self.world.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body.as_str().unwrap().to_owned()
    }

    async fn sends(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.world.post(path, form).await
    }

    /// Sends a form that succeeds and follows to the page that is shown next.
    async fn does(&self, path: &str, form: &[(&str, &str)]) -> (String, String) {
        let answer = self.sends(path, form).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{path}: {}",
            answer.body
        );
        let next = answer.headers["location"].to_str().unwrap().to_owned();
        let page = self.reads(&next).await;
        (next, page)
    }

    /// Registers an application; returns the base address of its pages.
    async fn registers(&self, name: &str) -> String {
        let form = [("name", name), ("audience", "AzureADMyOrg")];
        let path = format!("{}/app-registrations/new", self.base);
        let (next, page) = self.does(&path, &form).await;
        assert!(page.contains("Application (client) ID"));
        next.trim_end_matches("/overview").to_owned()
    }

    fn application(&self, app: &str) -> Application {
        let id = Uuid::try_parse(app.rsplit('/').next().unwrap()).unwrap();
        let directory = self.world.state.directory();
        (**directory.table::<Application>().newest(id).unwrap()).clone()
    }

    async fn adds_secret(&self, app: &str, form: &[(&str, &str)]) -> String {
        let answer = self.sends(&format!("{app}/secrets"), form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.body.as_str().unwrap();
        let (_, rest) = page
            .split_once("id=\"secret-value\">")
            .expect("the value is shown");
        rest.split_once('<').unwrap().0.to_owned()
    }

    async fn grants_graph_roles(&self, app: &str, roles: &[&str]) -> String {
        let graph = "00000003-0000-0000-c000-000000000000";
        let apis = self.reads(&format!("{app}/permissions/add")).await;
        assert!(apis.contains("Microsoft Graph"));
        let offered = self
            .reads(&format!("{app}/permissions/add?resource={graph}&type=Role"))
            .await;
        assert!(
            offered.contains("<summary>Application</summary>"),
            "{offered}"
        );
        let mut form = vec![("resource", graph), ("type", "Role")];
        for role in roles {
            let (before, _) = offered
                .split_once(&format!("<strong>{role}</strong>"))
                .unwrap();
            let (_, id) = before.rsplit_once("value=\"").unwrap();
            form.push(("permission", id.split_once('"').unwrap().0));
        }
        let (_, page) = self.does(&format!("{app}/permissions/add"), &form).await;
        assert_eq!(
            page.matches("Not granted for Fabrikam Lab").count(),
            roles.len(),
            "{page}"
        );
        assert!(page.contains("Grant admin consent for Fabrikam Lab"));
        self.does(&format!("{app}/permissions/consent"), &[])
            .await
            .1
    }
}

#[tokio::test]
async fn the_four_steps_of_the_page_give_a_management_application_that_works() {
    let person = Person::new();
    // Step 1: App registrations, New registration, a name, Register.
    let app = person.registers("KeyManager Client").await;
    // Step 2: a client secret with Custom as the value for Expires, shown once.
    let form = [
        ("description", "claviger"),
        ("expires", "custom"),
        ("start", "2026-11-23"),
        ("end", "2027-06-30"),
    ];
    let secret = person.adds_secret(&app, &form).await;
    let later = person.reads(&format!("{app}/credentials")).await;
    assert!(!later.contains(&secret), "the value is only shown once");
    assert!(later.contains("2027-06-30"));
    // Step 3: the three Application permissions of Microsoft Graph, with consent.
    let roles = [
        "Application.Read.All",
        "Application.ReadWrite.All",
        "Application.ReadWrite.OwnedBy",
    ];
    let permissions = person.grants_graph_roles(&app, &roles).await;
    assert_eq!(
        permissions
            .matches("&#10004; Granted for Fabrikam Lab")
            .count(),
        3
    );
    assert!(!permissions.contains("Not granted"));
    // Step 4: the endpoints and, under Owned applications, the client id.
    let endpoints = person.reads(&format!("{}/endpoints", person.base)).await;
    assert!(endpoints.contains("OAuth 2.0 token endpoint (v2)"));
    assert!(endpoints.contains(&format!("/{}/oauth2/v2.0/token", person.world.tenant)));
    let owned = person
        .reads(&format!("{}/app-registrations?view=owned", person.base))
        .await;
    let registered = person.application(&app);
    assert!(owned.contains(&registered.app_id.to_string()));

    let client = TestClient {
        application: registered.id,
        app_id: registered.app_id,
        principal: Uuid::nil(),
        secret,
    };
    let scope = "https://graph.microsoft.com/.default";
    let claims = person
        .world
        .token_for(&client, scope)
        .await
        .claims(&person.world);
    let mut granted: Vec<&str> = claims["roles"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    granted.sort_unstable();
    assert_eq!(granted, roles);
}

#[tokio::test]
async fn consent_twice_changes_nothing_and_a_permission_can_be_removed() {
    let person = Person::new();
    let app = person.registers("client").await;
    let page = person
        .grants_graph_roles(&app, &["Application.Read.All"])
        .await;
    let (_, again) = person
        .does(&format!("{app}/permissions/consent"), &[])
        .await;
    assert_eq!(page, again);
    let registered = person.application(&app);
    let access = &registered.required_resource_access[0];
    let (resource, permission) = (
        access.resource_app_id.to_string(),
        access.resource_access[0].id.to_string(),
    );
    let form = [
        ("resource", resource.as_str()),
        ("permission", permission.as_str()),
    ];
    let (_, page) = person
        .does(&format!("{app}/permissions/remove"), &form)
        .await;
    assert!(page.contains("No permissions added."));
}

#[tokio::test]
async fn delegated_permissions_are_consented_for_everybody() {
    let person = Person::new();
    let app = person.registers("client").await;
    let graph = "00000003-0000-0000-c000-000000000000";
    let user_read = "e1fe6dd8-ba31-4d61-89e7-88639da4683d";
    let form = [
        ("resource", graph),
        ("type", "Scope"),
        ("permission", user_read),
    ];
    person.does(&format!("{app}/permissions/add"), &form).await;
    for _ in 0..2 {
        let (_, page) = person
            .does(&format!("{app}/permissions/consent"), &[])
            .await;
        assert!(page.contains("&#10004; Granted for Fabrikam Lab"), "{page}");
    }
}

#[tokio::test]
async fn the_application_id_uri_is_set_to_the_default_by_the_set_link() {
    let person = Person::new();
    let app = person.registers("client").await;
    let app_id = person.application(&app).app_id;
    let overview = person.reads(&format!("{app}/overview")).await;
    assert!(overview.contains(&format!("value=\"api://{app_id}\"")));
    let default = format!("api://{app_id}");
    let (_, page) = person
        .does(&format!("{app}/expose"), &[("uri", &default)])
        .await;
    assert!(page.contains(&format!("<code>{default}</code>")));
    assert_eq!(person.application(&app).identifier_uris, [default]);

    let refused = person
        .sends(&format!("{app}/expose"), &[("uri", "not a uri")])
        .await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.as_str().unwrap().contains("role=\"alert\""));
}

#[tokio::test]
async fn the_manifest_changes_the_token_version_and_only_what_was_edited() {
    let person = Person::new();
    let app = person.registers("client").await;
    let page = person.reads(&format!("{app}/manifest")).await;
    assert!(page.contains("requestedAccessTokenVersion"));
    let id = person.application(&app).id;
    let mut manifest = json!({"id": id, "api": {"requestedAccessTokenVersion": 2}});
    let path = format!("{app}/manifest");
    person
        .does(&path, &[("manifest", &manifest.to_string())])
        .await;
    assert!(person.application(&app).wants_v2_tokens());
    assert_eq!(person.application(&app).display_name, "client");

    manifest["nonsense"] = json!(1);
    for bad in [manifest.to_string(), "{".to_owned(), "[]".to_owned()] {
        let answer = person.sends(&path, &[("manifest", &bad)]).await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.body.as_str().unwrap().contains("role=\"alert\""));
    }
}

#[tokio::test]
async fn secrets_and_certificates_are_added_and_removed() {
    let person = Person::new();
    let app = person.registers("client").await;
    person
        .adds_secret(&app, &[("description", "one"), ("expires", "90")])
        .await;
    let key_id = person.application(&app).password_credentials[0].key_id;
    let (_, page) = person
        .does(&format!("{app}/secrets/{key_id}/delete"), &[])
        .await;
    assert!(page.contains("No client secrets have been created"));

    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
        .unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let certificate = parameters.self_signed(&pair).unwrap().pem();
    let path = format!("{app}/certificates");
    for count in [1, 2] {
        let form = [
            ("certificate", certificate.as_str()),
            ("description", "pipeline"),
        ];
        let (_, page) = person.does(&path, &form).await;
        assert!(page.contains(&format!("Certificates ({count})")));
    }
    let bad = person.sends(&path, &[("certificate", "nonsense")]).await;
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn a_deleted_application_is_restored_or_deleted_for_good() {
    let person = Person::new();
    let app = person.registers("short-lived").await;
    let id = person.application(&app).id;
    let deleted = format!("{}/app-registrations?view=deleted", person.base);
    person.does(&format!("{app}/delete"), &[]).await;
    assert!(person.reads(&deleted).await.contains("short-lived"));
    let decide = format!("{}/deleted/{id}", person.base);
    person.does(&decide, &[("decision", "restore")]).await;
    assert!(
        person
            .reads(&format!("{app}/overview"))
            .await
            .contains("short-lived")
    );
    person.does(&format!("{app}/delete"), &[]).await;
    let (_, page) = person.does(&decide, &[("decision", "purge")]).await;
    assert!(!page.contains("short-lived"));
    assert_eq!(
        person.world.get(&format!("{app}/overview")).await.status,
        404
    );
}

#[tokio::test]
async fn an_enterprise_application_can_insist_on_assignment() {
    let person = Person::new();
    let app = person.registers("api").await;
    let list = person
        .reads(&format!("{}/enterprise-applications?q=api", person.base))
        .await;
    let (_, rest) = list
        .split_once("/enterprise-applications/")
        .expect("it is listed");
    let id = rest.split_once('"').unwrap().0;
    let path = format!("{}/enterprise-applications/{id}", person.base);
    let (_, page) = person
        .does(&path, &[("enabled", "on"), ("assignment", "on")])
        .await;
    assert!(page.contains("name=\"assignment\" checked"), "{page}");
    assert!(page.contains(&format!("{}/overview", &app)));
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let person = Person::new();
    let path = format!("{}/app-registrations/new", person.base);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = Request::post(&path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header(name, value)
            .body(Body::from("name=evil"))
            .unwrap();
        assert_eq!(
            person.world.send(request).await.status,
            StatusCode::FORBIDDEN
        );
    }
    let list = person
        .reads(&format!("{}/app-registrations", person.base))
        .await;
    assert!(!list.contains("evil"));
}

#[tokio::test]
async fn what_people_type_is_never_markup_and_long_names_stay_on_the_page() {
    let person = Person::new();
    let app = person.registers("<script>alert(1)</script>").await;
    for page in [
        "overview",
        "credentials",
        "permissions",
        "expose",
        "manifest",
    ] {
        let html = person.reads(&format!("{app}/{page}")).await;
        assert!(!html.contains("<script>alert"), "{page}");
    }
    let long = person.registers(&"long ".repeat(50)).await;
    assert!(
        person
            .reads(&format!("{long}/overview"))
            .await
            .contains("long long")
    );
    let refused = person
        .sends(
            &format!("{}/app-registrations/new", person.base),
            &[("name", "")],
        )
        .await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn pages_that_do_not_exist_say_so() {
    let person = Person::new();
    let unknown = Uuid::from_u128(7);
    for path in [
        format!("/_portal/{unknown}/"),
        format!("{}/apps/{unknown}/overview", person.base),
        format!("{}/enterprise-applications/{unknown}", person.base),
    ] {
        assert_eq!(person.world.get(&path).await.status, 404, "{path}");
    }
    let answer = person.world.get("/_portal/").await;
    assert_eq!(
        answer.headers["location"],
        format!("{}/", person.base).as_str()
    );
    let page = person.world.get(&format!("{}/", person.base)).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"));
}
