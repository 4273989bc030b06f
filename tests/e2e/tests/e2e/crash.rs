//! `kill -9` at the worst moments. A job that was under way is resumed when its lease has run out.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::claviger::Portal;
use crate::polling::eventually;
use crate::scene::Scene;

/// The lease (30 s), and the work itself on a busy machine.
const RESUMED: Duration = Duration::from_secs(100);

/// When the process dies, told by what happens to the next request of its management app.
struct Moment {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    is_done: bool,
}

/// Before a step's effect the request hangs; after it, the effect is there but its answer is lost.
const MOMENTS: [Moment; 7] = [
    // First: the connector has its own token yet, so that the token request that hangs is the proof.
    before("the secret is proven", "POST", "/*/oauth2/v2.0/token"),
    before(
        "the application exists",
        "PATCH",
        "/v1.0/applications(uniqueName=*",
    ),
    after(
        "the application was made",
        "PATCH",
        "/v1.0/applications(uniqueName=*",
    ),
    before(
        "the service principal exists",
        "POST",
        "/v1.0/servicePrincipals",
    ),
    after(
        "the service principal was made",
        "POST",
        "/v1.0/servicePrincipals",
    ),
    before(
        "the secret exists",
        "POST",
        "/v1.0/applications/*/addPassword",
    ),
    after(
        "the secret was made",
        "POST",
        "/v1.0/applications/*/addPassword",
    ),
];

const fn before(name: &'static str, method: &'static str, path: &'static str) -> Moment {
    Moment {
        name,
        method,
        path,
        is_done: false,
    }
}

const fn after(name: &'static str, method: &'static str, path: &'static str) -> Moment {
    Moment {
        name,
        method,
        path,
        is_done: true,
    }
}

impl Moment {
    fn rule(&self) -> Value {
        let action = if self.is_done {
            // Every time: Entra may refuse the first tries, for want of replication, without an effect.
            json!({ "type": "respondAfterEffect", "status": 504 })
        } else {
            json!({ "type": "delay", "milliseconds": 120_000 })
        };
        json!({ "method": self.method, "path": self.path, "action": action })
    }
}

/// Starts `what` on a task, and kills the node when the moment has come.
async fn kill_at(
    scene: &mut Scene,
    moment: &Moment,
    what: impl Future<Output = Result<crate::http::Reply, String>> + Send + 'static,
) {
    let since = scene.entra.now().await;
    let fault = scene.entra.add_fault(moment.rule()).await;
    let request = tokio::spawn(what);
    if moment.is_done {
        let query = format!("after={since}&effects=true");
        eventually(moment.name, RESUMED, async || {
            let recorded = scene.entra.recorded(&query).await;
            recorded
                .iter()
                .any(|entry| entry["fault"] == *fault)
                .then_some(())
        })
        .await;
    } else {
        scene.entra.until_fault_acts(&fault).await;
    }
    scene.claviger.kill();
    let cut = request.await.expect("the request's task");
    assert!(
        cut.is_err(),
        "{}: the answer came before the crash",
        moment.name
    );
    scene.entra.clear_faults().await;
    scene.claviger.run();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generating_keys_survives_a_crash_at_any_step() {
    let mut scene = Scene::set().await;
    let first = scene.subscribed("before the crashes").await;
    let (_, first) = scene.claviger.generated_keys(&first).await;

    let mut applications = Vec::new();
    for moment in &MOMENTS {
        let application = scene.subscribed(moment.name).await;
        let request = scene.claviger.generate_keys(&application);
        kill_at(&mut scene, moment, request).await;
        applications.push((moment.name, application));
    }
    let mut tokens = Vec::new();
    for (name, application) in applications {
        println!("killed around: {name}");
        let keys = scene
            .claviger
            .until_keys_are("COMPLETED", &application, RESUMED)
            .await;
        scene.has_exactly_one_client(&keys).await;
        let mapping = keys["keyMappingId"].as_str().expect("an id");
        let token = scene.claviger.generate_token(&application, mapping).await;
        scene.claviger.until_answered(200, &token).await;
        tokens.push(token);
    }
    let made = scene.entra.made_by_claviger().await.len();
    assert_eq!(made, MOMENTS.len() + 1, "registrations in Entra");
    let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
    scene.kept_its_secrets(&[&first], &tokens);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_survives_a_crash_at_any_step() {
    let mut scene = Scene::set().await;
    let moments = [
        before(
            "the application is deleted",
            "DELETE",
            "/v1.0/applications*",
        ),
        after(
            "the application was deleted",
            "DELETE",
            "/v1.0/applications*",
        ),
        before(
            "the deleted item is purged",
            "DELETE",
            "/v1.0/directory/deletedItems/*",
        ),
        after(
            "the deleted item was purged",
            "DELETE",
            "/v1.0/directory/deletedItems/*",
        ),
    ];
    let mut applications = Vec::new();
    let mut clients = Vec::new();
    for moment in &moments {
        let application = scene.subscribed(moment.name).await;
        let (_, client) = scene.claviger.generated_keys(&application).await;
        clients.push(client);
        applications.push(application);
    }
    for (moment, application) in moments.iter().zip(&applications) {
        let path = format!("/applications/{application}");
        let request = scene
            .claviger
            .request(Portal::Developer, Method::DELETE, &path);
        let http = scene.entra.http.clone();
        kill_at(
            &mut scene,
            moment,
            async move { http.try_send(request).await },
        )
        .await;
    }
    for application in &applications {
        eventually("the application is gone", RESUMED, async || {
            let path = format!("/applications/{application}");
            let reply = scene.claviger.get(Portal::Developer, &path).await;
            (reply.status == 404).then_some(())
        })
        .await;
    }
    let ids: Vec<_> = clients.iter().map(|client| client.id.clone()).collect();
    let remains = scene.entra.remains(&ids).await;
    assert!(remains.is_empty(), "{remains:?}");
    let clients: Vec<_> = clients.iter().collect();
    scene.kept_its_secrets(&clients, &[]);
}

/// The developer changes their mind while the crash is not even repaired: nothing may be left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_deleted_after_a_crash_in_their_making_leave_nothing() {
    let mut scene = Scene::set().await;
    let application = scene.subscribed("half made").await;
    let request = scene.claviger.generate_keys(&application);
    let moment = after(
        "the secret was made",
        "POST",
        "/v1.0/applications/*/addPassword",
    );
    kill_at(&mut scene, &moment, request).await;
    let path = format!("/applications/{application}");
    let reply = scene
        .claviger
        .call(Portal::Developer, Method::DELETE, &path, Value::Null)
        .await;
    assert!(
        matches!(reply.status, 200 | 202),
        "{} {}",
        reply.status,
        reply.text
    );
    eventually("the application is gone", RESUMED, async || {
        let reply = scene.claviger.get(Portal::Developer, &path).await;
        (reply.status == 404).then_some(())
    })
    .await;
    let remains = scene.entra.remains(&[]).await;
    assert!(remains.is_empty(), "{remains:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regenerating_a_secret_survives_a_crash_without_a_gap_or_a_leftover() {
    let mut scene = Scene::set().await;
    let path = "/v1.0/applications/*/addPassword";
    let moments = [
        before("the new secret exists", "POST", path),
        after("the new secret was made", "POST", path),
    ];
    let mut made = Vec::new();
    for moment in &moments {
        let application = scene.subscribed(moment.name).await;
        let (mapping, old) = scene.claviger.generated_keys(&application).await;
        made.push((application, mapping, old));
    }
    for (moment, (application, mapping, _)) in moments.iter().zip(&made) {
        let path = format!("/applications/{application}/oauth-keys/{mapping}/regenerate-secret");
        let request = scene
            .claviger
            .request(Portal::Developer, Method::POST, &path);
        let http = scene.entra.http.clone();
        kill_at(
            &mut scene,
            moment,
            async move { http.try_send(request).await },
        )
        .await;
    }
    for (application, mapping, old) in &made {
        let path = format!("/applications/{application}/oauth-keys/{mapping}/steps");
        eventually("the rotation is done", RESUMED, async || {
            let jobs = scene
                .claviger
                .get(Portal::Developer, &path)
                .await
                .expect(200);
            let jobs = jobs.list_at("/list");
            let is_done =
                |job: &&Value| job["kind"] == "rotate_secret" && job["state"] == "succeeded";
            jobs.iter().find(is_done).map(|_| ())
        })
        .await;
        let mut registrations = scene.entra.made_by_claviger().await;
        registrations.retain(|registration| registration["appId"] == *old.id.as_str());
        let secrets = registrations[0]["passwordCredentials"]
            .as_array()
            .expect("a list");
        assert_eq!(
            secrets.len(),
            2,
            "the old one in grace and the new one: {secrets:?}"
        );
        // The old one works on, and so does the new one, which is stored.
        let with_old = scene.entra.token(old).await;
        scene.claviger.until_answered(200, &with_old).await;
        let with_new = scene.claviger.generate_token(application, mapping).await;
        scene.claviger.until_answered(200, &with_new).await;
        scene.kept_its_secrets(&[old], &[&with_old, &with_new]);
    }
}
