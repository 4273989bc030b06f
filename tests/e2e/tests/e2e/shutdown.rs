//! SIGTERM: what was accepted is finished.

use crate::claviger::SOON;
use crate::polling::eventually;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_flight_is_finished() {
    let mut scene = Scene::set().await;
    let application = scene.subscribed("patient").await;
    let (mapping, client) = scene.claviger.generated_keys(&application).await;
    let token = scene.claviger.generate_token(&application, &mapping).await;
    scene.claviger.until_answered(200, &token).await;

    let http = scene.entra.http.clone();
    let url = format!("{}/weather/1.0.0/slow", scene.claviger.gateway);
    let request = http.request(reqwest::Method::GET, &url).bearer_auth(&token);
    let call = tokio::spawn(async move { http.try_send(request).await });
    eventually("the call reaches the API", SOON, async || {
        (scene.upstream.waiting() == 1).then_some(())
    })
    .await;
    let control = scene.claviger.control.clone();
    let status = async |path: &str| {
        let url = format!("{control}{path}");
        let http = &scene.entra.http;
        let asked = http.try_send(http.request(reqwest::Method::GET, &url));
        asked.await.map(|reply| reply.status)
    };
    assert_eq!(status("/health/ready").await.ok(), Some(200));
    scene.claviger.ask_to_end();
    eventually("new calls are refused", SOON, async || {
        let url = format!("{}/weather/1.0.0/forecast/Colombo", scene.claviger.gateway);
        let http = &scene.entra.http;
        http.try_send(http.request(reqwest::Method::GET, &url))
            .await
            .err()
    })
    .await;
    // Whoever asks whether to send requests here is told not to, on new connections too.
    assert_eq!(status("/health/ready").await.ok(), Some(503));
    assert_eq!(status("/health/live").await.ok(), Some(200));
    assert_eq!(
        status("/api/am/admin/v4/key-managers").await.ok(),
        Some(503)
    );
    scene.upstream.let_one_go();
    let reply = call.await.expect("a task").expect("an answer");
    assert_eq!((reply.status, &reply.json["answer"]), (200, &"late".into()));
    assert!(scene.claviger.wait_for_end().success());
    scene.kept_its_secrets(&[&client], &[&token]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_the_making_are_delivered() {
    let mut scene = Scene::set().await;
    let application = scene.subscribed("just in time").await;
    let since = scene.entra.now().await;
    let request = tokio::spawn(scene.claviger.generate_keys(&application));
    scene
        .entra
        .until_recorded(&format!("after={since}&effects=true&method=PATCH"))
        .await;
    scene.claviger.ask_to_end();
    let reply = request
        .await
        .expect("a task")
        .expect("an answer")
        .expect(200);
    assert_eq!(reply.json["keyState"], "COMPLETED", "{}", reply.text);
    assert!(scene.claviger.wait_for_end().success());
    scene.kept_its_secrets(&[], &[]);
}
