//! Entra's signing keys change under tokens that are still good.

use reqwest::Method;
use serde_json::{Value, json};

use crate::scene::Scene;

const A_DAY_AND_MORE: i64 = 25 * 3600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_new_keys_pass_at_once_and_of_retired_keys_for_a_day() {
    let mut scene = Scene::set().await;
    let application = scene.subscribed("rotated").await;
    let (_, client) = scene.claviger.generated_keys(&application).await;
    let old = scene.entra.token(&client).await;
    scene.claviger.until_answered(200, &old).await;
    let keys = scene.entra.steer(Method::GET, "/keys", None).await;
    let old_kid = keys.text_at("/signing");

    let added = scene.entra.steer(Method::POST, "/keys", None).await;
    let new_kid = added.text_at("/kid");
    let named = |kid: &str| Some(json!({ "kid": kid }));
    scene
        .entra
        .steer(Method::POST, "/keys/switch", named(&new_kid))
        .await;
    let new = scene.entra.token(&client).await;
    assert_ne!(header_of(&old), header_of(&new), "signed with another key");
    for token in [&new, &old] {
        let reply = scene.claviger.call_api("/forecast/Kandy", token).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    // Taken out of the published set at the planned end of a rollover: tokens from before live on.
    scene
        .entra
        .steer(Method::POST, "/keys/retire", named(&old_kid))
        .await;
    scene.claviger.kill();
    scene.claviger.run();
    for token in [&new, &old] {
        scene.claviger.until_answered(200, token).await;
    }

    // A day later the next fetch, which is long due then, ends the trust in what was not listed since.
    scene.claviger.kill();
    let aged = age(&scene.claviger.data().join("key-sets"), &old_kid);
    assert_eq!(aged, 1, "the old key was kept on disk");
    scene.claviger.run();
    scene.claviger.until_answered(200, &new).await;
    let reply = scene.claviger.until_answered(401, &old).await;
    assert_eq!(reply.json["code"], "900901");
    scene.kept_its_secrets(&[&client], &[&old, &new]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_replacement_of_all_keys_is_noticed_by_the_first_token() {
    let scene = Scene::set().await;
    let application = scene.subscribed("emergency").await;
    let (_, client) = scene.claviger.generated_keys(&application).await;
    let old = scene.entra.token(&client).await;
    scene.claviger.until_answered(200, &old).await;
    scene
        .entra
        .steer(Method::POST, "/keys/replace-all", None)
        .await;
    let new = scene.entra.token(&client).await;
    let reply = scene.claviger.call_api("/forecast/Kandy", &new).await;
    assert_eq!(
        reply.status, 200,
        "the first call waits for the new keys: {}",
        reply.text
    );

    // Invented key ids make the gateway ask Entra a few times, not each time.
    let since = scene.entra.now().await;
    let (_, rest) = new.split_once('.').expect("a JWT");
    for kid in 0..20 {
        let header =
            encode(&json!({ "typ": "JWT", "alg": "RS256", "kid": format!("invented-{kid}") }));
        let reply = scene
            .claviger
            .call_api("/forecast/Kandy", &format!("{header}.{rest}"))
            .await;
        assert_eq!(reply.status, 401, "{}", reply.text);
    }
    let asked = scene
        .entra
        .recorded(&format!("after={since}&target=discovery"))
        .await
        .len();
    assert!(asked <= 3, "{asked} requests for keys");
    scene.kept_its_secrets(&[&client], &[&old, &new]);
}

fn header_of(token: &str) -> &str {
    token.split_once('.').expect("a JWT").0
}

/// Base64url (RFC 4648 section 5) without padding.
fn encode(value: &Value) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in value.to_string().as_bytes().chunks(3) {
        let mut bits = 0u32;
        for position in 0..3 {
            bits = bits << 8 | u32::from(chunk.get(position).copied().unwrap_or(0));
        }
        for position in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * position)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

/// Moves the day on which a kept key was last listed, and the set last fetched; says how many such keys there were.
fn age(folder: &std::path::Path, kid: &str) -> usize {
    let mut aged = 0;
    for file in std::fs::read_dir(folder).expect("the key sets' folder") {
        let path = file.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut set: Value = serde_json::from_str(&text).expect("JSON");
        let fetched_at = set["fetched_at"].as_i64().expect("seconds");
        set["fetched_at"] = json!(fetched_at - A_DAY_AND_MORE);
        for key in set["keys"].as_array_mut().expect("keys") {
            if key["jwk"]["kid"] == kid {
                let last_seen = key["last_seen"].as_i64().expect("seconds");
                key["last_seen"] = json!(last_seen - A_DAY_AND_MORE);
                aged += 1;
            }
        }
        std::fs::write(&path, set.to_string()).expect("writable");
    }
    aged
}
