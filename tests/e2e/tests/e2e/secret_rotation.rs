//! Regenerating a consumer secret: no gap, no pile.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::claviger::Portal;
use crate::entra::Client;
use crate::polling::eventually;
use crate::scene::Scene;

const GRACE: Duration = Duration::from_secs(20);
/// The current secret and at most two in grace; a fourth for the moment until the oldest is removed.
const MOST_SECRETS: usize = 4;

async fn regenerate(scene: &Scene, application: &str, mapping: &str) -> Client {
    let path = format!("/applications/{application}/oauth-keys/{mapping}/regenerate-secret");
    let reply = scene
        .claviger
        .call(Portal::Developer, Method::POST, &path, Value::Null)
        .await
        .expect(200);
    Client {
        id: reply.text_at("/consumerKey"),
        secret: reply.text_at("/consumerSecret"),
    }
}

async fn secrets_in_entra(scene: &Scene) -> usize {
    let applications = scene.entra.made_by_claviger().await;
    assert_eq!(applications.len(), 1);
    applications[0]["passwordCredentials"]
        .as_array()
        .expect("a list")
        .len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_secret_both_work_until_the_grace_period_ends() {
    let grace = [(
        "CLAVIGER_CONTROL_SECRET_GRACE_PERIOD_SECONDS",
        GRACE.as_secs().to_string(),
    )];
    let scene = Scene::set_with(&grace).await;
    let application = scene.subscribed("rotating").await;
    let (mapping, old) = scene.claviger.generated_keys(&application).await;
    let new = regenerate(&scene, &application, &mapping).await;
    assert_eq!(old.id, new.id);
    assert_ne!(old.secret, new.secret);

    let scope = format!("api://{}/.default", old.id);
    let with_old = scene
        .entra
        .try_token(&old, &scope)
        .await
        .expect("the old one works on");
    let with_new = scene.entra.token(&new).await;
    for token in [&with_old, &with_new] {
        scene.claviger.until_answered(200, token).await;
    }
    eventually(
        "the old secret ends",
        GRACE + Duration::from_secs(40),
        async || (secrets_in_entra(&scene).await == 1).then_some(()),
    )
    .await;
    eventually(
        "the token service knows",
        Duration::from_secs(10),
        async || scene.entra.try_token(&old, &scope).await.err(),
    )
    .await;
    let with_new_again = scene.entra.token(&new).await;
    scene.claviger.until_answered(200, &with_new_again).await;
    scene.read_everything(&application, &mapping).await;
    let stored = scene.claviger.generate_token(&application, &mapping).await;
    scene.kept_its_secrets(
        &[&old, &new],
        &[&with_old, &with_new, &with_new_again, &stored],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_it_is_regenerated_secrets_do_not_pile_up() {
    let scene = Scene::set().await;
    let application = scene.subscribed("impatient").await;
    let (mapping, first) = scene.claviger.generated_keys(&application).await;
    let mut clients = vec![first];
    for _ in 0..5 {
        clients.push(regenerate(&scene, &application, &mapping).await);
        let standing = secrets_in_entra(&scene).await;
        assert!(standing <= MOST_SECRETS, "{standing} secrets");
    }
    eventually(
        "two in grace and the newest",
        Duration::from_secs(30),
        async || (secrets_in_entra(&scene).await == 3).then_some(()),
    )
    .await;
    let newest = clients.last().expect("some");
    let token = scene.entra.token(newest).await;
    scene.claviger.until_answered(200, &token).await;
    let clients: Vec<_> = clients.iter().collect();
    scene.kept_its_secrets(&clients, &[&token]);
}
