//! Key managers, as administrators, publishers and developers meet them.

use control::Error;
use control::error::{NotPossible, Noun};
use domain::key_manager::Permissions;
use secrecy::ExposeSecret;
use serde_json::json;
use store::Page;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

use crate::installation::{Installation, key_manager_settings, production_keys};
use crate::support::{actor, admin, ann, bob, publisher, secret};

fn wrong_field(error: Error) -> String {
    let Error::Invalid(invalid) = error else {
        panic!("not about a field: {error:?}");
    };
    invalid.0[0].field.clone()
}

#[tokio::test]
async fn a_created_key_manager_is_found_again_with_defaults_filled_in() {
    let installation = Installation::without_runner().await;
    let created = installation.creates_key_manager("entra").await;
    let key_managers = installation.control.key_managers();
    let found = key_managers.get(&admin(), created.id).await.unwrap();
    assert_eq!(found.settings.configuration["fake_colour"], json!("blue"));
    assert_eq!(
        found.settings.secrets["fake_secret"].expose_secret(),
        "the-management-secret"
    );
    let listed = key_managers.list(&admin()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(!listed[0].used);
}

#[tokio::test]
async fn a_masked_or_absent_secret_keeps_the_stored_one() {
    let installation = Installation::without_runner().await;
    let created = installation.creates_key_manager("entra").await;
    let key_managers = installation.control.key_managers();
    let mut masked = key_manager_settings("entra");
    masked.secrets.clear();
    masked
        .configuration
        .insert("fake_secret".to_owned(), json!("*****"));
    let mut absent = key_manager_settings("entra");
    absent.secrets.clear();
    for settings in [masked, absent] {
        let updated = key_managers
            .update(&admin(), created.id, settings)
            .await
            .unwrap();
        let kept = &updated.settings.secrets["fake_secret"];
        assert_eq!(kept.expose_secret(), "the-management-secret");
    }
    let mut new = key_manager_settings("entra");
    new.secrets
        .insert("fake_secret".to_owned(), secret("another"));
    let updated = key_managers
        .update(&admin(), created.id, new)
        .await
        .unwrap();
    let replaced = &updated.settings.secrets["fake_secret"];
    assert_eq!(replaced.expose_secret(), "another");
}

#[tokio::test]
async fn what_cannot_change_is_named_when_it_is_changed() {
    let installation = Installation::without_runner().await;
    let created = installation.creates_key_manager("entra").await;
    let key_managers = installation.control.key_managers();
    let mut other_colour = key_manager_settings("entra");
    other_colour
        .configuration
        .insert("fake_colour".to_owned(), json!("red"));
    let mut other_type = key_manager_settings("entra");
    other_type.connector_type = "AzureAD".to_owned();
    let changes = [
        (key_manager_settings("okta"), "name"),
        (other_type, "type"),
        (other_colour, "additionalProperties.fake_colour"),
    ];
    for (settings, field) in changes {
        let refused = key_managers.update(&admin(), created.id, settings).await;
        assert_eq!(wrong_field(refused.unwrap_err()), field);
    }
}

#[tokio::test]
async fn wrong_settings_are_refused_at_save_time() {
    let installation = Installation::without_runner().await;
    let key_managers = installation.control.key_managers();
    let mut no_secret = key_manager_settings("a");
    no_secret.secrets.clear();
    let refused = key_managers.create(&admin(), no_secret).await;
    assert_eq!(
        wrong_field(refused.unwrap_err()),
        "additionalProperties.fake_secret"
    );

    let mut ftp = key_manager_settings("b");
    ftp.endpoints.token = Some("ftp://login.example/token".parse().unwrap());
    let refused = key_managers.create(&admin(), ftp).await;
    assert_eq!(wrong_field(refused.unwrap_err()), "tokenEndpoint");

    let mut unknown = key_manager_settings("c");
    unknown.connector_type = "Nothing".to_owned();
    let refused = key_managers.create(&admin(), unknown).await.unwrap_err();
    assert!(matches!(
        refused,
        Error::NotPossible(NotPossible::KeyManagerTypeUnknown(name)) if name == "Nothing"
    ));

    let mut nobody = key_manager_settings("d");
    nobody.permissions = Permissions::Deny(vec!["contractros".to_owned()]);
    let refused = key_managers.create(&admin(), nobody).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(Noun::Role)));
    assert!(key_managers.list(&admin()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_name_is_given_once() {
    let installation = Installation::without_runner().await;
    installation.creates_key_manager("entra").await;
    let again = installation
        .control
        .key_managers()
        .create(&admin(), key_manager_settings("entra"))
        .await;
    assert!(matches!(
        again.unwrap_err(),
        Error::AlreadyExists(Noun::KeyManager)
    ));
}

#[tokio::test]
async fn only_administrators_see_and_change_key_managers() {
    let installation = Installation::without_runner().await;
    let id = installation.creates_key_manager("entra").await.id;
    let key_managers = installation.control.key_managers();
    for outsider in [ann(), publisher(), actor("nobody", &[])] {
        let settings = || key_manager_settings("entra");
        let refusals = [
            key_managers.list(&outsider).await.err(),
            key_managers.get(&outsider, id).await.err(),
            key_managers.create(&outsider, settings()).await.err(),
            key_managers.update(&outsider, id, settings()).await.err(),
            key_managers.delete(&outsider, id).await.err(),
            key_managers.check(&outsider, id).await.err(),
            key_managers
                .check_unsaved(&outsider, settings())
                .await
                .err(),
            key_managers
                .discover(&outsider, "https://login.example", "Fake")
                .await
                .err(),
            key_managers
                .app_usages(&outsider, id, Page::FIRST)
                .await
                .err(),
        ];
        for refusal in refusals {
            assert!(matches!(refusal, Some(Error::Forbidden(_))), "{refusal:?}");
        }
    }
    assert_eq!(key_managers.names(&publisher()).await.unwrap().len(), 1);
    assert!(key_managers.names(&ann()).await.is_err());
}

#[tokio::test]
async fn a_key_manager_in_use_stays() {
    let installation = Installation::start().await;
    let key_manager = installation.creates_key_manager("entra").await;
    let application = installation.creates_application(&ann()).await;
    let mappings = installation.control.key_mappings();
    let keys = mappings
        .generate(&ann(), application.id, production_keys("entra"))
        .await
        .unwrap();
    let key_managers = installation.control.key_managers();
    let refused = key_managers.delete(&admin(), key_manager.id).await;
    assert!(matches!(refused.unwrap_err(), Error::InUse { .. }));
    let users = key_managers
        .app_usages(&admin(), key_manager.id, Page::FIRST)
        .await
        .unwrap();
    assert_eq!(users.items[0].id, application.id);
    assert!(key_managers.list(&admin()).await.unwrap()[0].used);

    mappings
        .delete(&ann(), application.id, keys.mapping.id)
        .await
        .unwrap();
    key_managers.delete(&admin(), key_manager.id).await.unwrap();
    let gone = key_managers.get(&admin(), key_manager.id).await;
    assert!(matches!(
        gone.unwrap_err(),
        Error::NotFound(Noun::KeyManager)
    ));
}

#[tokio::test]
async fn a_developer_sees_the_enabled_key_managers_that_are_for_them() {
    let installation = Installation::without_runner().await;
    let key_managers = installation.control.key_managers();
    installation.creates_key_manager("open").await;
    let mut off = key_manager_settings("off");
    off.enabled = false;
    key_managers.create(&admin(), off).await.unwrap();
    let mut publishers = key_manager_settings("publishers");
    publishers.permissions = Permissions::Allow(vec!["publisher".to_owned()]);
    key_managers.create(&admin(), publishers).await.unwrap();

    let names = async |who| {
        let visible = key_managers.visible_to(&who).await.unwrap();
        let names = visible.into_iter().map(|one| one.key_manager.settings.name);
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(bob()).await, ["open"]);
    assert_eq!(names(publisher()).await, ["open", "publishers"]);
}

#[tokio::test]
async fn the_connection_is_tested_before_and_after_saving() {
    let installation = Installation::without_runner().await;
    let key_managers = installation.control.key_managers();
    let report = key_managers
        .check_unsaved(&admin(), key_manager_settings("entra"))
        .await
        .unwrap();
    assert_eq!(report.findings.len(), 1);
    let id = installation.creates_key_manager("entra").await.id;
    key_managers.check(&admin(), id).await.unwrap();
    assert_eq!(installation.server.calls(), ["check", "check"]);
}

#[tokio::test]
async fn discovery_does_not_reach_into_the_servers_own_network() {
    let installation = Installation::without_runner().await;
    let key_managers = installation.control.key_managers();
    for address in [
        "http://127.0.0.1:1/.well-known/openid-configuration",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "not a url",
    ] {
        let refused = key_managers.discover(&admin(), address, "Fake").await;
        assert_eq!(wrong_field(refused.unwrap_err()), "url", "{address}");
    }
}

/// Answers one request after the other with an active token's response, and hands over what it was sent.
async fn introspection_server() -> (Url, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/introspect", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = String::new();
            while !request.contains("token_type_hint=") {
                let mut bytes = [0; 4_096];
                let read = stream.read(&mut bytes).await.unwrap();
                assert_ne!(read, 0, "the request ends early: {request}");
                request.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            tell.send(request).await.unwrap();
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{\"active\":true}";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url.parse().unwrap(), told)
}

#[tokio::test]
async fn a_gateway_asks_about_tokens_with_the_key_managers_own_credentials() {
    let installation = Installation::without_runner().await;
    let key_managers = installation.control.key_managers();
    let without = installation.creates_key_manager("without").await;
    let token = secret("opaque-token");
    let answer = key_managers.introspect(without.id, &token).await.unwrap();
    assert_eq!(answer, None);

    let (url, mut told) = introspection_server().await;
    let mut settings = key_manager_settings("with");
    settings.endpoints.introspection = Some(url);
    let with = key_managers
        .create(&admin(), settings.clone())
        .await
        .unwrap();
    let answer = key_managers.introspect(with.id, &token).await.unwrap();
    assert_eq!(answer.as_deref(), Some(&br#"{"active":true}"#[..]));
    let request = told.recv().await.unwrap();
    // fake:the-management-secret
    assert!(
        request.contains("authorization: Basic ZmFrZTp0aGUtbWFuYWdlbWVudC1zZWNyZXQ="),
        "{request}"
    );
    assert!(request.contains("token=opaque-token&"), "{request}");

    // A disabled key manager is asked nothing.
    settings.enabled = false;
    key_managers
        .update(&admin(), with.id, settings)
        .await
        .unwrap();
    assert_eq!(
        key_managers.introspect(with.id, &token).await.unwrap(),
        None
    );
    assert!(told.try_recv().is_err());
}
